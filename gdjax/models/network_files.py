"""Trained networks as one safetensors file each, which says what is in it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

import gdjax
from gdjax.files import write_whole
from gdjax.layers.fields import check_dtype
from gdjax.models.any_module import AnyModule
from gdjax.models.configuration import NetworkConfig
from gdjax.models.families import FAMILIES
from gdjax.models.preprocessing import Preprocessing
from gdjax.models.values import plain, to_values
from gdjax.scalespace.checks import real_array, shown


FORMAT = 1
# Key of the description in the metadata of a file.
KEY = "gdjax"


def save_network(
    path: str | os.PathLike[str],
    model: nn.Module | NetworkConfig,
    variables: Any,
    *,
    dtype: Any = None,
    **facts: Any,
) -> None:
    """Writes a trained network, whole (gdjax).

    The file can be read without gdjax: its metadata have, as JSON under the key
    "gdjax",

      format: 1, of this description.
      version: of gdjax.
      sha256: of names, types, shapes and contents of the arrays.
      network: {"family": ..., field: value, ...}, the configuration, see `FAMILIES`;
        null: of a module of your own, which `load_network` must be given.
      module: its name in Python and why it can't be described, for messages; of
        modules of your own only.
      dtype: of the activations, such as "bfloat16"; null: the input's.
      facts: what is said of it, see below.

    Args:
      path: of the file, "net.safetensors".
      model: Linen module, or the configuration of one. Those of a family in
        `gdjax.models` whose fields can be written are described in the file.
      variables: {"params": ..., "batch_stats": ...}; arrays are named such as
        "params/layer_1/kernel".
      dtype: of the activations, where a configuration doesn't say it; None: that of
        the module, if it has one.
      **facts: what else to say of it. `class_names`, K strings; `image_shape`,
        (H, W, C) of the images before preprocessing; `preprocessing`, a
        `Preprocessing`; others are any plain values.

    Raises:
      TypeError, ValueError: for what is no module, for variables without "params", and
        for facts that don't fit the network or that JSON has not.
      OSError: if the file can't be written; one of that name stays as it was.
    """
    path = checked_path(path)
    write_whole(path, network_bytes(model, variables, dtype=dtype, **facts))


def checked_path(path: Any) -> Path:
    """Returns a file's path; TypeError for what is none, ValueError for a folder."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise TypeError(f"`path={shown(path)}` must be the path of a file.")
    found = Path(path)
    if found.is_dir():
        raise ValueError(f"`path`: {path} is a folder; give a file.")
    return found


def network_bytes(
    model: nn.Module | NetworkConfig,
    variables: Any,
    *,
    dtype: Any = None,
    **facts: Any,
) -> bytes:
    """What `save_network` writes, see there."""
    if not isinstance(variables, Mapping) or "params" not in variables:
        names = ", ".join(map(str, variables)) if isinstance(variables, Mapping) else ""
        raise ValueError(
            f"`variables` has {names or 'nothing'}, no"
            ' "params": give all of {"params": ..., "batch_stats": ...}.'
        )
    config, own = model, None
    if not isinstance(model, NetworkConfig):
        module = AnyModule.of(model).module
        dtype = getattr(module, "dtype", None) if dtype is None else dtype
        config, own = _described(module)
    if dtype is not None:
        check_dtype(dtype)
    facts = checked_facts(facts, config)
    if "preprocessing" in facts:
        facts["preprocessing"] = to_values(facts["preprocessing"])
    flat = flax.traverse_util.flatten_dict(jax.device_get(variables), sep="/")
    # Not `ascontiguousarray`, which makes vectors of single numbers.
    arrays = {name: np.array(array, order="C") for name, array in flat.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiubV":  # V: JAX's own floats
            raise ValueError(f"`variables`: {name} is {array.dtype}; give numbers.")
    described = {
        "format": FORMAT,
        "sha256": digest(arrays),
        "version": gdjax.__version__,
        "network": None if config is None else to_values(config),
        **({"module": own} if own else {}),
        "dtype": None if dtype is None else jnp.dtype(dtype).name,
        "facts": plain(facts, "facts"),
    }
    try:
        text = json.dumps(described, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"fields and facts must be finite: {error}") from error
    return safetensors.numpy.save(arrays, {KEY: text})


def _described(module: nn.Module) -> tuple[NetworkConfig | None, str | None]:
    """Its configuration, or the name of a module that has none and why."""
    try:
        config = configuration_of(module)
        to_values(config)
    except (TypeError, ValueError) as error:
        kind = type(module)
        return None, f"{kind.__module__}.{kind.__qualname__} ({error})"
    return config, None


def digest(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and contents."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def checked_facts(facts: dict[str, Any], model: Any) -> dict[str, Any]:
    """With tuples, without those of ours that are None; errors if they don't fit."""
    ours = "class_names", "image_shape", "preprocessing"
    facts = {
        n: value for n, value in facts.items() if n not in ours or value is not None
    }
    preprocessing = facts.get("preprocessing", Preprocessing())
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(f"`preprocessing={preprocessing!r}` must be a `Preprocessing`.")
    names = facts.pop("class_names", ())
    if not isinstance(names, str | Sequence | np.ndarray):
        raise TypeError(f"`class_names={shown(names)}` must be a list of strings.")
    if len(names):
        facts["class_names"] = names = (
            (names,) if isinstance(names, str) else tuple(names)
        )
        count = getattr(model, "num_classes", len(names))
        if len(names) != count or not all(isinstance(name, str) for name in names):
            raise ValueError(f"`class_names` must be {count} strings, not {names}.")
    if "image_shape" in facts:
        shape, ndim = facts["image_shape"], getattr(model, "ndim", 2)
        shape = np.atleast_1d(real_array(shape, name="image_shape", unit="sizes in px"))
        whole = (shape >= 1).all() and (shape == np.floor(shape)).all()
        if shape.shape != (ndim + 1,) or not whole:
            raise ValueError(
                f"`image_shape={facts['image_shape']}` must be {ndim + 1} sizes in px,"
                " the last one the channels."
            )
        facts["image_shape"] = shape = tuple(int(side) for side in shape)
        # Raises what the preprocessing has against such images.
        jax.eval_shape(preprocessing, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    return facts


def configuration_of(module: nn.Module) -> NetworkConfig:
    """The configuration that builds a module.

    Raises:
      ValueError: if it is of no family, or has fields that can't be written.
    """
    for kind in FAMILIES.values():
        if kind.module is type(module):
            return kind.of(module)
    known = sorted({str(getattr(k.module, "__name__", k)) for k in FAMILIES.values()})
    raise ValueError(
        f"`model` is a {type(module).__name__}, of which nothing is known: the networks"
        f" that can be saved are {', '.join(known)}."
    )
