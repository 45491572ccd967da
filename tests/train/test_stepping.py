"""What is noted of training steps."""

import numpy as np
import pytest

from gdjax_train.stepping import Window


B = 8


class Clock:
    """Seconds that a test lets pass."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def metrics(loss):
    return {"loss": np.float32(loss), "accuracy": 0.5, "gradient_norm": np.float32(1)}


def step(clock, window, *, seconds, loss=1.0):
    clock.now += seconds
    window.add(metrics(loss))


def test_the_speed_is_that_of_steps_alone(clock):
    window = Window(clock)

    def compiled(loss):
        clock.now += 100.0
        return metrics(loss)

    window.add(window.compile(compiled, 3.0))
    for _ in range(4):
        step(clock, window, seconds=2.0)
    with window.paused():
        clock.now += 50.0
    row, ago = window.close(B)
    assert row["images_per_second"] == pytest.approx(B / 2)
    assert row["loss"] == pytest.approx((3 + 4) / 5) and ago is None
    # The next one begins anew.
    step(clock, window, seconds=4.0)
    assert window.close(B)[0]["images_per_second"] == pytest.approx(B / 4)


def test_a_row_of_one_compiled_step_has_its_time(clock):
    window = Window(clock)

    def compiled():
        clock.now += 100.0
        return metrics(1.0)

    window.add(window.compile(compiled))
    assert window.close(B)[0]["images_per_second"] == pytest.approx(B / 100)


def test_the_first_step_that_is_not_finite(clock):
    window = Window(clock)
    for loss in (1.0, np.inf, 1.0, np.nan, 1.0):
        step(clock, window, seconds=1.0, loss=loss)
    assert window.close(B)[1] == 3
