"""Training of any Linen module on anybody's images."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import optax
from rich.console import Console

import gdjax
from gdjax.models import Preprocessing

from . import alarms
from .checkpoints import Checkpoints
from .errors import UserError
from .fit_training import FORMAT, FitTraining, check_listener
from .fitted import Fitted
from .interruption import between_steps
from .own_data import OwnData, check_data, check_same_classes, classes_of
from .paths import checked_path, make_folder
from .progress import Progress, open_console, say
from .run_files import RunFolder
from .run_folder import kept_if_begun, locked
from .step import Metrics, State
from .stepping import Window
from .versions import devices, versions


SETTINGS = "fit.json"


def fit(
    model: Any,
    train: Any,
    *,
    epochs: int,
    batch_size: int,
    validation: Any = None,
    optimizer: optax.GradientTransformation | None = None,
    loss: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    augment: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    class_names: tuple[str, ...] | None = None,
    on_row: Callable[[dict[str, Any]], None] | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Fitted:
    """Train a module on images and labels (gdjax).

    The same arguments give the same bits on the same device and versions. With `out`,
    a training that was interrupted goes on from its last checkpoint when `fit` is
    called again with the same arguments, and ends in the same bits.

    Args:
      model: Linen module, `x [B, H, W, C] -> logits [B, K]`, of segmentations
        [B, H, W, K], or a pair of them and anything else. An argument `train`,
        `training` or `deterministic` is told what happens; batch statistics and dropout
        are cared for.
      train: (images [N, H, W, C], labels [N] or masks [N, H, W]), a set of
        `gdjax.data`, or a sequence of examples, see `check_data`. Images are uint8
        (divided by 255), uint16 (by 65535) or floats in 0..1; a label of 255 in a mask
        does not count.
      epochs: over all images.
      batch_size: images a step; what is left over of an epoch waits for the next.
      validation: as `train`; scored after every epoch.
      optimizer: Optax transformation; None: Adam, whose rate falls from 1e-3 to 0 by
        half a cosine.
      loss: (logits, labels) -> [B]; None: cross entropy.
      augment: (key, images in 0..1) -> images, random changes, traced; of images only.
      preprocessing: normalisation, enlarging and padding, kept with the network.
      class_names: K names; None: those of `train`, if it has some.
      on_row: gets every row of the log, see `Fitted.history`.
      seed: of the weights, of the order of the images, of dropout and `augment`.
      out: folder of settings, log and checkpoints, one after every epoch.
      progress: whether a bar is shown, or lines where there is no terminal.

    Returns:
      The trained module.

    Raises:
      TypeError, ValueError: for arguments out of range, labels of classes that the
        model doesn't have, and images that it can't take.
      UserError: if `out` holds another training or can't be made, a checkpoint can't be
        written, or the loss is not finite.
    """
    path = None if out is None else checked_path(out, name="out")
    check_listener(on_row, name="on_row")
    training = FitTraining.of(
        model, check_data(train), epochs=epochs, batch_size=batch_size, seed=seed,
        loss=loss, preprocessing=preprocessing, optimizer=optimizer, augment=augment,
        names=class_names, known=classes_of(train),
    )  # fmt: skip
    checked = None if validation is None else check_data(validation, "validation")
    check_same_classes({"train": train, "validation": validation})
    if checked is not None:
        training.check(checked, "validation")
    console = open_console() if progress else Console(quiet=True)
    say(console, f"gdjax {gdjax.__version__} on {devices()}")
    with (
        _folder(path, training) as folder,
        alarms.quiet(),
        contextlib.ExitStack() as stack,
    ):
        history = _History(folder, on_row)
        checkpoints = None
        if folder is not None:
            checkpoints = stack.enter_context(
                Checkpoints(
                    folder.path / "checkpoints",
                    recipe=training.digest,
                    say=lambda text: say(console, text),
                )
            )
        step, state = training.start(checkpoints)
        history.rewind(step)
        if step < training.rhythm.steps:
            bar = Progress(console, "fit", start=step, steps=training.rhythm.steps)
            with bar, between_steps(bar.stopping) as wish:
                watcher = _Watcher(training, checked, history, bar, checkpoints)
                state = training.advance(
                    state, watcher, start=step, compiling=watcher.compile,
                    stopped=lambda: wish.made,
                )  # fmt: skip
    return training.fitted(state, history.rows)


@dataclasses.dataclass
class _Watcher:
    """Log, bar, validation and checkpoints of a training."""

    training: FitTraining
    validation: OwnData | None
    history: _History
    bar: Progress
    checkpoints: Checkpoints | None

    def __post_init__(self):
        self._window = Window()

    def compile(self, step: Callable[..., Any], *arguments: Any) -> Any:
        with self.bar.compiling():
            return self._window.compile(step, *arguments)

    def add(self, metrics: Metrics) -> None:
        self._window.add(metrics)

    def report(self, done: int, state: State) -> None:
        del state
        row, ago = self._window.close(self.training.settings["batch_size"])
        if ago is not None:
            raise UserError(
                f"the loss, or its gradient, is not finite at step {done - ago}: give"
                " an optimizer with a lower rate, or one that clips gradients"
            )
        self._note(done, row)
        self.bar.update(
            done, loss=row["loss"], accuracy=row["accuracy"],
            speed=row["images_per_second"],
        )  # fmt: skip

    def end_epoch(self, done: int, state: State) -> None:
        if self.validation is None:
            return
        with (
            self.bar.during("classifying the validation images"),
            self._window.paused(),
        ):
            found = self.training.fitted(state, []).evaluate_data(self.validation)
        self._note(done, {f"validation_{name}": each for name, each in found.items()})

    def save(self, done: int, state: State, *, last: bool) -> None:
        if self.checkpoints is not None:
            self.checkpoints.save(done, state, wait=last)

    def _note(self, done: int, values: dict[str, float]) -> None:
        epoch = done / self.training.rhythm.epoch
        self.history.add({"step": done, "epoch": epoch, **values})


class _History:
    """Rows of the log; in a folder, those of metrics.jsonl."""

    def __init__(self, folder: RunFolder | None, on_row: Callable[..., Any] | None):
        self._folder, self._on_row = folder, on_row
        self.rows: list[dict[str, Any]] = [] if folder is None else folder.metrics()

    def rewind(self, step: int) -> None:
        """Drop rows of steps that are taken again, and a torn last line."""
        self.rows = [row for row in self.rows if row["step"] <= step]
        if self._folder is not None:
            text = "".join(json.dumps(row) + "\n" for row in self.rows)
            self._folder.write_bytes("metrics.jsonl", text.encode())

    def add(self, row: dict[str, Any]) -> None:
        """A row; written, kept, and told."""
        if self._folder is not None:
            self._folder.append_metrics(row)
        self.rows.append(row)
        if self._on_row is not None:
            self._on_row(dict(row))


@contextlib.contextmanager
def _folder(
    path: pathlib.Path | None, training: FitTraining
) -> Iterator[RunFolder | None]:
    """The folder of a training, new or its own, which nobody else uses meanwhile.

    Raises:
      UserError: if it holds something else, or can't be made.
    """
    if path is None:
        yield None
        return
    training.settings["data"] = training.data.digest()
    run, new = RunFolder(path), not os.path.lexists(path)
    if new:
        make_folder(path, name="out")
    elif not path.is_dir() or (run.read_json(SETTINGS) is None and _holds(path)):
        raise UserError(
            f"`out={path}` exists and is no folder of `fit`: give a new one, or an"
            " empty one"
        )
    with kept_if_begun(run) if new else contextlib.nullcontext(), locked(run):
        _require_same(run, training.settings, path)
        yield run


def _holds(path: pathlib.Path) -> bool:
    try:
        return any(path.iterdir())
    except OSError as error:
        raise UserError(
            f"`out={path}` can't be read: {error.strerror}; give another `out`"
        ) from error


def _require_same(run: RunFolder, settings: dict[str, Any], out: Any) -> None:
    """Note the settings of a new training, compare those of one that goes on."""
    settings = json.loads(json.dumps(settings))  # tuples are lists in JSON
    noted = run.read_json(SETTINGS)
    if noted is None:
        run.write_json(SETTINGS, settings)
        run.write_json("versions.json", versions("float32"))
        return
    if noted.get("format") != FORMAT:
        raise UserError(f"{run.path / SETTINGS} is none of this version")
    code, before = settings.pop("code"), noted.get("code", {})
    if not isinstance(before, dict):
        raise run.damaged(SETTINGS, "says nothing of the code")
    for name, value in settings.items():
        if noted.get(name) != value:
            what = "other images or labels" if name == "data" else (
                f"`{name}={noted.get(name)}`, not {value}"
            )  # fmt: skip
            raise UserError(
                f"`out={out}` holds a training with {what}: call `fit` as before to go"
                " on with it, or give another `out`"
            )
    changed = [n for n in {**code, **before} if before.get(n) != code.get(n)]
    if changed and "jax" not in changed:  # another version of JAX writes them otherwise
        raise UserError(
            f"`out={out}` holds a training with another {' and '.join(changed)}: what"
            " it does, or a number in it, has changed; call `fit` as before to go on"
            " with it, or give another `out`"
        )
