"""Campaigns: a few cases of each, and what they count with."""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import pytest


CAMPAIGNS = pathlib.Path(__file__).parents[1] / "benchmarks" / "campaigns"


@pytest.fixture
def campaigns(monkeypatch):
    """The folder of campaigns is where their modules are found."""
    monkeypatch.syspath_prepend(str(CAMPAIGNS))
    for name in ("damage", "data_kinds", "picture_data", "corrupt_data"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_every_way_damages_alike_for_one_seed(campaigns, tmp_path):
    from damage import WAYS, lost, snapshot

    for name, way in WAYS.items():
        ends = []
        for i in range(2):
            path = tmp_path / f"{name}{i}" / "a.bin"
            path.parent.mkdir()
            path.write_bytes(bytes(range(200)))
            before = snapshot(path.parent)
            way(path, np.random.default_rng(3))
            ends.append(snapshot(path.parent))
            assert name == "unreadable" or lost(before, path.parent) == ["a.bin"]
        assert ends[0] == ends[1]


def test_counts_are_added_up(campaigns):
    from damage import Counts

    counts = Counts()
    for outcome in ("clear", "clear", "lost"):
        counts.add("IDX", "cut", outcome, "a.bin")
    assert counts.bad == ["IDX, cut: lost: a.bin"]
    assert (
        counts.markdown().splitlines()[-1] == "| **all** | 3 | 0 | 2 | 0 | 0 | 1 | 0 |"
    )


@pytest.mark.filterwarnings("ignore")
def test_damaged_data_is_noticed(campaigns):
    from corrupt_data import campaign
    from data_kinds import KINDS

    # Sets that are prepared first take their time: they are for the whole campaign.
    chosen = ("PASCAL VOC", "Cityscapes", "folder of classes", "folder with masks")
    kinds = [kind for kind in KINDS if kind.name in chosen]
    counts = campaign(76, 0, lambda line: None, kinds)
    assert counts.total.total() == 76 and not counts.bad
    assert counts.total["clear"] > 50
