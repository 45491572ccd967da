import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdjax.models import GaussDerNet
from gdjax.models.preprocessing import as_floats
from gdjax_train import step as steps
from gdjax_train.augment_config import AugmentConfig
from gdjax_train.batch import Batch
from gdjax_train.losses import make_loss
from gdjax_train.optimizer import decayed, make_optimizer, make_schedule
from gdjax_train.recipe import LossConfig, OptimizerConfig
from gdjax_train.step import compile_step, evaluated_variables, initial_state


LOGITS = np.random.default_rng(0).normal(size=(5, 10)).astype(np.float32) * 3
LABELS = np.array([0, 3, 9, 9, 1], np.int32)
BATCH = Batch(np.zeros((5, 1, 1, 1)), LABELS)


def smoothed(amount):
    return np.eye(10)[LABELS] * (1 - amount) + amount / 10


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_loss_equals_numpy(smoothing):
    logits = LOGITS.astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -(smoothed(smoothing) * log_p).sum(-1).mean()
    loss = make_loss(LossConfig("softmax", smoothing))
    np.testing.assert_allclose(jax.jit(loss)(LOGITS, BATCH), expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_binary_loss_equals_numpy(smoothing):
    p = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    target = smoothed(smoothing)
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    loss = make_loss(LossConfig("binary", smoothing))
    np.testing.assert_allclose(jax.jit(loss)(LOGITS, BATCH), expected, rtol=1e-5)


def test_losses_are_float32_for_bfloat16_logits():
    loss = make_loss(LossConfig())
    assert loss(jnp.asarray(LOGITS, jnp.bfloat16), BATCH).dtype == jnp.float32


def test_schedule_warms_up_and_ends_at_the_minimum():
    config = OptimizerConfig(
        min_learning_rate=1e-4, warmup_epochs=2, warmup_fraction=0.1
    )
    schedule = make_schedule(config, learning_rate=0.1, steps=100, steps_per_epoch=5)
    np.testing.assert_allclose(
        [schedule(t) for t in (0, 5, 10, 55, 100)],
        [0.01, 0.055, 0.1, (0.1 + 1e-4) / 2, 1e-4],
        rtol=1e-5,
    )


def test_schedule_without_warm_up_is_half_a_cosine():
    config = OptimizerConfig(min_learning_rate=5e-5)
    schedule = make_schedule(config, learning_rate=0.01, steps=80, steps_per_epoch=8)
    steps_done = np.array([0, 20, 40, 60, 80])
    expected = 5e-5 + (0.01 - 5e-5) * (1 + np.cos(np.pi * steps_done / 80)) / 2
    found = [float(schedule(t)) for t in steps_done]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_warm_up_longer_than_the_training_is_refused():
    from gdjax_train.errors import UserError

    config = OptimizerConfig(warmup_epochs=3)
    with pytest.raises(UserError, match="warmup_epochs=3"):
        make_schedule(config, learning_rate=0.1, steps=10, steps_per_epoch=5)


def adam_twin(params, gradients, rate, decay, decay_names):
    """Adam with decoupled weight decay in numpy, float64."""
    params = {name: value.astype(np.float64) for name, value in params.items()}
    first = {name: 0.0 for name in params}
    second = {name: 0.0 for name in params}
    for t, gradient in enumerate(gradients, 1):
        for name, g in gradient.items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            m = first[name] / (1 - 0.9**t)
            v = second[name] / (1 - 0.999**t)
            shrink = decay * params[name] if name in decay_names else 0.0
            params[name] = params[name] - rate * (m / (np.sqrt(v) + 1e-8) + shrink)
    return params


@pytest.mark.parametrize("name, decay", [("adam", 0.5), ("adamw", 0.5)])
def test_optimizer_equals_numpy_and_decays_kernels_only(name, decay):
    generator = np.random.default_rng(1)
    draw = {"kernel": (3, 2), "bias": (2,), "scale": (2,)}

    def values():
        return {
            key: generator.normal(size=shape).astype(np.float32)
            for key, shape in draw.items()
        }

    params, gradients = values(), [values() for _ in range(4)]
    config = OptimizerConfig(name=name, weight_decay=decay)
    optimizer = make_optimizer(config, optax.constant_schedule(0.1))
    tree = {"layer": {key: jnp.asarray(value) for key, value in params.items()}}
    state = optimizer.init(tree)
    update = jax.jit(optimizer.update)
    for gradient in gradients:
        updates, state = update({"layer": gradient}, state, tree)
        tree = optax.apply_updates(tree, updates)
    twin = adam_twin(
        params, gradients, 0.1, decay if name == "adamw" else 0.0, {"kernel"}
    )
    for key, expected in twin.items():
        np.testing.assert_allclose(tree["layer"][key], expected, rtol=2e-4, atol=1e-6)


def test_clipping_bounds_the_gradient_that_adam_sees():
    plain = make_optimizer(OptimizerConfig(), optax.constant_schedule(0.1))
    config = OptimizerConfig(clip_norm=1.0)
    clipped = make_optimizer(config, optax.constant_schedule(0.1))
    params = {"kernel": jnp.zeros(3)}
    gradient = {"kernel": jnp.array([3.0, 4.0, 0.0])}
    _, seen = clipped.update(gradient, clipped.init(params), params)
    unit = {"kernel": gradient["kernel"] / 5.0}
    _, expected = plain.update(unit, plain.init(params), params)
    np.testing.assert_allclose(
        seen[1][0].mu["kernel"], expected[0].mu["kernel"], rtol=1e-6
    )


def test_only_kernels_decay():
    params = {"a": {"kernel": 0, "bias": 0}, "norm": {"scale": 0}, "log_sigma": 0}
    expected = {
        "a": {"kernel": True, "bias": False},
        "norm": {"scale": False},
        "log_sigma": False,
    }
    assert decayed(params) == expected


@pytest.fixture
def setup(net):
    """ema_decay -> a function that makes the initial state, and the jitted step."""

    def prepare(ema_decay=None):
        model, optimizer = net(), optax.adam(0.01)

        def make():
            return initial_state(
                model,
                optimizer,
                jax.random.key(0),
                image_shape=(6, 6, 1),
                ema=ema_decay is not None,
            )

        loss = make_loss(LossConfig())
        return make, compile_step(model, optimizer, loss, ema_decay=ema_decay)

    return prepare


def test_step_is_traced_once(setup, random_examples, monkeypatch):
    calls = []
    original = steps.as_floats
    monkeypatch.setattr(steps, "as_floats", lambda x: calls.append(1) or original(x))
    make, step = setup()
    state = make()
    for seed in range(4):
        state, _ = step(state, Batch(*random_examples(8, seed)))
    assert len(calls) == 1
    assert int(state.step) == 4


def test_step_is_pure(setup, random_examples, assert_same):
    make, step = setup()
    batch = Batch(*random_examples(8))
    one, _ = step(make(), batch)
    other, _ = step(make(), batch)
    assert_same(one, other)


def test_dropout_differs_from_step_to_step(setup, random_examples):
    make, step = setup()
    batch = Batch(*random_examples(8))
    later = make()._replace(step=jnp.asarray(1, jnp.int32))
    _, first = step(make(), batch)
    _, second = step(later, batch)
    assert first["loss"] != second["loss"]


def test_running_mean_of_parameters_equals_its_recursion(setup, random_examples):
    make, step = setup(ema_decay=0.9)
    state = make()
    expected = jax.tree.map(np.asarray, state.params)
    for seed in range(3):
        state, _ = step(state, Batch(*random_examples(8, seed)))
        expected = jax.tree.map(
            lambda mean, new: 0.9 * mean + 0.1 * np.asarray(new), expected, state.params
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.ema, expected
    )
    assert evaluated_variables(state)["params"] is state.ema


def test_batch_statistics_move(setup, random_examples):
    make, step = setup()
    before = jax.tree.map(np.asarray, make().batch_stats)
    state, _ = step(make(), Batch(*random_examples(8)))
    after = jax.tree.leaves(state.batch_stats)
    pairs = zip(jax.tree.leaves(before), after, strict=True)
    assert any((a != b).any() for a, b in pairs)


class Pixelwise(nn.Module):
    """Logits of every pixel, from its own grey levels alone."""

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(3)(x), {}


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_loss_of_every_channel_is_added(weight, random_examples):
    """The loss and its gradient, beside a loop over channels."""
    model = GaussDerNet(widths=(3,), sigmas=(0.5, 1.0), scale_dropout=0.0)
    x, labels = random_examples(8, 0)
    batch, loss = Batch(x, labels), make_loss(LossConfig("binary"))
    optimizer = optax.sgd(0.1)
    make = functools.partial(
        initial_state, model, optimizer, jax.random.key(0), image_shape=x.shape[1:]
    )
    start = make()

    def wanted(params):
        variables = {"params": params, "batch_stats": start.batch_stats}
        (logits, aux), _ = model.apply(
            variables, as_floats(x), train=True, mutable=["batch_stats"]
        )
        each = [loss(aux["per_scale"][:, s], batch) for s in range(2)]
        return loss(logits, batch) + weight * sum(each) / 2

    value, gradient = jax.jit(jax.value_and_grad(wanted))(start.params)
    step = compile_step(model, optimizer, loss, channels=weight)
    state, metrics = step(make(), batch)
    np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)
    moved = jax.tree.map(lambda p, g: p - 0.1 * g, start.params, gradient)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state.params, moved
    )


def test_masks_are_moved_with_the_images_of_a_step():
    # What is the same for all pixels does not see where they are: so nothing changes,
    # but the order in which losses are added, as long as pixels keep their classes.
    generator = np.random.default_rng(0)
    batch = Batch(
        generator.integers(0, 256, (4, 6, 6, 1), np.uint8),
        generator.integers(0, 3, (4, 6, 6), np.uint8),
    )
    model, optimizer = Pixelwise(), optax.sgd(0.1)
    moves = AugmentConfig(horizontal_flip=0.5, vertical_flip=0.5, quarter_turns=True)
    found = []
    for config in (moves, AugmentConfig()):
        state = initial_state(
            model, optimizer, jax.random.key(0), image_shape=(6, 6, 1)
        )
        step = compile_step(model, optimizer, make_loss(LossConfig()), augment=config)
        found.append(step(state, batch)[1])
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=1e-5)
