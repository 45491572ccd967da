"""Public names of `gdjax.layers` under whatever users pass."""

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from strategies import (
    bad_images,
    either,
    images,
    integers,
    obeys,
    odd_objects,
    scalars,
    sigmas,
    small_arrays,
    typed,
)

from gdjax import layers
from gdjax.layers.fields import field_types


KEY = jax.random.key(0)
ANYTHING = st.one_of(scalars(), small_arrays(), odd_objects())
LOGITS = images(((2, 3, 4), (3, 2), (3,)))
KEEPS = st.builds(
    typed,
    st.sampled_from([np.ones((2, 3)), np.eye(2, 3), np.zeros((2, 3)), np.ones(3), []]),
    st.sampled_from(["bool", "int32", "float32"]),
)
SELECTIONS = [
    layers.max_over_scales,
    layers.logsumexp_over_scales,
    layers.mean_over_scales,
]


@pytest.mark.parametrize("function", SELECTIONS)
@hypothesis.given(
    either(LOGITS, bad_images()),
    either(st.none(), KEEPS, ANYTHING),
    either(st.sampled_from([-2, 1]), scalars()),
)
def test_selection_over_scales(function, per_scale, keep, axis):
    found = obeys(function, per_scale=per_scale, keep=keep, axis=axis)
    if found is not None:
        shape = list(np.shape(per_scale))
        del shape[axis]
        assert found.shape == tuple(shape)


@pytest.mark.parametrize(
    "function", [layers.centre_pixel, layers.spatial_max, layers.spatial_mean]
)
@hypothesis.given(either(images(), bad_images()), either(integers(1, 3), scalars()))
def test_selection_over_space(function, x, ndim):
    found = obeys(function, x=x, ndim=ndim)
    if found is not None:
        assert found.shape == (*np.shape(x)[: -ndim - 1], np.shape(x)[-1])


@hypothesis.given(
    either(st.just(KEY), ANYTHING),
    either(st.just((2, 3)), ANYTHING),
    either(st.sampled_from([0, 0.5, np.float32(0.2)]), scalars()),
)
def test_keep_scales(key, shape, rate):
    found = obeys(layers.keep_scales, key=key, shape=shape, rate=rate)
    assert found is None or (found.shape == (2, 3) and found.any(-1).all())


@hypothesis.given(
    either(st.just(KEY), ANYTHING), either(st.just((2, 3)), ANYTHING),
    either(st.sampled_from([jnp.float32, "bfloat16"]), ANYTHING),
)  # fmt: skip
def test_he_uniform(key, shape, dtype):
    found = obeys(layers.he_uniform, key=key, shape=shape, dtype=dtype)
    assert found is None or found.shape == tuple(shape)


@hypothesis.given(
    either(small_arrays(), scalars()), either(st.just((0.5, 4.0)), ANYTHING)
)
def test_sigma_of(logit, bounds):
    found = obeys(layers.sigma_of, logit=logit, bounds=bounds)
    if found is not None:
        assert found.shape == np.shape(logit)
        assert bool(((bounds[0] <= found) & (found <= bounds[1])).all())


@hypothesis.given(
    either(st.just([1.0, 2.0]), ANYTHING), either(integers(8, 32), scalars()),
    either(sigmas(), scalars()), either(integers(1, 3), scalars()),
    either(st.sampled_from([None, (8, 4)]), ANYTHING),
)  # fmt: skip
def test_safe_sizes(sigmas, size, r, multiple, previous):
    found = obeys(
        layers.safe_sizes, sigmas=sigmas, size=size, r=r, multiple=multiple,
        previous=previous, also=("subsampling",),
    )  # fmt: skip
    assert found is None or len(found) == len(sigmas)


@hypothesis.given(either(images(), bad_images()), either(st.just((2, 3)), ANYTHING))
def test_subsample_to(x, size):
    found = obeys(layers.subsample_to, x=x, size=size)
    assert found is None or found.ndim == np.ndim(x)


MAKERS = {
    "GaussianDerivative": lambda: layers.GaussianDerivative(1, sigma=1.0),
    "NJetConv": lambda: layers.NJetConv(2),
    "DeformableConv": lambda: layers.DeformableConv(2),
    "ScaleConv": lambda: layers.ScaleConv(2, (1.0, 2.0)),
    "DenseScaleConv": lambda: layers.DenseScaleConv(2, (1.0, 2.0)),
    "ScaleSpaceCorrelation": lambda: layers.ScaleSpaceCorrelation(2),
    "ResidualBlock": lambda: layers.ResidualBlock(2),
    "SharedBatchNorm": layers.SharedBatchNorm,
    "LearnedScales": layers.LearnedScales,
    "LearnedSigma": layers.LearnedSigma,
    "ActiveScales": lambda: layers.ActiveScales(3),
}


@pytest.mark.parametrize("name", MAKERS)
@hypothesis.given(st.data())
def test_fields_of_layers(name, data):
    layer = MAKERS[name]()
    field = data.draw(st.sampled_from(sorted(field_types(type(layer)))))
    obeys(
        layer.clone,
        also=(field, *field_types(type(layer))),
        **{field: data.draw(ANYTHING)},
    )


@pytest.mark.parametrize(
    "maker",
    [layers.plain_convolution, layers.dilated_convolution, layers.njet_convolution],
)
@hypothesis.given(st.data())
def test_convolutions(maker, data):
    name = data.draw(
        st.sampled_from(["features", "size", "groups", "use_bias", "ndim", "dtype"])
    )
    given = {"features": 2, "size": 3} | {name: data.draw(ANYTHING)}
    if maker is not layers.njet_convolution or name != "size":  # which it doesn't use
        obeys(maker, **given, also=(name,))


SHAPE = (5, 4, 1)
LAYER = layers.GaussianDerivative(1, sigma=1.0)
VARIABLES = {"params": {"kernel": jnp.ones((5, 1, 1)), "bias": jnp.zeros(1)}}


@hypothesis.given(bad_images())
def test_layers_on_other_images(x):
    if np.shape(x) != SHAPE:  # good ones compile once more for each type
        obeys(lambda x: LAYER.apply(VARIABLES, x), x=x)


@hypothesis.given(
    either(st.lists(images(((3, 2), (4, 2))), max_size=2), ANYTHING),
    either(st.sampled_from([None, np.array([True, True])]), ANYTHING),
    either(st.none(), ANYTHING),
)
def test_shared_batch_norm(xs, keep, pixels):
    norm = layers.SharedBatchNorm()
    variables = {
        "params": {"scale": jnp.ones(2), "bias": jnp.zeros(2)},
        "batch_stats": {"mean": jnp.zeros(2), "var": jnp.ones(2)},
    }

    def call(xs, keep, pixels):
        found = norm.apply(
            variables, xs, train=True, keep=keep, pixels=pixels, mutable="batch_stats"
        )
        return found[0]

    found = obeys(call, xs=xs, keep=keep, pixels=pixels, finite=False)
    assert found is None or [y.shape for y in found] == [np.shape(x) for x in xs]
