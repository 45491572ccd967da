"""The training step: a pure function of state and batch."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gdjax.models import Preprocessing
from gdjax.models.preprocessing import as_floats

from .augment import augment as augmented
from .augment_config import AugmentConfig
from .batch import IGNORED, Batch
from .losses import Loss, penalty
from .placing import on_canvas


Metrics = dict[str, jax.Array]
# A configuration, or a function of key and images in 0..1.
Augment = AugmentConfig | Callable[[jax.Array, jax.Array], jax.Array]


class State(NamedTuple):
    """Everything that a resumed phase needs.

    Attributes:
      step: number of steps done.
      params: parameters.
      batch_stats: running statistics of the normalisation.
      opt_state: of the optimiser.
      ema: running mean of the parameters, or None.
      key: never changes; step t uses `fold_in(key, t)`.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    key: jax.Array


def initial_state(
    model: Any,
    optimizer: optax.GradientTransformation,
    key: jax.Array,
    *,
    image_shape: tuple[int, int, int],
    ema: bool = False,
    variables: dict[str, Any] | None = None,
) -> State:
    """The state before the first step.

    Args:
      model: Flax module.
      optimizer: of the phase.
      key: of initial weights and of dropout.
      image_shape: (H, W, C), of preprocessed images.
      ema: whether a running mean of the parameters is kept.
      variables: start from these params and batch_stats; None: from random ones.

    Returns:
      The state; the optimiser always starts afresh.
    """
    weights_key, step_key = jax.random.split(key)
    if variables is None:
        blank = jnp.zeros((1, *image_shape), jnp.float32)
        # Compiled, the output is left out: layer by layer it would cost more than all.
        start: dict[str, Any] = jax.jit(model.init)(weights_key, blank)
    else:
        start = variables
    # Copies: the step donates its state, and no two leaves may be one buffer.
    params = jax.tree.map(jnp.array, start["params"])
    return State(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=jax.tree.map(jnp.array, start.get("batch_stats", {})),
        opt_state=optimizer.init(params),
        ema=jax.tree.map(jnp.array, params) if ema else None,
        key=step_key,
    )


def train_step(
    state: State,
    batch: Batch,
    *,
    model: Any,
    optimizer: optax.GradientTransformation,
    loss: Loss,
    augment: Augment = AugmentConfig(),  # noqa: B008 (frozen)
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    ema_decay: float | None = None,
    l2: float = 0.0,
    channels: float = 0.0,
    canvas: int | None = None,
) -> tuple[State, Metrics]:
    """One step of gradient descent.

    Args:
      state: before the step.
      batch: images and labels.
      model: Flax module, `(x, train=True) -> (logits, aux)`.
      optimizer: its updates.
      loss: of logits and the batch.
      augment: random changes of the images, and of masks with them; a function
        (key, images) changes images alone.
      preprocessing: of the changed images.
      ema_decay: of the running mean of the parameters.
      l2: of the penalty on the weights of convolutions.
      channels: weight of the mean loss of the scale channels, each by itself.
      canvas: on which the images are placed by their factors before they are changed,
        side in px; None: they aren't.

    Returns:
      The state after the step; of the batch before it, mean loss, accuracy and the
      norm of the gradient (before clipping).
    """
    dropout = jax.random.fold_in(state.key, state.step)
    # Another number than dropout's, from the same step: a resumed run draws it again.
    changes = jax.random.fold_in(dropout, 1)
    images = on_canvas(as_floats(batch.image), batch.factor, canvas)
    batch = batch._replace(image=images)
    if isinstance(augment, AugmentConfig):
        batch = augmented(changes, batch, augment)
    else:
        batch = batch._replace(image=augment(changes, images))
    images = preprocessing(jnp.asarray(batch.image))

    def objective(params: Any) -> tuple[jax.Array, tuple[jax.Array, Any]]:
        (logits, aux), updated = model.apply(
            {"params": params, "batch_stats": state.batch_stats},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": dropout},
        )
        value = loss(logits, batch)
        if channels:
            each = jax.vmap(lambda own: loss(own, batch), in_axes=1)
            value = value + channels * each(aux["per_scale"]).mean()
        if l2:
            value = value + penalty(params, l2)
        return value, (logits, updated)

    gradient_of = jax.value_and_grad(objective, has_aux=True)
    (value, (logits, updated)), gradient = gradient_of(state.params)
    metrics = {
        "loss": value,
        "accuracy": accuracy(logits, batch.label),
        "gradient_norm": optax.tree.norm(gradient),
    }
    batch_stats = updated.get("batch_stats", {})
    new = _descend(state, gradient, batch_stats, optimizer, ema_decay)
    return new, metrics


def _descend(
    state: State,
    gradient: Any,
    batch_stats: Any,
    optimizer: optax.GradientTransformation,
    ema_decay: float | None,
) -> State:
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = state.ema
    if ema_decay is not None:
        ema = optax.incremental_update(params, ema, step_size=1.0 - ema_decay)
    return State(
        step=state.step + 1,
        params=params,
        batch_stats=batch_stats,
        opt_state=opt_state,
        ema=ema,
        key=state.key,
    )


def accuracy(logits: jax.Array, label: jax.Array | np.ndarray) -> jax.Array:
    """Fraction of images [B] whose largest logit [B, K] is that of their class.

    Or of pixels [B, H, W], without those that are ignored.
    """
    label = jnp.asarray(label)
    correct = (jnp.argmax(logits, axis=-1) == label).astype(jnp.float32)
    if label.ndim == 1:
        return correct.mean()
    counted = label != IGNORED
    return (correct * counted).sum() / jnp.maximum(counted.sum(), 1)


def compile_step(
    model: Any,
    optimizer: optax.GradientTransformation,
    loss: Loss,
    *,
    augment: Augment = AugmentConfig(),  # noqa: B008 (frozen)
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    ema_decay: float | None = None,
    l2: float = 0.0,
    channels: float = 0.0,
    canvas: int | None = None,
) -> Callable[[State, Batch], tuple[State, Metrics]]:
    """`train_step` of a phase, jitted; the state that goes in is used up (donated)."""
    step = functools.partial(
        train_step, model=model, optimizer=optimizer, loss=loss, augment=augment,
        preprocessing=preprocessing, ema_decay=ema_decay, l2=l2,
        channels=channels, canvas=canvas,
    )  # fmt: skip
    return jax.jit(step, donate_argnums=0, compiler_options=compiler_options())


def abstract(make: Callable[[], State]) -> State:
    """Shapes and types of a state on one device, without computing anything."""
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here),
        jax.eval_shape(make),
    )


def evaluated_variables(state: State) -> dict[str, Any]:
    """The variables that a phase hands on: the running mean where there is one."""
    params = state.params if state.ema is None else state.ema
    return {"params": params, "batch_stats": state.batch_stats}


# By platform. On CPUs, level 1 of optimisation in place of the default; on GPUs, matrix
# products by cuBLAS alone, in place of a search among Triton's for each of hundreds.
_OPTIONS: dict[str, dict[str, int | bool]] = {
    "cpu": {"xla_backend_optimization_level": 1},
    "gpu": {"xla_gpu_enable_triton_gemm": False},
}


def compiler_options() -> dict[str, int | bool]:
    """For `jax.jit(..., compiler_options=...)` of whole networks.

    Less time to compile (on a GPU a third or less), and steps that we found as fast.
    What `XLA_FLAGS` say comes first.
    """
    device = jax.config.jax_default_device  # pyright: ignore
    platform = getattr(device, "platform", device) or jax.default_backend()
    said = os.environ.get("XLA_FLAGS", "")
    options = _OPTIONS.get(platform, {})
    return {name: value for name, value in options.items() if name not in said}
