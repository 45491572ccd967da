"""Public functions of `gdjax.metrics` under whatever users pass."""

import hypothesis
import numpy as np
from hypothesis import strategies as st
from strategies import either, images, integers, obeys, scalars, small_arrays, typed

import gdjax
from gdjax import metrics


CLASSES = st.builds(
    typed,
    st.sampled_from([[0, 1, 2, 255], [[0, 1], [2, 2]], [], [3], [-1], 0, [[0], [1]]]),
    st.sampled_from(["int32", "uint8", "int64", ">i4", "float32", "bool"]),
)
COUNTS = st.builds(
    typed,
    st.sampled_from([np.eye(3), np.zeros((2, 2)), [[1, 2]], [[-1.0]], [[np.nan]], [1]]),
    st.sampled_from(["int64", "float32", "float16", "bfloat16"]),
)
HISTOGRAMS = st.builds(
    typed,
    st.sampled_from([np.ones((2, 3, 4)), np.ones((3, 3, 4)), np.ones((2, 0, 4))]),
    st.sampled_from(["int64", "float32"]),
)
POSITIVE = st.sampled_from([0.5, 1, 2.0, np.float32(1.5)])
ARRAYS = either(small_arrays(), scalars())


def functions(good):
    return either(st.just(good), scalars())


@hypothesis.given(
    either(CLASSES, scalars()),
    either(CLASSES, scalars()),
    either(integers(1, 4), scalars()),
    either(st.just(255), scalars()),
)
def test_confusion_matrix(labels, predictions, num_classes, ignore_index):
    options = {"num_classes": num_classes, "ignore_index": ignore_index}
    found = obeys(
        metrics.confusion_matrix, labels=labels, predictions=predictions, **options
    )
    if found is not None:
        assert found.shape == (num_classes, num_classes)
    weights = obeys(metrics.inverse_frequency_weights, labels=labels, **options)
    assert weights is None or weights.shape == (num_classes,)


@hypothesis.given(
    either(COUNTS, scalars()), either(st.sampled_from([0, None]), scalars())
)
def test_intersection_over_union(confusion, background):
    found = obeys(metrics.intersection_over_union, confusion=confusion, finite=False)
    assert found is None or found.shape == np.shape(confusion)[:1]
    obeys(metrics.mean_iou, confusion=confusion, background=background, finite=False)


@hypothesis.given(either(HISTOGRAMS, scalars()))
def test_average_precision(histograms):
    found = obeys(metrics.average_precision, histograms=histograms, finite=False)
    assert found is None or found.shape == np.shape(histograms)[1:2]
    obeys(metrics.mean_average_precision, histograms=histograms, finite=False)


@hypothesis.given(
    either(CLASSES, scalars()),
    either(st.just(np.full((4, 3), 0.25)), ARRAYS),
    either(integers(1, 9), scalars()),
)
def test_score_histograms(labels, probabilities, bins):
    found = obeys(
        metrics.score_histograms, labels=labels, probabilities=probabilities, bins=bins
    )
    assert found is None or found.shape == (2, np.shape(probabilities)[-1], bins)


@hypothesis.given(
    either(images(((4, 4, 1), (4, 4))), ARRAYS),
    either(POSITIVE, scalars()),
    either(integers(1, 6), scalars()),
    either(integers(-1, 1), scalars()),
)
def test_enlargement(image, factor, size, axis):
    found = obeys(metrics.enlarge, image=image, factor=factor)
    assert found is None or found.ndim == np.ndim(image)
    found = obeys(metrics.fourier_resample, x=image, size=size, axis=axis)
    assert found is None or found.shape[axis] == size


def smoothed(image, sigma):
    return gdjax.smooth(image[..., None], sigma, padding="wrap")[..., 0]


@hypothesis.given(
    functions(smoothed),
    either(images(((4, 4),)), ARRAYS),
    either(POSITIVE, scalars()),
    either(POSITIVE, scalars()),
    either(integers(0, 1), scalars()),
    either(POSITIVE, scalars()),
)
def test_scale_covariance(fn, image, sigma, factor, border, tolerance):
    given = {"fn_at_sigma": fn, "image": image, "sigma": sigma, "factor": factor}
    obeys(metrics.scale_covariance_error, **given, border=border)
    obeys(metrics.scale_covariance_maps, **given)
    try:
        obeys(metrics.assert_scale_covariant, **given, tolerance=tolerance)
    except AssertionError as error:
        assert "the scale covariance error" in str(error)


@hypothesis.given(
    functions(lambda x: x),
    either(images(((4, 4),)), ARRAYS),
    either(st.just((1, 0)), ARRAYS),
    either(integers(0, 1), scalars()),
)
def test_translation_covariance(fn, image, shift, border):
    obeys(
        metrics.translation_covariance_error,
        fn=fn,
        image=image,
        shift=shift,
        border=border,
    )


@hypothesis.given(
    functions(lambda x: x.mean((1, 2))),
    either(images(((2, 4, 4, 1),)), ARRAYS),
    either(st.just([0.5, 2]), ARRAYS),
    either(st.just((1, 0)), ARRAYS),
    either(POSITIVE, scalars()),
)
def test_invariance(predict, pictures, factors, shift, tolerance):
    given = {"predict": predict, "images": pictures}
    found = obeys(
        metrics.scale_invariance_error, **given, factors=factors, also=("factor",)
    )
    assert found is None or found.shape == (np.size(factors), len(pictures))
    for function, own in (
        (metrics.assert_scale_invariant, {"factors": factors}),
        (metrics.assert_translation_invariant, {"shift": shift}),
    ):
        try:
            obeys(function, **given, **own, tolerance=tolerance, also=("factor",))
        except AssertionError as error:
            assert "the scores change by" in str(error)


PAIRS = st.builds(
    lambda n, labels: [(np.zeros((n, 2, 2, 1)), labels)], integers(0, 3), CLASSES
)


@hypothesis.given(
    functions(lambda x: np.zeros(len(x), int)),
    either(PAIRS, ARRAYS),
    either(integers(1, 4), scalars()),
)
def test_accuracy_per_factor(predict, datasets, batch_size):
    found = obeys(
        metrics.accuracy_per_factor,
        predict=predict,
        datasets=datasets,
        batch_size=batch_size,
    )
    assert found is None or found.shape == (len(datasets),)


@hypothesis.given(
    either(st.lists(CLASSES, max_size=2), ARRAYS), either(integers(1, 4), scalars())
)
def test_scale_selection_histogram(selected, num_scales):
    found = obeys(
        metrics.scale_selection_histogram, selected=selected, num_scales=num_scales
    )
    assert found is None or found.shape == (len(selected), num_scales)


@hypothesis.given(
    either(images(((2, 3, 4), (2, 3))), ARRAYS),
    either(st.sampled_from(["max", "mean", "logsumexp"]), scalars()),
)
def test_scale_contributions(per_scale, pooling):
    found = obeys(metrics.scale_contributions, per_scale=per_scale, pooling=pooling)
    assert found is None or found.shape == np.shape(per_scale)[:2]


DENSITY = metrics.log_uniform(1.0, 4.0)


@hypothesis.given(
    either(st.just([1.0, 2.0, 3.0]), ARRAYS),
    either(st.just([1.0, 2.0]), ARRAYS),
    either(POSITIVE, scalars()),
    either(integers(1, 4), scalars()),
)
def test_scales(scales, internal, number, count):
    obeys(metrics.log_uniform, low=number, high=4.0, finite=False)
    obeys(metrics.log_normal, mean=number, std=0.5, finite=False)
    obeys(metrics.log_normal, mean=0.0, std=number, finite=False)
    obeys(metrics.density_of_samples, samples=scales, bandwidth=number, finite=False)
    obeys(metrics.ScaleDensity, scales=scales, values=internal, finite=False)
    given = {"scales": scales, "internal": internal, "tau": number}
    obeys(metrics.tolerance_components, **given)
    obeys(metrics.tolerance_mixture, **given)
    found = obeys(metrics.internal_scales, reference=number, isr=2.0, count=count)
    assert found is None or found.shape == (count,)
    obeys(metrics.suggest_scales, data=DENSITY, count=1, sigma=number, tau=0.5)
    obeys(
        metrics.fit_tolerance,
        distributions=DENSITY,
        count=1,
        reference=number,
        tau=number,
        points=50,
        finite=False,
    )


@hypothesis.given(
    functions(lambda x: x),
    either(images(((4, 4, 1), (4, 4))), ARRAYS),
    either(integers(0, 1), scalars()),
    either(integers(1, 3), scalars()),
)
@hypothesis.settings(max_examples=8)
def test_semigroup_equivariance(fn, image, steps, levels):
    obeys(
        metrics.semigroup_equivariance_error,
        fn=fn,
        image=image,
        steps=steps,
        levels=levels,
        also=("x",),
    )


@hypothesis.given(scalars(), scalars())
def test_scale_channel_error(net, image):
    obeys(metrics.scale_channel_error, net=net, variables={}, image=image, factor=2.0)
