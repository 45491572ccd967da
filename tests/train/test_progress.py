"""What a user sees of a training: at 80 columns, on slow machines, in files."""

import io
import itertools
import sys
import time
import types

import pytest
from rich.console import Console

from gdjax_train import progress
from gdjax_train.progress import (
    Bar,
    EvaluationProgress,
    Progress,
    waiting,
)
from gdjax_train.time_left import Estimate, duration


TITLE = "spectral+silu+up-to-2.83+isr-3.78, size 2, realisation 3, seed 1 (multi)"
NUMBERS = {"loss": 0.1234, "accuracy": 0.987, "speed": 12_345.6}


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def terminal(width=80):
    return Console(file=io.StringIO(), width=width, force_terminal=True)


def file():
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def printed(console):
    return console.file.getvalue()


def picture(bar, width=80):
    """What the bar would show now, as lines."""
    plain = Console(file=io.StringIO(), width=width, force_terminal=False)
    plain.print(bar._picture())
    return printed(plain).splitlines()


@pytest.mark.parametrize("width", [80, 60])
def test_the_bar_fits_with_totals_and_time(width, clock):
    bar = Progress(terminal(width), TITLE, start=0, steps=129_984)
    bar._clock = clock
    bar._estimate = Estimate(0, 129_984, now=clock())
    clock.now += 600
    bar.update(98_765, **NUMBERS)
    first, second = picture(bar, width)
    assert first.startswith("step 98765/129984 ") and first.endswith(" 3 min left")
    assert second == "loss 0.1234  accuracy 98.7%  12,346 images/s"
    assert max(map(len, (first, second))) <= width


def test_lines_in_files_fit_80_columns_too(clock):
    console = file()
    bar = Progress(console, "net (single)", start=0, steps=29_984)
    bar._clock = clock
    bar._estimate = Estimate(0, 29_984, now=clock())
    clock.now += 3600
    bar.update(12_345, **NUMBERS | {"speed": 1234.5})
    line = printed(console).rstrip("\n")
    assert line.endswith("1,234 images/s  1 h 26 min left") and len(line) <= 80


def test_the_time_left_stays_when_reports_are_minutes_apart():
    estimate = Estimate(0, 100, now=0.0)
    assert estimate.left(now=500.0) is None
    estimate.report(10, now=600.0)
    assert estimate.left(now=600.0) == pytest.approx(5400)
    assert estimate.left(now=1000.0) == pytest.approx(5000)
    estimate.report(20, now=1200.0)
    assert estimate.left(now=1200.0) == pytest.approx(4800)
    assert estimate.left(now=9999.0) == 0


def test_the_time_left_follows_the_speed_of_late():
    estimate = Estimate(0, 1000, now=0.0)
    for k in range(1, 101):
        estimate.report(k, now=100.0 * k)
    for k in range(1, 101):
        estimate.report(100 + k, now=10_000.0 + 10 * k)
    assert estimate.left(now=11_000.0) == pytest.approx(8000)


def test_compiling_is_shown_and_does_not_count(clock):
    bar = Bar(terminal(), "net", unit="step", total=20, clock=clock)
    with bar.during("compiling the step", counts=False):
        clock.now += 70
        assert picture(bar)[1] == "compiling the step ... 70 s"
    assert "compiling" not in "".join(picture(bar))
    clock.now += 10
    bar.move(10, "loss 1")
    assert picture(bar)[0].endswith("10 s left")


def test_what_takes_long_is_said_in_files_as_well(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    console = file()
    for context in (
        Progress(console, "net", start=0, steps=2).compiling(),
        waiting(console, "reading the images"),
    ):
        with context:
            while not printed(console).endswith("...\n"):
                time.sleep(0.001)
        console.print("done")
    assert printed(console).splitlines() == [
        "  compiling the step ...", "done", "reading the images ...", "done",
    ]  # fmt: skip


def test_what_is_quick_is_not():
    console = file()
    with waiting(console, "reading the images"):
        pass
    assert printed(console) == ""


def test_files_get_lines_every_so_often_and_no_control_codes(clock):
    console = file()
    bar = Bar(console, TITLE, unit="step", total=2000, clock=clock)
    with bar:
        for step in range(1, 2001):
            clock.now += 1
            bar.move(step, "loss 1")
    title, *lines = printed(console).splitlines()
    assert title == TITLE and "\x1b" not in printed(console)
    steps = [int(line.split()[1].split("/")[0]) for line in lines]
    assert steps[0] == 1 and steps[-1] == 2000 and lines[-1].endswith("took 33 min")
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert min(gaps[:-1]) == 5 and max(gaps) == 60 and len(lines) < 100


def test_a_dumb_terminal_is_no_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = terminal()
    with Bar(console, "net", unit="step", total=1) as bar:
        bar.move(1, "loss 1")
    assert "step 1/1  loss 1  took" in printed(console)


def test_a_file_stays_one_where_colours_are_forced(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert not progress.has_bar(progress.open_console())


def test_the_bar_is_drawn_on_terminals():
    console = terminal()
    with Progress(console, "net [njet] (single)", start=2, steps=4) as bar:
        bar.update(4, **NUMBERS)
    text = printed(console)
    assert "net [njet] (single)" in text and "step 4/4" in text and "took" in text


class Kernel:
    """What IPython has in a kernel of Jupyter, and what was shown there."""

    def __init__(self):
        self.kernel, self.pictures, self.outputs = self, [], 0
        self.display = types.ModuleType("IPython.display")
        self.display.display = self.first

    def get_ipython(self):
        return self

    def first(self, shown, display_id):
        assert display_id
        self.outputs += 1
        self.update(shown)
        return self

    def update(self, shown):
        self.pictures.append((repr(shown), shown._repr_html_()))


@pytest.fixture
def kernel(monkeypatch):
    found = Kernel()
    monkeypatch.setitem(sys.modules, "IPython", found)
    monkeypatch.setitem(sys.modules, "IPython.display", found.display)
    return found


def test_notebooks_have_one_bar_for_each_training(kernel, clock):
    console = file()
    bar = Bar(console, TITLE, unit="step", total=40, clock=clock)
    with bar:
        with bar.during("compiling <the step>", counts=False):
            clock.now += 70
        for step in range(1, 41):
            clock.now += 0.1
            bar.move(step, f"loss {step}")
    assert printed(console) == "" and kernel.outputs == 1
    texts, pages = zip(*kernel.pictures, strict=True)
    assert "compiling <the step> ..." in texts[1] and "&lt;the step&gt;" in pages[1]
    # One in a quarter of a second, and always the last.
    assert len(texts) < 20
    assert texts[-1].startswith(f"{TITLE}: step 40/40  loss 40  took")
    assert 'value="1.0000" max="1"' in pages[-1]


def test_no_bar_where_none_is_wanted(kernel):
    with Bar(Console(quiet=True), "net", unit="step", total=1) as bar:
        bar.move(1, "loss 1")
    assert not kernel.pictures


def test_an_evaluation_counts_networks_at_sizes(clock):
    console = file()
    with EvaluationProgress(
        console, "evaluating 2 networks at 2 sizes", total=4
    ) as bar:
        bar._clock = clock
        bar._estimate = Estimate(0, 4, now=clock())
        for size, (network, compiling) in itertools.product(
            ("size factor 1", "size factor 2"), ((7, 60), (8, 60))
        ):
            bar.size = size
            seen = bar.begin(network, f"net {network}")
            clock.now += compiling if size.endswith("1") else 0
            seen(0.5)
            clock.now += 10
            seen(1.0)
    lines = printed(console).splitlines()
    assert lines[1] == "  test 0/4  size factor 1, net 7, compiling"
    assert "  test 1/4  size factor 1, net 7  60 s left" in lines
    assert lines[-1].startswith("  test 4/4  size factor 2, net 8  took ")
    assert not any("compiling" in line for line in lines if "factor 2" in line)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (3599, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words
