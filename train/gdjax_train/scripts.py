"""The console scripts, which import what they need where Ctrl-C is heard already."""

from __future__ import annotations

import _thread
import importlib
import sys
import threading
from typing import Any

from . import huge_pages


def train() -> int:
    """The script gdjax-train; returns the exit code."""
    huge_pages.restart("gdjax-train")
    return _run("gdjax-train", "gdjax_train.__main__", "main")


def evaluate() -> int:
    """The script gdjax-evaluate; returns the exit code."""
    huge_pages.restart("gdjax-evaluate")
    return _run("gdjax-evaluate", "gdjax_train.evaluate", "main")


def predict() -> int:
    """The script gdjax-predict; returns the exit code."""
    huge_pages.restart("gdjax-predict")
    return _run("gdjax-predict", "gdjax_train.classify", "main")


def data() -> int:
    """The script gdjax-data; returns the exit code."""
    return _run("gdjax-data", "gdjax.extras", "data_script")


def _run(name: str, module: str, function: str) -> Any:
    sys.unraisablehook = _heard_again
    try:
        body = getattr(importlib.import_module(module), function)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted before there was a result", file=sys.stderr)
        return 130
    return body()


def _heard_again(unraisable: Any) -> None:
    """Ctrl-C within a callback, as of the garbage collection, is not lost."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # A moment later: at once, it would be raised here.
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)
