"""A training of `fit`: what follows from its arguments, which are checked here."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from gdjax.layers.fields import checked_field
from gdjax.models import Preprocessing
from gdjax.models.any_module import AnyModule
from gdjax.scalespace.checks import check_order, shown

from .augment_config import AugmentConfig
from .batch import IGNORED, Batch, batch_indices, batches
from .checkpoints import Checkpoints
from .fingerprints import digest, traced
from .fitted import Fitted
from .own_data import OwnData, check_classes
from .own_networks import describe, logits_shape, traced_network
from .step import (
    State,
    abstract,
    compile_step,
    evaluated_variables,
    initial_state,
)
from .stepping import Rhythm, Watcher, run_steps


# Of what is in the folder of a training.
FORMAT = 2
# Steps between two rows, within an epoch.
_REPORT = 50


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """[B] of logits [B, K] and classes [B]; of masks [B, H, W] means over pixels."""
    counted = labels != IGNORED if labels.ndim > 1 else jnp.ones(labels.shape, bool)
    known = jnp.where(counted, labels, 0).astype(jnp.int32)
    each = optax.softmax_cross_entropy_with_integer_labels(logits, known) * counted
    axes = tuple(range(1, each.ndim))
    return each.sum(axes) / jnp.maximum(counted.sum(axes), 1)


def check_function(function: Any, *, name: str, form: str) -> None:
    """Raises TypeError for what is neither None nor a function; says its form."""
    if function is not None and not callable(function):
        raise TypeError(
            f"`{name}={shown(function)}` must be a function, {form}, or None."
        )


def check_listener(function: Any, *, name: str) -> None:
    """Raises TypeError for what is neither None nor a function of a row."""
    check_function(function, name=name, form="(row) -> None")
    if function is None:
        return
    try:
        arguments = inspect.signature(function)
    except ValueError:  # some built-in functions don't tell theirs
        return
    try:
        arguments.bind({})
    except TypeError as error:
        raise TypeError(
            f"`{name}` can't be called with a row, {name}(row): {error}."
        ) from None


def check_preprocessing(preprocessing: Any) -> None:
    """Raises TypeError for anything but a `Preprocessing`."""
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(
            f"`preprocessing={shown(preprocessing)}` must be a"
            " `gdjax.models.Preprocessing`; `Preprocessing()` leaves images as they"
            " are."
        )


def _check_optimizer(optimizer: Any) -> None:
    parts = (getattr(optimizer, name, None) for name in ("init", "update"))
    if isinstance(optimizer, type) or not all(map(callable, parts)):
        raise TypeError(
            f"`optimizer={shown(optimizer)}` must be an Optax transformation, such as"
            " `optax.adam(1e-3)`."
        )


def _check_updates(found: Any, params: Any) -> None:
    """Refuse an optimizer whose update is no pair of changes and its state."""
    pair = isinstance(found, tuple) and len(found) == 2
    if not pair or jax.tree.map(jnp.shape, found[0]) != jax.tree.map(jnp.shape, params):
        raise ValueError(
            "`optimizer` gives no changes of the shapes of the parameters: its `update`"
            " must return (updates, state)."
        )


def _traced(name: str, function: Any, *arguments: Any) -> tuple[Any, Any]:
    """`traced` of what a user gave, whose errors name it."""
    try:
        return traced(function, *arguments)
    except Exception as error:  # whatever a function of anybody's raises
        kind = type(error) if type(error) in (TypeError, ValueError) else ValueError
        of = "" if kind is type(error) else f"{type(error).__name__}: "
        raise kind(f"`{name}` can't be traced: {of}{error}") from error


def _check_shape(name: str, found: Any, wanted: tuple[int, ...]) -> None:
    """Refuse a function of a user's whose result is no array of a shape."""
    shape = getattr(found, "shape", None)
    if shape != wanted:
        given = type(found).__name__ if shape is None else f"shape {list(shape)}"
        meant = "one number for each image" if name == "loss" else "images as they came"
        raise ValueError(f"`{name}` gives {given}: return {meant}, {list(wanted)}.")
    if not jnp.issubdtype(found.dtype, jnp.floating):  # it would have no gradient
        raise TypeError(f"`{name}` gives {found.dtype}: return floats.")


@dataclasses.dataclass(frozen=True, eq=False)
class FitTraining:
    """A training with everything that follows for it from the arguments of `fit`."""

    model: AnyModule
    data: OwnData
    settings: dict[str, Any]
    loss: Callable[..., Any]
    optimizer: optax.GradientTransformation
    augment: Any
    preprocessing: Preprocessing
    names: tuple[str, ...]
    rhythm: Rhythm

    @classmethod
    def of(
        cls, model, data, *, epochs, batch_size, seed, loss, preprocessing, optimizer,
        augment, names, known,
    ) -> FitTraining:  # fmt: skip
        """Checks the arguments, before anything is traced for long."""
        epochs = check_order(epochs, name="epochs", lowest=1)
        batch_size = check_order(batch_size, name="batch_size", lowest=1)
        seed = check_order(seed, name="seed")
        check_function(loss, name="loss", form="(logits, labels) -> [B]")
        check_function(augment, name="augment", form="(key, images) -> images")
        check_preprocessing(preprocessing)
        names = checked_field("class_names", names, tuple[str, ...] | None)
        if batch_size > len(data.label):
            raise ValueError(
                f"`batch_size={batch_size}` does not fit {len(data.label)} training"
                f" images: give 1 to {len(data.label)}."
            )
        epoch = len(data.label) // batch_size
        rhythm = Rhythm(epochs * epoch, epoch, min(_REPORT, epoch), epoch)
        if optimizer is None:
            optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, rhythm.steps))
        _check_optimizer(optimizer)
        module = AnyModule.of(model)
        settings = {
            "format": FORMAT, "epochs": epochs, "batch_size": batch_size, "seed": seed,
            "model": describe(module),
            "preprocessing": dataclasses.asdict(preprocessing),
        }  # fmt: skip
        found = cls(
            module, data, settings, cross_entropy if loss is None else loss, optimizer,
            AugmentConfig() if augment is None else augment, preprocessing,
            (), rhythm,
        )  # fmt: skip
        found.check(data, "train")
        found.settings["code"] = found.fingerprints()
        return dataclasses.replace(found, names=found.checked_names(names, known))

    @property
    def digest(self) -> str:
        """Of settings and data: what a checkpoint belongs to."""
        # Code is written otherwise by another version of JAX.
        kept = {n: value for n, value in self.settings.items() if n != "code"}
        return json.dumps(kept, sort_keys=True)

    def fingerprints(self) -> dict[str, str]:
        """Digests of what the model, optimizer, loss and augment do, and JAX's version.

        Raises:
          TypeError, ValueError: for a loss, augment or optimizer that can't be traced,
            or gives something else.
        """
        variables, model, _ = traced_network(self.model, self.shape)
        params, size = variables.get("params"), self.settings["batch_size"]
        if not params:
            raise ValueError("`model` has no parameters: there is nothing to train.")
        image = jax.ShapeDtypeStruct((size, *self.data.image.shape[1:]), jnp.float32)
        label = jax.ShapeDtypeStruct((size, *self.data.label.shape[1:]), jnp.int32)
        wanted = (size, *self._logits()[1:])
        logits = jax.ShapeDtypeStruct(wanted, jnp.float32)
        work = {
            "optimizer": _traced(
                "optimizer",
                lambda p: self.optimizer.update(p, self.optimizer.init(p), p),
                params,
            ),
            "loss": _traced("loss", self.loss, logits, label),
        }
        _check_updates(work["optimizer"][1], params)
        _check_shape("loss", work["loss"][1], (size,))
        if callable(self.augment):
            key = jax.eval_shape(lambda: jax.random.key(0))
            work["augment"] = _traced("augment", self.augment, key, image)
            _check_shape("augment", work["augment"][1], image.shape)
        found = {name: digest(jaxpr) for name, (jaxpr, _) in work.items()}
        return {"jax": jax.__version__, "model": digest(model), **found}

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C) of images that the module sees."""
        return self.preprocessing.shape(tuple(self.data.image.shape[1:]))

    def check(self, data: OwnData, name: str) -> None:
        """Refuse images and labels that don't fit the module.

        Raises:
          TypeError, ValueError: with the remedy.
        """
        own = tuple(self.data.image.shape[1:])
        if tuple(data.image.shape[1:]) != own or data.segmented != self.data.segmented:
            raise ValueError(
                f"`{name}` has images {list(data.image.shape[1:])} with labels of"
                f" {data.label.ndim - 1} axes, `train` images {list(own)} with labels"
                f" of {self.data.label.ndim - 1}: give the same of both."
            )
        logits = self._logits()
        wanted = (1, *self.shape[:2]) if data.segmented else (1,)
        if logits[:-1] != wanted:
            kind = "masks, so logits" if data.segmented else "a class each, so logits"
            raise ValueError(
                f"`{name}` has {kind} of shape {[*wanted, 'K']} are needed for an image"
                f" {list(self.shape)}, but `model` gives {list(logits)}."
            )
        check_classes(data, logits[-1], name)

    def checked_names(self, names: Any, known: Any) -> tuple[str, ...]:
        """The names of the classes: given ones, or those of the data, if they fit."""
        classes = self._logits()[-1]
        if names is None:
            if len(known) not in (0, classes):
                raise ValueError(
                    f"`model` gives {classes} scores, but `train` has {len(known)}"
                    f" classes ({', '.join(map(str, known[:5]))}): give a model of as"
                    " many, or `class_names`."
                )
            return tuple(known)
        if len(names) not in (0, classes):
            raise ValueError(
                f"`class_names` are {len(names)}, but `model` gives {classes} scores:"
                " give as many."
            )
        return tuple(names)

    def _logits(self) -> tuple[int, ...]:
        return logits_shape(self.model, self.shape)

    def fresh_state(self) -> State:
        """The state before the first step."""
        return initial_state(
            self.model, self.optimizer, jax.random.key(self.settings["seed"]),
            image_shape=self.shape,
        )  # fmt: skip

    def start(self, checkpoints: Checkpoints | None) -> tuple[int, State]:
        """Number of steps done, and the state after them."""
        restored = None
        if checkpoints is not None:
            restored = checkpoints.restore(abstract(self.fresh_state))
        return (0, self.fresh_state()) if restored is None else restored

    def advance(
        self, state: State, watcher: Watcher, *, start: int, compiling: Any,
        stopped: Any,
    ) -> State:  # fmt: skip
        """Steps from `start` to the last; `compiling(step, ...)` takes the first."""

        def mean_loss(logits: jax.Array, batch: Batch) -> jax.Array:
            each = self.loss(logits.astype(jnp.float32), jnp.asarray(batch.label))
            return each.mean()

        step = compile_step(
            self.model, self.optimizer, mean_loss, augment=self.augment,
            preprocessing=self.preprocessing,
        )  # fmt: skip
        size, seed = self.settings["batch_size"], self.settings["seed"]
        indices = batch_indices(len(self.data.label), size, seed=seed)

        def take_step(state: State, batch: Batch, done: int) -> Any:
            return (
                compiling(step, state, batch) if done == start else step(state, batch)
            )

        return run_steps(
            take_step, state,
            batches(self.data, indices, start=start, stop=self.rhythm.steps),
            watcher, start=start, rhythm=self.rhythm, stopped=stopped,
        )  # fmt: skip

    def fitted(self, state: State, history: list[dict[str, Any]]) -> Fitted:
        """What is returned, so far."""
        variables = evaluated_variables(state)
        if not variables["batch_stats"]:
            del variables["batch_stats"]
        return Fitted(
            self.model.module, variables, history, tuple(self.data.image.shape[1:]),
            self.preprocessing, self.names, self.loss,
        )  # fmt: skip
