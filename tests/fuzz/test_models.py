"""Public names of `gdjax.models` under whatever users pass."""

import hypothesis
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
    small_arrays,
    typed,
)

from gdjax import models
from gdjax.layers.fields import field_types


ANYTHING = st.one_of(scalars(), small_arrays(), odd_objects())
MASKS = st.builds(
    typed, st.sampled_from([[True, True], [True, False], [False, False], [True]]),
    st.sampled_from(["bool", "int32"]),
)  # fmt: skip
NETWORKS = {name: kind().build() for name, kind in models.FAMILIES.items()}


@pytest.mark.parametrize("name", NETWORKS)
@hypothesis.given(st.data())
def test_fields_of_networks(name, data):
    known = field_types(type(NETWORKS[name]))
    field = data.draw(st.sampled_from(sorted(known)))
    obeys(NETWORKS[name].clone, also=tuple(known), **{field: data.draw(ANYTHING)})


@pytest.mark.parametrize("name", NETWORKS)
@hypothesis.given(st.data())
def test_fields_of_configurations(name, data):
    kind = models.FAMILIES[name]
    field = data.draw(st.sampled_from(sorted(field_types(kind))))
    known = (*field_types(kind), *field_types(type(NETWORKS[name])))
    value = data.draw(ANYTHING)
    obeys(lambda: kind(**{field: value}).check(), also=known)


@hypothesis.given(
    either(st.just((0.5, 0.25)), ANYTHING), either(st.just(()), ANYTHING),
    either(st.sampled_from([1, 2.0]), scalars()), either(integers(0, 2), scalars()),
    either(images(((2, 4, 4, 2), (4, 4, 2))), bad_images()),
)  # fmt: skip
def test_preprocessing(mean, std, enlarge, padding, pictures):
    made = obeys(
        models.Preprocessing, mean=mean, std=std, enlarge=enlarge, padding=padding
    )
    if made is not None and made.enlarge * made.padding < 100:
        found = obeys(made, images=pictures, also=("mean", "std"), finite=False)
        assert found is None or found.ndim == np.ndim(pictures)


@hypothesis.given(
    either(st.just([1.0, 2.0]), ANYTHING), either(MASKS, ANYTHING),
    either(st.just([0.5, 0.1]), ANYTHING), either(st.just(0.25), scalars()),
    either(st.just(0.02), scalars()),
)  # fmt: skip
def test_pruning(scales, active, contributions, merge_octaves, least):
    options = {"merge_octaves": merge_octaves, "least": least}
    found = obeys(
        models.prune_scales, scales=scales, active=active, contributions=contributions,
        **options,
    )  # fmt: skip
    assert found is None or found.shape == np.shape(scales)
    obeys(lambda: models.Pruning(**options).check(), also=tuple(options))


@hypothesis.given(ANYTHING, ANYTHING, ANYTHING)
def test_files(path, variables, thing):
    if not isinstance(path, str | bytes):
        obeys(models.load_network, path=path)
        obeys(models.load_resnet_weights, path=path, variables=variables)
    net = NETWORKS["njet_toy"]
    obeys(models.save_network, path="", model=net, variables=variables)
    obeys(models.save_network, path="", model=thing, variables={"params": {}})


@hypothesis.given(ANYTHING, either(st.just("channels"), ANYTHING))
def test_baselines(config, equal):
    obeys(models.matched_baseline, config=config, equal=equal)
