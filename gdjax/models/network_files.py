"""Trained networks as one safetensors file each, which says what is in it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
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
from gdjax.models.configuration import NetworkConfig
from gdjax.models.families import FAMILIES
from gdjax.models.preprocessing import Preprocessing, as_floats, check_images
from gdjax.models.values import from_values, plain, to_values


FORMAT = 1
# Key of the description in the metadata of a file.
KEY = "gdjax"
# Images per call of a loaded network.
BATCH = 64


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
      network: {"family": ..., field: value, ...}, the configuration, see `FAMILIES`.
      dtype: of the activations, such as "bfloat16"; null: the input's.
      facts: what is said of it, see below.

    Args:
      path: of the file, "net.safetensors".
      model: Linen module of a family in `gdjax.models`, or its configuration.
      variables: {"params": ..., "batch_stats": ...}; arrays are named such as
        "params/layer_1/kernel".
      dtype: of the activations, where a configuration doesn't say it; None: that of
        the module, if it has one.
      **facts: what else to say of it. `class_names`, K strings; `image_shape`,
        (H, W, C) of the images before preprocessing; `preprocessing`, a
        `Preprocessing`; others are any plain values.

    Raises:
      TypeError, ValueError: for a module that has no description, such as one with an
        activation of its own, for variables without "params", and for facts that don't
        fit the network or that JSON has not.
      OSError: if the file can't be written; one of that name stays as it was.
    """
    _write(Path(path), network_bytes(model, variables, dtype=dtype, **facts))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def network_bytes(
    model: nn.Module | NetworkConfig,
    variables: Any,
    *,
    dtype: Any = None,
    **facts: Any,
) -> bytes:
    """What `save_network` writes, see there."""
    if "params" not in variables:
        raise ValueError(
            f"`variables` has {', '.join(map(str, variables)) or 'nothing'}, no"
            ' "params": give all of {"params": ..., "batch_stats": ...}.'
        )
    if isinstance(model, nn.Module):
        dtype = getattr(model, "dtype", None) if dtype is None else dtype
        model = configuration_of(model)
    facts = _checked(facts, model)
    if "preprocessing" in facts:
        facts["preprocessing"] = to_values(facts["preprocessing"])
    flat = flax.traverse_util.flatten_dict(jax.device_get(variables), sep="/")
    # Not `ascontiguousarray`, which makes vectors of single numbers.
    arrays = {name: np.array(array, order="C") for name, array in flat.items()}
    described = {
        "format": FORMAT,
        "sha256": _digest(arrays),
        "version": gdjax.__version__,
        "network": to_values(model),
        "dtype": None if dtype is None else jnp.dtype(dtype).name,
        "facts": plain(facts, "facts"),
    }
    try:
        text = json.dumps(described, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"fields and facts must be finite: {error}") from error
    return safetensors.numpy.save(arrays, {KEY: text})


def _digest(arrays: dict[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _checked(facts: dict[str, Any], model: Any) -> dict[str, Any]:
    """With tuples, without those of ours that are None; errors if they don't fit."""
    ours = "class_names", "image_shape", "preprocessing"
    facts = {
        n: value for n, value in facts.items() if n not in ours or value is not None
    }
    preprocessing = facts.get("preprocessing", Preprocessing())
    if not isinstance(preprocessing, Preprocessing):
        raise TypeError(f"`preprocessing={preprocessing!r}` must be a `Preprocessing`.")
    names = facts.pop("class_names", ())
    if len(names):
        facts["class_names"] = names = (
            (names,) if isinstance(names, str) else tuple(names)
        )
        count = getattr(model, "num_classes", len(names))
        if len(names) != count or not all(isinstance(name, str) for name in names):
            raise ValueError(f"`class_names` must be {count} strings, not {names}.")
    if "image_shape" in facts:
        shape, ndim = np.atleast_1d(facts["image_shape"]), getattr(model, "ndim", 2)
        whole = np.issubdtype(shape.dtype, np.integer) and (shape >= 1).all()
        if shape.shape != (ndim + 1,) or not whole:
            raise ValueError(
                f"`image_shape={facts['image_shape']}` must be {ndim + 1} sizes in px,"
                " the last one the channels."
            )
        facts["image_shape"] = shape = tuple(shape.tolist())
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


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A network that was read from a file (gdjax).

    Attributes:
      module: Linen module.
      variables: its parameters and statistics.
      config: the description that made the module.
      class_names: K names, () where the file has none.
      image_shape: ((D,) (H,) W, C) of the images that it was trained on, before
        preprocessing; None where the file doesn't say.
      preprocessing: of its images.
      version: of gdjax, that wrote the file.
      facts: what else the file says.
    """

    module: nn.Module
    variables: Any = dataclasses.field(repr=False)
    config: NetworkConfig
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...] | None
    preprocessing: Preprocessing
    version: str
    facts: dict[str, Any]

    def scores(self, images: Any) -> np.ndarray:
        """Logits [B, K], of segmentations [B, H, W, K].

        Args:
          images: [B, (D,) (H,) W, C], uint8, uint16, or floats in 0..1.

        Raises:
          TypeError, ValueError: for other images.
        """
        channels = None if self.image_shape is None else self.image_shape[-1]
        ndim = getattr(self.module, "ndim", 2)
        images = check_images(images, channels=channels, ndim=ndim)
        size = min(BATCH, len(images))
        found = []
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            # Filled up, so that there is one shape to compile.
            spare = np.repeat(batch[:1], size - len(batch), axis=0)
            whole = np.concatenate([batch, spare])
            scores = _scores(self.module, self.preprocessing, self.variables, whole)
            found.append(np.asarray(scores, np.float32)[: len(batch)])
        return np.concatenate(found)

    def predict(self, images: Any) -> np.ndarray:
        """Class indices [B], of segmentations [B, H, W]; arguments as of `scores`."""
        return self.scores(images).argmax(-1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _scores(module: Any, preprocessing: Any, variables: Any, images: Any) -> jax.Array:
    return module.apply(variables, preprocessing(as_floats(images)), train=False)[0]


def load_network(path: str | os.PathLike[str]) -> Network:
    """Reads what `save_network` wrote (gdjax).

    Args:
      path: of the file.

    Returns:
      The network.

    Raises:
      FileNotFoundError: if there is no file.
      ValueError: if it is no safetensors file, describes no network of gdjax, or one
        that this version doesn't know, or has not the arrays of that network.
    """
    described, variables = read_network(path)
    try:
        network = _network(described, variables)
        wanted = _wanted(network)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{path} describes a network that can't be built: {error}; it was written"
            f" by gdjax {described['version']}"
        ) from error
    found = _shapes(variables)
    for name in sorted({*wanted, *found}) if wanted else ():
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"{path} has not the arrays of the network that it describes: {name} is"
                f" {found.get(name, 'missing')}, expected {wanted.get(name, 'none')}"
            )
    return network


def _network(described: dict[str, Any], variables: Any) -> Network:
    """What a description says."""
    config = from_values(described["network"], NetworkConfig, where="network.")
    facts = dict(described["facts"])
    stored = facts.pop("preprocessing", {})
    preprocessing = from_values(stored, Preprocessing, where="preprocessing.")
    facts = _checked({**facts, "preprocessing": preprocessing}, config)
    dtype = described["dtype"]
    return Network(
        module=config.build(**({} if dtype is None else {"dtype": jnp.dtype(dtype)})),
        variables=variables,
        config=config,
        class_names=facts.pop("class_names", ()),
        image_shape=facts.pop("image_shape", None),
        preprocessing=facts.pop("preprocessing"),
        version=described["version"],
        facts=facts,
    )


def _wanted(network: Network) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of the network, by name; {} without a shape of images."""
    if network.image_shape is None:
        return {}
    shape = network.preprocessing.shape(network.image_shape)
    blank = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    module = network.module
    return _shapes(jax.eval_shape(lambda x: module.init(jax.random.key(0), x), blank))


def _shapes(variables: Any) -> dict[str, tuple[int, ...]]:
    flat = flax.traverse_util.flatten_dict(variables, sep="/")
    return {name: tuple(array.shape) for name, array in flat.items()}


def read_network(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Any]:
    """The description in a file, and the arrays, nested.

    Raises:
      FileNotFoundError: if there is no file.
      ValueError: if it is no safetensors file, or has no or a foreign description.
    """
    described, variables = read_arrays(path)
    if not described:
        raise ValueError(
            f"{path} doesn't say which network it has the weights of: it was not"
            " written by `save_network`, or by a version of gdjax before that. Build"
            " the network yourself, and read the arrays by `safetensors.numpy`."
        )
    if described["format"] != FORMAT:
        raise ValueError(
            f"{path} has format {described['format']!r} of gdjax"
            f" {described.get('version')}; this version reads {FORMAT}: update gdjax"
        )
    missing = {"version", "network", "dtype", "facts"} - set(described)
    if missing:
        names = ", ".join(sorted(missing))
        raise ValueError(f"the description in {path} has no {names}")
    return described, variables


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Any]:
    """The description in a file, {} where there is none, and the arrays, nested.

    Raises:
      FileNotFoundError: if there is no file.
      ValueError: if it is no safetensors file, is damaged, or has a foreign
        description.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(KEY)
            names = list(file.keys())
            arrays = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error
    variables = flax.traverse_util.unflatten_dict(arrays, sep="/")
    if text is None:
        return {}, variables
    try:
        described = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the description in {path} can't be read: {error}") from error
    if not isinstance(described, dict) or "format" not in described:
        raise ValueError(f"the description in {path} is none of gdjax's")
    if described.get("sha256", stored := _digest(arrays)) != stored:
        raise ValueError(f"{path} is damaged: its arrays changed after it was written")
    return described, variables
