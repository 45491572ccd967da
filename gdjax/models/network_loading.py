"""Trained networks from their files."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from typing import Any

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import safetensors

from gdjax.models.any_module import AnyModule
from gdjax.models.configuration import NetworkConfig
from gdjax.models.network_files import (
    FORMAT,
    KEY,
    checked_facts,
    checked_path,
    digest,
    expected_kinds,
    first_other,
    kinds,
)
from gdjax.models.preprocessing import Preprocessing, as_floats, check_images
from gdjax.models.values import from_values
from gdjax.scalespace.checks import shown


# Images per call of a loaded network.
BATCH = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """A network that was read from a file (gdjax).

    Attributes:
      module: Linen module.
      variables: its parameters and statistics.
      config: the description that made the module; None: a module of your own.
      class_names: K names, () where the file has none.
      image_shape: ((D,) (H,) W, C) of the images that it was trained on, before
        preprocessing; None where the file doesn't say.
      preprocessing: of its images.
      version: of gdjax, that wrote the file.
      facts: what else the file says.
    """

    module: nn.Module
    variables: Any = dataclasses.field(repr=False)
    config: NetworkConfig | None
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
            module = AnyModule.of(self.module)
            scores = _scores(module, self.preprocessing, self.variables, whole)
            found.append(np.asarray(scores, np.float32)[: len(batch)])
        return np.concatenate(found)

    def predict(self, images: Any) -> np.ndarray:
        """Class indices [B], of segmentations [B, H, W]; arguments as of `scores`."""
        return self.scores(images).argmax(-1)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _scores(module: Any, preprocessing: Any, variables: Any, images: Any) -> jax.Array:
    return module.apply(variables, preprocessing(as_floats(images)))[0]


def load_network(
    path: str | os.PathLike[str], *, model: nn.Module | None = None
) -> Network:
    """Reads what `save_network` wrote (gdjax).

    Args:
      path: of the file.
      model: Linen module; only for files of modules that are not of `gdjax.models`.

    Returns:
      The network.

    Raises:
      FileNotFoundError: if there is no file.
      ValueError: if it is no safetensors file, describes no network of gdjax, or one
        that this version doesn't know, or has not the arrays of that network; if it is
        of a module of your own, and there is no `model`.
    """
    described, variables = read_network(path)
    try:
        network = _network(described, variables, _required(described, model, path))
        wanted = _wanted(network)
    except UndescribedError:
        raise
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"{path} describes a network that can't be built:"
            f" {' '.join(str(error).split())}; it was written by gdjax"
            f" {described['version']}"
        ) from error
    found = kinds(flax.traverse_util.flatten_dict(variables, sep="/"))
    other = first_other(found, wanted) if wanted else ""
    if other:
        raise ValueError(
            f"{path} has not the arrays of the network that it describes: {other}"
        )
    return network


def _required(described: dict[str, Any], model: Any, path: Any) -> nn.Module | None:
    """The module that a file needs beside it; None where it needs none."""
    if described["network"] is not None:
        return None
    if model is None:
        raise UndescribedError(
            f"{path} doesn't say how to build {described.get('module', 'its module')}:"
            " give it, `load_network(path, model=...)`, with the arguments that it was"
            " trained with"
        )
    return AnyModule.of(model).module


class UndescribedError(ValueError):
    """A file doesn't say how its network is built."""


def _network(
    described: dict[str, Any], variables: Any, own: nn.Module | None
) -> Network:
    """What a description says, or the module `own` with its facts."""
    config = None
    if own is None:
        config = from_values(described["network"], NetworkConfig, where="network.")
    if not isinstance(described["facts"], dict):
        raise ValueError(f"`facts={shown(described['facts'])}` must be a mapping")
    facts = dict(described["facts"])
    stored = facts.pop("preprocessing", {})
    preprocessing = from_values(stored, Preprocessing, where="preprocessing.")
    facts = checked_facts({**facts, "preprocessing": preprocessing}, config)
    dtype = described["dtype"]
    if config is not None:
        own = config.build(**({} if dtype is None else {"dtype": jnp.dtype(dtype)}))
    assert own is not None
    return Network(
        module=own,
        variables=variables,
        config=config,
        class_names=facts.pop("class_names", ()),
        image_shape=facts.pop("image_shape", None),
        preprocessing=facts.pop("preprocessing"),
        version=described["version"],
        facts=facts,
    )


def _wanted(network: Network) -> dict[str, str]:
    """What the arrays of the network are, by name; {} without a shape of images."""
    if network.image_shape is None:
        return {}
    shape = network.preprocessing.shape(network.image_shape)
    return expected_kinds(network.module, shape)


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
    if type(described["format"]) is not int or described["format"] != FORMAT:
        raise ValueError(
            f"{path} has format {described['format']!r} of gdjax"
            f" {described.get('version')}; this version reads {FORMAT}: update gdjax"
        )
    missing = {"version", "network", "dtype", "facts"} - set(described)
    if missing:
        names = ", ".join(sorted(missing))
        raise ValueError(f"the description in {path} has no {names}")
    if not isinstance(described["version"], str):
        raise ValueError(
            f"the description in {path} has version {shown(described['version'])},"
            " which gdjax doesn't write: it was changed, or is of other software"
        )
    return described, variables


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Any]:
    """The description in a file, {} where there is none, and the arrays, nested.

    Raises:
      FileNotFoundError: if there is no file.
      ValueError: if it is no safetensors file, is damaged, or has a foreign
        description.
    """
    path = checked_path(path)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(KEY)
            names = list(file.keys())
            arrays = {name: file.get_tensor(name) for name in names}
    except safetensors.SafetensorError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is no safetensors file: {reason}") from error
    except FileNotFoundError:
        raise
    except (OSError, TypeError, AttributeError) as error:  # types that NumPy lacks
        raise ValueError(f"{path} can't be read: {error}") from error
    inside = [name for name in names if any(n.startswith(f"{name}/") for n in names)]
    if inside:
        raise ValueError(f"{path} has an array {inside[0]!r}, and others within it")
    variables = flax.traverse_util.unflatten_dict(arrays, sep="/")
    if text is None:
        return {}, variables
    try:
        described = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the description in {path} can't be read: {error}") from error
    if not isinstance(described, dict) or "format" not in described:
        raise ValueError(f"the description in {path} is none of gdjax's")
    if described.get("sha256", stored := digest(arrays)) != stored:
        raise ValueError(f"{path} is damaged: its arrays changed after it was written")
    return described, variables
