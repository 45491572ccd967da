"""How long something will take, from what was done until when."""

from __future__ import annotations

import collections


# The speed is that of the last so many seconds, and of so many reports at least.
WINDOW_SECONDS, WINDOW_REPORTS = 120.0, 10


def duration(seconds: float) -> str:
    """Such as "8 s", "12 min", "1 h 05 min", "2 d 3 h"."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


class Estimate:
    """The time that is left, from what was done until when."""

    def __init__(self, start: float, total: float, *, now: float):
        """Nothing is known yet.

        Args:
          start: done before.
          total: to be done.
          now: time in seconds.
        """
        self._total = total
        self._reports = collections.deque([(now, start)])

    def report(self, done: float, *, now: float) -> None:
        """So much is done."""
        self._reports.append((now, done))
        while (
            len(self._reports) > WINDOW_REPORTS
            and self._reports[1][0] < now - WINDOW_SECONDS
        ):
            self._reports.popleft()

    def skip(self, seconds: float, part: float = 0.0) -> None:
        """The last so many seconds, and what was done in them, say nothing."""
        self._reports = collections.deque(
            (when + seconds, done + part) for when, done in self._reports
        )

    def left(self, *, now: float) -> float | None:
        """Seconds; None before there is a speed."""
        (began, first), (last, done) = self._reports[0], self._reports[-1]
        if done <= first or last <= began:
            return None
        whole = (self._total - done) * (last - began) / (done - first)
        return max(0.0, whole - (now - last))
