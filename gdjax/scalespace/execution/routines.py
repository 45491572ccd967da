"""Functions that have a second form for CPUs, the same under every transformation.

XLA's compiler for CPUs is at its best with other programs than those of accelerators.
A `Routine` is a function of arrays in two forms that are equal to rounding. Which one
is compiled is decided when a program is lowered, not when it is traced, so that what is
exported for another platform has nothing of the host's. It is differentiated after
that decision: what `jax.jvp`, `jax.vjp` and `jax.vmap` make of a routine is one more
routine, so that the form that is not taken costs nothing (`jax.lax.platform_dependent`
traces and differentiates both). Nothing inside is kept for the backward pass.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType


Arrays = Sequence[Any]
# Which of some arrays.
Chosen = Sequence[bool]
_PLAIN = jax.make_user_context(default_value=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Nothing but the mathematics, on any platform.

    Within it, functions, layers and networks are traced without anything that changes
    only speed: one form of every function, no subspaces, no chunks of images. Values
    are equal to rounding. Functions that were compiled outside are traced again. gdjax.
    """
    with _PLAIN(True):
        yield


def plainly(*arrays: Any) -> bool:
    """Whether there is one form alone: within `plain`, or on explicit axes of a mesh.

    Those are in the types of arrays, and JAX knows what becomes of them.
    """
    meshes = (jax.typeof(array).sharding.mesh for array in arrays)
    return _PLAIN.value or any(AxisType.Explicit in m.axis_types for m in meshes)


@dataclasses.dataclass(frozen=True)
class Routine:
    """A function of arrays, known by the values of its (hashable) fields.

    Subclasses give `plain`, and what is faster on CPUs. `by_value`: whether what is
    found out is kept for other calls, else `avals` are the types of the results.
    `plain_backward`: as `backward`, on accelerators; None: that of JAX.
    """

    by_value: ClassVar[bool] = True
    plain_backward: ClassVar[Callable[..., Arrays] | None] = None

    def plain(self, *arrays: Any) -> Any:
        """An array, or several."""
        raise NotImplementedError

    def cpu(self, *arrays: Any) -> Any:
        """The form for CPUs."""
        return self.plain(*arrays)

    def backward(self, arrays: Arrays, gradients: Arrays, moved: Chosen) -> Arrays:
        """Gradients in the `moved` arrays from those of the real results, on CPUs."""
        return vjp(self.on(True), arrays, gradients, moved)

    def one_by_one(self, axes: Sequence[int | None]) -> bool:
        """Whether CPUs, over new axes of the arrays, run it once for each index."""
        del axes
        return False

    def __call__(self, *arrays: Any) -> Any:
        """Runs it, or its plain form alone (`plainly`)."""
        if plainly(*arrays):
            return self.plain(*arrays)
        results = routine_p.bind(*vary_alike(arrays), routine=self)
        return results[0] if len(results) == 1 else tuple(results)

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        """One of the forms; a tuple of results."""
        run = self.cpu if cpu else self.plain
        return lambda *arrays: tuple(jax.tree.leaves(run(*arrays)))


@dataclasses.dataclass(frozen=True)
class _Jvp:
    """(arrays, tangents of the moved ones) -> tangents of the real results."""

    of: Any
    moved: tuple[bool, ...]
    real: tuple[bool, ...]

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        def jvp(*arrays: Any) -> tuple[Any, ...]:
            primals = arrays[: len(self.moved)]
            run = of_some(self.of.on(cpu), primals, self.moved)
            given = select(primals, self.moved), arrays[len(self.moved) :]
            return select(jax.jvp(run, *given)[1], self.real)

        return jvp


@dataclasses.dataclass(frozen=True)
class _Transposed:
    """(the other arrays, gradients of results) -> gradients of those in `linear`."""

    of: Any
    linear: tuple[bool, ...]
    avals: tuple[Any, ...]

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        count = self.linear.count(False)

        def transposed(*arrays: Any) -> tuple[Any, ...]:
            known, gradients = arrays[:count], arrays[count:]
            moved = getattr(self.of, "moved", ())
            if moved and self.linear == (False,) * len(moved) + (True,) * sum(moved):
                return _backward(self.of.of, cpu, known, gradients, moved)
            rest, zeros = iter(known), map(ad.zeros_like_aval, self.avals)
            every = [next(zeros) if one else next(rest) for one in self.linear]
            return vjp(self.of.on(cpu), every, gradients, self.linear)

        return transposed


@dataclasses.dataclass(frozen=True)
class _Mapped:
    """Over new axes of the arrays; that of the results comes first."""

    of: Any
    axes: tuple[int | None, ...]

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        return self.over(self.of.on(cpu), self.axes, cpu)

    def over(self, run: Callable[..., Any], axes: Any, cpu: bool) -> Any:
        """`run` over axes of its arrays, at once or one after the other."""
        if cpu and isinstance(self.of, Routine) and self.of.one_by_one(self.axes):
            return _one_after_the_other(run, axes)
        return jax.vmap(run, axes)

    def backward(
        self, cpu: bool, arrays: Arrays, gradients: Arrays, moved: Chosen
    ) -> Arrays:
        """The routine's own for each index, added up for arrays that all share."""
        backward = self.of.backward if cpu else self.of.plain_backward

        def run(*given: Any) -> Any:
            return backward(given[: len(arrays)], given[len(arrays) :], moved)

        axes = (*self.axes, *[0] * len(gradients))
        found = self.over(lambda *given: tuple(run(*given)), axes, cpu)
        return tuple(
            y.sum(0) if axis is None else jnp.moveaxis(y, 0, axis)
            for y, axis in zip(
                found(*arrays, *gradients), select(self.axes, moved), strict=True
            )
        )


def _one_after_the_other(run: Callable[..., Any], axes: Sequence[int | None]) -> Any:
    """As `jax.vmap`, by a loop: products of one index are not made small for all."""

    def mapped(*arrays: Any) -> Any:
        pairs = list(zip(arrays, axes, strict=True))

        def one(some: Any) -> Any:
            rest = iter(some)
            return run(*(a if axis is None else next(rest) for a, axis in pairs))

        return jax.lax.map(
            one, [jnp.moveaxis(a, axis, 0) for a, axis in pairs if axis is not None]
        )

    return mapped


def _backward(of: Any, cpu: bool, arrays, gradients, moved) -> tuple[Any, ...]:
    """Gradients of a routine, mapped or not, or of what else was made of one."""
    routine = of.of if isinstance(of, _Mapped) else of
    own = None
    if isinstance(routine, Routine):
        own = routine.backward if cpu else routine.plain_backward
    if own is not None:
        if routine is of:
            return tuple(own(arrays, gradients, moved))
        return tuple(of.backward(cpu, arrays, gradients, moved))
    return vjp(of.on(cpu), arrays, gradients, moved)


def select(values: Arrays, chosen: Chosen) -> tuple[Any, ...]:
    """Some of the values."""
    return tuple(v for v, one in zip(values, chosen, strict=True) if one)


def of_some(run: Callable[..., Any], arrays: Arrays, chosen: Chosen) -> Any:
    """`run` as a function of the chosen arrays."""

    def run_some(*given: Any) -> Any:
        rest, pairs = iter(given), zip(arrays, chosen, strict=True)
        return run(*(next(rest) if one else a for a, one in pairs))

    return run_some


def vjp(run, arrays: Arrays, gradients: Arrays, moved: Chosen) -> tuple[Any, ...]:
    """Gradients in the `moved` arrays from those of the real results of `run`."""
    some = of_some(run, arrays, moved)
    _, pull_back = jax.vjp(
        lambda *given: tuple(y for y in some(*given) if is_real(y)),
        *select(arrays, moved),
    )
    return pull_back(tuple(gradients))


def is_real(x: Any) -> bool:
    """Whether an array has a gradient."""
    return jnp.issubdtype(x.dtype, jnp.floating)


def _avals_out(routine: Any, avals: tuple[Any, ...]) -> Sequence[Any]:
    """Types of the results."""
    if isinstance(routine, _Jvp):
        found = _avals_out(routine.of, avals[: len(routine.moved)])
        return [a.to_tangent_aval() for a in select(found, routine.real)]
    return getattr(routine, "avals", None) or _traced(routine, avals)


@functools.lru_cache(maxsize=4096)
def _traced(routine: Any, avals: tuple[Any, ...]) -> Sequence[Any]:
    given = [
        jax.ShapeDtypeStruct(
            aval.shape, aval.dtype, manual_axis_type=aval.manual_axis_type,
            sharding=aval.sharding if aval.sharding.mesh else None,
        )
        for aval in avals
    ]  # fmt: skip
    return jax.make_jaxpr(routine.on(False))(*given).out_avals


def vary_alike(arrays: Arrays) -> list[Any]:
    """Under `jax.shard_map`: arrays that vary over the same axes of the mesh.

    As the operands of every operation of JAX: what one device has and another has not
    makes the result differ, and its gradient with respect to the others a sum.
    """
    axes = [jax.typeof(array).manual_axis_type.varying for array in arrays]
    every = frozenset[Any]().union(*axes)
    return [
        array if own == every
        else jax.lax.pcast(array, tuple(sorted(every - own)), to="varying")
        for array, own in zip(arrays, axes, strict=True)
    ]  # fmt: skip


routine_p = Primitive("gdjax_routine")
routine_p.multiple_results = True


@functools.lru_cache(maxsize=4096)
def _compiled(routine: Any) -> Callable[..., Any]:
    return jax.jit(lambda *arrays: routine_p.bind(*arrays, routine=routine))


def _impl(*arrays, routine):
    base = routine
    while not isinstance(base, Routine):
        base = base.of
    compiled = base.by_value and not jax.config.jax_disable_jit  # pyright: ignore
    return (_compiled(routine) if compiled else routine.on(False))(*arrays)


def _jvp_rule(primals, tangents, *, routine):
    moved = tuple(not isinstance(t, ad.Zero) for t in tangents)
    results = routine_p.bind(*primals, routine=routine)
    made = _Jvp(routine, moved, tuple(map(is_real, results)))
    found = routine_p.bind(*primals, *select(tangents, moved), routine=made)
    rest, zeros = iter(found), (jax.typeof(y).to_tangent_aval() for y in results)
    pairs = zip(made.real, zeros, strict=True)
    return results, [next(rest) if one else ad.Zero(zero) for one, zero in pairs]


def _transpose_rule(gradients, *arrays, routine):
    linear = tuple(map(ad.is_undefined_primal, arrays))
    avals = tuple(a.aval for a in select(arrays, linear))
    known = select(arrays, [not one for one in linear])
    given = map(ad.instantiate_zeros, gradients)
    made = _Transposed(routine, linear, avals)
    found = iter(routine_p.bind(*known, *given, routine=made))
    return [next(found) if one else None for one in linear]


def _batch_rule(arrays, axes, *, routine):
    results = routine_p.bind(*arrays, routine=_Mapped(routine, tuple(axes)))
    return results, [0] * len(results)


routine_p.def_impl(_impl)
routine_p.def_abstract_eval(lambda *avals, routine: list(_avals_out(routine, avals)))
ad.primitive_jvps[routine_p] = _jvp_rule
ad.primitive_transposes[routine_p] = _transpose_rule
batching.primitive_batchers[routine_p] = _batch_rule
for _cpu, _where in ((False, {}), (True, {"platform": "cpu"})):
    _run = functools.partial(lambda cpu, *a, routine: routine.on(cpu)(*a), _cpu)
    mlir.register_lowering(routine_p, mlir.lower_fun(_run), **_where)
