import numpy as np
import pytest

from gdjax_train.batch import batch_indices, steps_per_epoch
from gdjax_train.errors import UserError


def test_an_epoch_has_no_image_twice():
    order = batch_indices(23, 5, seed=3)
    for epoch in range(3):
        seen = np.concatenate([order(4 * epoch + step) for step in range(4)])
        assert len(set(seen)) == 20
        assert 0 <= seen.min() and seen.max() < 23


def test_every_epoch_is_another_permutation():
    order = batch_indices(20, 20, seed=3)
    assert not np.array_equal(order(0), order(1))


def test_order_depends_on_seed_and_step_alone():
    forward = [batch_indices(23, 5, seed=3)(step) for step in range(9)]
    backward = batch_indices(23, 5, seed=3)
    for step in reversed(range(9)):
        np.testing.assert_array_equal(backward(step), forward[step])
    other = batch_indices(23, 5, seed=4)
    assert not np.array_equal(other(0), forward[0])


@pytest.mark.parametrize("batch_size", [0, 24])
def test_a_batch_that_cannot_be_filled_is_refused(batch_size):
    with pytest.raises(UserError, match=f"batch_size={batch_size}.*23"):
        steps_per_epoch(23, batch_size)


def test_left_over_images_are_not_a_step():
    assert steps_per_epoch(23, 5) == 4
