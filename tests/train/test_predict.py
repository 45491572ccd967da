"""Pixels: classes as `scores` has them, average precision of their probabilities."""

import flax.linen as nn
import jax
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from gdjax.metrics import average_precision
from gdjax_train import predict
from gdjax_train.data import Source
from gdjax_train.scoring import background_class


class Labels(nn.Module):
    """Three classes of every pixel; sure of itself."""

    @nn.compact
    def __call__(self, x, train=False):
        start = nn.initializers.normal(40.0)
        return nn.Conv(3, (1, 1), kernel_init=start, use_bias=False)(x), {}


@pytest.fixture(scope="module")
def found():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (7, 24, 24, 1), np.uint8)
    labels = generator.integers(0, 3, (7, 24, 24)).astype(np.uint8)
    # Classes that can be told, but not always.
    labels = np.where(
        generator.random(labels.shape) < 0.4, images[..., 0] // 90, labels
    )
    labels[0, :4] = 255
    model = Labels()
    variables = model.init(jax.random.key(0), images[:1] / np.float32(255))
    return model, variables, images, labels


def test_pixels_are_classified_as_by_scores(found):
    model, variables, images, labels = found
    wanted = predict.scores(model, variables, images, batch_size=3)
    classes, _ = predict.pixels(model, variables, images, labels, batch_size=3)
    np.testing.assert_array_equal(classes, wanted)


def test_average_precision_is_that_of_the_probabilities(found):
    model, variables, images, labels = found
    _, histograms = predict.pixels(model, variables, images, labels, batch_size=3)
    counted = labels != 255
    assert histograms.sum() == 3 * counted.sum()
    logits, _ = model.apply(variables, images / np.float32(255))
    scores = np.asarray(jax.nn.log_softmax(logits), np.float64)[counted]
    # Log-odds order pixels as probabilities do, whose differences near 1 are lost.
    odds = scores - np.log(-np.expm1(np.minimum(scores, -1e-30)))
    wanted = [
        average_precision_score(labels[counted] == k, odds[:, k]) for k in range(3)
    ]
    np.testing.assert_allclose(average_precision(histograms), wanted, atol=1e-3)


def test_objects_alone_are_averaged_where_there_is_a_background():
    def background(name):
        return background_class(Source(name, "test"))

    assert background("multi_scale_fashion_mnist/small_mixed") == 0
    assert background("garments_on_textures") == 0
    assert background("cityscapes/half") is None  # its first class is a road
