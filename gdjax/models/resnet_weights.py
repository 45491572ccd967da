"""Weights of a `DilatedResNet` from a file with torchvision's names (gdjax)."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import safetensors
from flax import traverse_util

from gdjax.models.network_files import checked_path
from gdjax.scalespace.checks import shown


# What Flax calls the arrays of a layer, and what PyTorch does.
NAMES = {
    "kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean",
    "var": "running_var",
}  # fmt: skip
FLOATS = ("F16", "F32", "F64")
# Errors name so many tensors at most.
SHOWN = 4

Path = tuple[str, ...]


class Tensor(NamedTuple):
    """An array of the network: where it is, its dtype and its shape in the file."""

    path: Path
    dtype: Any
    shape: tuple[int, ...]


def load_resnet_weights(
    path: str | os.PathLike[str], variables: Any, *, scope: str | None = "backbone"
) -> dict[str, Any]:
    """Puts a file's weights in the place of a `DilatedResNet`'s random ones.

    Args:
      path: a safetensors file with the names and layout of torchvision's ResNets
        (`conv1.weight` [64, 3, 7, 7], `bn1.running_mean`, `layer1.0.conv1.weight`,
        `layer1.0.downsample.0.weight`, ...); `fc.*` and `num_batches_tracked` are not
        looked at. Made in PyTorch by
        `safetensors.torch.save_file(model.state_dict(), path)`.
      variables: of the network, as `init` returned them.
      scope: what the network calls the backbone; None: it is the network.

    Returns:
      `variables` with the backbone's parameters and running statistics of the file.

    Raises:
      FileNotFoundError: if there is no such file.
      TypeError: for `variables` that are no mapping, or a `path` that is none.
      ValueError: if the file can't be read, or a tensor is missing, unknown, of
        another shape or not of finite floating-point numbers: it is named.

    [njet] sec. 4.2, experiment 2(B).
    """
    path = checked_path(path)
    if not isinstance(variables, Mapping):
        raise TypeError(f"`variables={shown(variables)}` must be what `init` returned.")
    if scope is not None and not isinstance(scope, str):
        raise TypeError(f"`scope={shown(scope)}` must be a string or None.")
    flat: dict[Any, Any] = traverse_util.flatten_dict(dict(variables))
    wanted = _wanted(flat, scope)
    with _opened(path) as file:
        _check_tensors(path, file, wanted)
        for name, tensor in wanted.items():
            array = file.get_tensor(name)
            if not np.isfinite(array).all():
                raise ValueError(f"`{name}` of {path} has values that aren't finite.")
            if array.ndim == 4:  # OIHW
                array = array.transpose(2, 3, 1, 0)
            flat[tensor.path] = jnp.asarray(array, tensor.dtype)
    return traverse_util.unflatten_dict(flat)


def _wanted(flat: dict[Path, Any], scope: str | None) -> dict[str, Tensor]:
    """What the file must hold, by its names there."""
    wanted = {}
    for place, leaf in flat.items():
        _, *modules, kind = place
        if scope is not None:
            if modules[0] != scope:
                continue
            modules = modules[1:]
        shape = tuple(leaf.shape)
        if len(shape) == 4:  # HWIO
            shape = shape[3], shape[2], shape[0], shape[1]
        name = ".".join(
            [*(m.replace("_", ".") for m in modules), NAMES.get(kind, kind)]
        )
        wanted[name] = Tensor(place, leaf.dtype, shape)
    if not wanted:
        raise ValueError(
            f"`variables` have nothing under `scope={scope!r}`; give what"
            " `NJetDeepLab(...).init` returned, or `scope=None` for a `DilatedResNet`."
        )
    return wanted


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            yield file
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} is not a safetensors file, or is damaged ({error}); make it anew"
            " with `safetensors.torch.save_file(model.state_dict(), path)`."
        ) from error


def _check_tensors(path: Any, file: Any, wanted: dict[str, Tensor]) -> None:
    """Raises ValueError unless the file has all tensors, of their shapes, alone."""
    held = {
        name: file.get_slice(name)
        for name in file.keys()  # noqa: SIM118 (not a dict)
        if not name.startswith("fc.") and not name.endswith(".num_batches_tracked")
    }
    wrong = []
    for name, tensor in wanted.items():
        if name not in held:
            wrong.append(f"`{name}` is missing, its shape is {tensor.shape}")
            continue
        shape, dtype = tuple(held[name].get_shape()), held[name].get_dtype()
        if shape != tensor.shape:
            wrong.append(f"`{name}` has shape {shape} instead of {tensor.shape}")
        elif dtype not in FLOATS:
            wrong.append(f"`{name}` has dtype {dtype} instead of one of {FLOATS}")
    for name in sorted(held.keys() - wanted.keys()):
        shape = tuple(held[name].get_shape())
        wrong.append(f"`{name}` of shape {shape} is none of the network's")
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError(
            f"{path} doesn't fit the network: {'; '.join(wrong[:SHOWN])}{more}. Give"
            " the weights of a torchvision ResNet whose bottlenecks are the network's"
            " `blocks` and `width`."
        )
