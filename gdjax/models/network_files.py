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
      TypeError, ValueError: for what is no module; for variables without parameters, of
        types that files have not, or other than those of the network, where it can be
        described and `image_shape` is given; for facts that don't fit the network or
        that JSON has not.
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
    checked: bool = True,
    **facts: Any,
) -> bytes:
    """What `save_network` writes, see there.

    With `checked`, the arrays are compared with those that the configuration makes,
    for which the network is traced.
    """
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
    arrays = named_arrays(variables)
    if checked and isinstance(config, NetworkConfig) and "image_shape" in facts:
        _check_arrays(arrays, config, facts)
    if "preprocessing" in facts:
        facts["preprocessing"] = to_values(facts["preprocessing"])
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


def named_arrays(variables: Any) -> dict[str, np.ndarray]:
    """Arrays by names such as "params/layer_1/kernel", as files have them.

    Raises:
      TypeError: for names that are no strings, or types that files or JAX have not.
      ValueError: for names with "/", arrays of no numbers, or no parameters.
    """
    _check_names(variables, "`variables`")
    flat = flax.traverse_util.flatten_dict(jax.device_get(variables), sep="/")
    found = {str(name): _stored(array, str(name)) for name, array in flat.items()}
    if not any(name.startswith("params/") for name in found):
        raise ValueError('`variables` has no arrays in "params": give those of `init`.')
    return found


def _check_names(variables: Any, where: str) -> None:
    for name, value in variables.items():
        if not isinstance(name, str):
            raise TypeError(f"{where} has the name {shown(name)}: give strings.")
        if "/" in name:
            raise ValueError(
                f'{where} has the name {name!r}: files have "/" between the names of'
                " modules; give mappings within each other."
            )
        if isinstance(value, Mapping):
            _check_names(value, f"{where}: {name}")


def _stored(array: Any, name: str) -> np.ndarray:
    """In C order and this machine's byte order."""
    try:
        # Not `ascontiguousarray`, which makes vectors of single numbers.
        found = np.array(array, order="C")
    except ValueError as error:
        raise ValueError(f"`variables`: {name} is no array: {error}.") from error
    floats = jnp.issubdtype(found.dtype, jnp.floating)
    if floats and found.dtype.itemsize not in (2, 4, 8):
        raise TypeError(
            f"`variables`: {name} is {found.dtype}, which files of networks have not;"
            " convert it first: `x.astype(np.float32)`."
        )
    if not floats and found.dtype.kind not in "iub":
        raise ValueError(f"`variables`: {name} is {found.dtype}; give numbers.")
    return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder())


def _check_arrays(
    arrays: dict[str, np.ndarray], config: NetworkConfig, facts: dict[str, Any]
) -> None:
    """Raises ValueError for other arrays than those of the network."""
    shape = facts["image_shape"]
    preprocessing = facts.get("preprocessing", Preprocessing())
    try:
        wanted = expected_kinds(config.build(), preprocessing.shape(shape))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"`image_shape={shape}` is none of the network's: {error}"
        ) from error
    other = first_other(kinds(arrays), wanted)
    if other:
        raise ValueError(
            f"`variables` are not those of the network for `image_shape={shape}`:"
            f" {other}."
        )


def expected_kinds(module: nn.Module, shape: tuple[int, ...]) -> dict[str, str]:
    """`kinds` of the arrays of a module, for preprocessed images of that shape."""
    blank = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    own = AnyModule.of(module)
    found = jax.eval_shape(lambda x: own.init(jax.random.key(0), x), blank)
    return kinds(flax.traverse_util.flatten_dict(found, sep="/"))


def kinds(arrays: Mapping[Any, Any]) -> dict[str, str]:
    """Shapes of arrays, and what they hold where that isn't floats, by name."""
    found = {}
    for name, array in arrays.items():
        floats = jnp.issubdtype(array.dtype, jnp.floating)
        found[name] = f"{tuple(array.shape)}{'' if floats else f' {array.dtype}'}"
    return found


def first_other(found: dict[str, str], wanted: dict[str, str]) -> str:
    """What the first array is that differs from what is wanted; "" if none does."""
    for name in sorted({*wanted, *found}):
        if wanted.get(name) != found.get(name):
            return (
                f"{name} is {found.get(name, 'missing')}, expected"
                f" {wanted.get(name, 'none')}"
            )
    return ""


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
