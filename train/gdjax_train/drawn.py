"""Test images at drawn sizes, as the training images have them."""

from __future__ import annotations

from .data import Source, load_test
from .placing import PlacedExamples, with_factors
from .scale_distribution import ScaleDistribution, draw_factors


# Beside 0 for training and 1 for validation images of a realisation.
_TEST = 2


def has_drawn_sizes(own: Source) -> bool:
    """Whether the training images of a trial are on canvases at drawn sizes."""
    return own.canvas is not None and own.scales != ScaleDistribution()


def load_drawn(
    own: Source, *, data_dir: str | None, limit: int | None = None
) -> PlacedExamples:
    """Test images whose factors are drawn from the distribution of the training.

    Once per image: they depend on the distribution, the realisation and the image
    alone, whatever the seed of the run.

    Args:
      own: of the test images of a trial.
      data_dir: where the data sets are.
      limit: the first so many images; None: all.

    Returns:
      Images as read, labels, factors.

    Raises:
      UserError: for missing data.

    [scale_learning] 4.1, the test errors of Fig. 3 and of Tables 2-4.
    """
    examples = load_test(own, 1.0, data_dir=data_dir, limit=limit)
    seed = own.realisation, _TEST
    factors = draw_factors(own.scales, len(examples.label), seed=seed)
    return with_factors(examples, factors)
