"""What functions of a user's do, as digests: a training goes on with the same alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np


def traced(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """What a function does with arrays of these shapes, and the shapes of its results.

    Args:
      function: traceable.
      *arguments: `jax.ShapeDtypeStruct`s, or trees of them.

    Returns:
      The jaxpr, and `jax.ShapeDtypeStruct`s.
    """
    return jax.make_jaxpr(function, return_shape=True)(*arguments)


def digest(closed: Any) -> str:
    """SHA-256 of a jaxpr: operations, shapes, numbers and constant arrays.

    Another version of JAX may write the same otherwise.
    """
    found = hashlib.sha256(_without_places(str(closed.jaxpr)).encode())
    for constant in closed.consts:
        if jax.dtypes.issubdtype(constant.dtype, jax.dtypes.extended):
            constant = jax.random.key_data(constant)
        array = np.asarray(constant)
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _without_places(text: str) -> str:
    """Without what differs from process to process: addresses, and lines of files."""
    return re.sub(r" at 0x[0-9a-f]+| at /[^ ]+:\d+", "", text)


def empty_shapes(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    """Shapes without elements among the results of all operations, also inside."""
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            shape = getattr(variable.aval, "shape", ())
            if 0 in shape:
                yield tuple(shape)
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(inner):
                yield from empty_shapes(getattr(inner, "jaxpr", inner))


def _is_jaxpr(value: Any) -> bool:
    return hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns")
