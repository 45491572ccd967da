"""Recomputation in the backward pass: the same values, less memory."""

import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.remat import recomputed


def chain(weights, x):
    """Three products whose inside is four times as large as input and output."""
    for w in weights:
        x = jnp.tanh(jnp.tanh(x @ w) @ w.T)
    return x, {"count": jnp.arange(2)}


def test_recomputation_changes_no_gradient_and_saves_memory():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((16, 64)).astype(np.float32) / 8 for _ in range(3)]
    x = rng.standard_normal((512, 16)).astype(np.float32)

    def loss(run):
        def total(weights, x):
            for _ in range(4):
                x, _ = run(weights, x)
            return (x * x).sum()

        return jax.jit(jax.grad(total, (0, 1))).lower(weights, x).compile()

    kept, again = loss(chain), loss(recomputed(chain))
    # Sums of up to 512 terms, in another order: float32's rounding of the largest.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max()
        ),
        kept(weights, x),
        again(weights, x),
    )
    sizes = [run.memory_analysis().temp_size_in_bytes for run in (kept, again)]
    assert sizes[1] <= 0.6 * sizes[0]


def test_keys_and_integers_pass_through():
    def draw(key, index, x):
        return x[index] * jax.random.normal(key, x.shape)

    key, x = jax.random.key(0), jnp.arange(3.0)
    args = (key, jnp.array(2), x)
    expected = jax.grad(lambda x: draw(key, args[1], x).sum())(x)
    found = jax.grad(lambda x: recomputed(draw)(key, args[1], x).sum())(x)
    np.testing.assert_array_equal(found, expected)
