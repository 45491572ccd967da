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
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.scheduling_groups import xla_metadata_call
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType


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


def is_plain() -> bool:
    """Whether `plain` is in force."""
    return _PLAIN.value


@dataclasses.dataclass(frozen=True)
class Routine:
    """A function of arrays in two forms.

    Attributes:
      plain: arrays and static keyword arguments -> an array or a tuple of arrays.
      cpu: the form for CPUs.
      backward: (arrays, gradients of the real results, which arrays want one,
        **static) -> theirs. For CPUs, and everywhere if both forms are the same; None:
        what JAX makes of the form.
      static: hashable keyword arguments.
      avals: types of the results, of a routine that isn't known by value: nothing of
        it is kept for other calls.
    """

    plain: Callable[..., Any]
    cpu: Callable[..., Any]
    backward: Callable[..., Any] | None = None
    static: tuple[tuple[str, Any], ...] = ()
    avals: tuple[Any, ...] | None = None

    def __call__(self, *arrays: Any, **static: Any) -> Any:
        """Runs it, or its plain form alone (`plain`, or axes of explicit sharding)."""
        if plainly(*arrays):
            return self.plain(*arrays, **static)
        made = dataclasses.replace(self, static=tuple(sorted(static.items())))
        results = routine_p.bind(*vary_alike(arrays), routine=made)
        return results[0] if len(results) == 1 else tuple(results)

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        """One of the forms; a tuple of results."""
        run = functools.partial(self.cpu if cpu else self.plain, **dict(self.static))
        return lambda *arrays: tuple(jax.tree.leaves(run(*arrays)))

    def avals_out(self, *avals: Any) -> tuple[Any, ...]:
        """Types of the results."""
        return _traced(self, avals) if self.avals is None else self.avals


@dataclasses.dataclass(frozen=True)
class _Jvp:
    """(arrays, tangents of those that move) -> tangents of the real results."""

    of: Any
    moved: tuple[bool, ...]
    real: tuple[bool, ...]

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        run, count = self.of.on(cpu), len(self.moved)

        def jvp(*arrays: Any) -> tuple[Any, ...]:
            primals, tangents = arrays[:count], arrays[count:]
            moving = _select(primals, self.moved)
            run_some = _of_some(run, primals, self.moved, self.real)
            return jax.jvp(run_some, moving, tangents)[1]

        return jvp

    def avals_out(self, *avals: Any) -> tuple[Any, ...]:
        found = _select(self.of.avals_out(*avals[: len(self.moved)]), self.real)
        return tuple(aval.to_tangent_aval() for aval in found)


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
            of = self.of
            if isinstance(of, _Jvp) and not any(self.linear[: len(of.moved)]):
                return _pull_back(of, known, gradients, cpu)
            rest = iter(known)
            every = [None if one else next(rest) for one in self.linear]
            run = _of_some(of.on(cpu), every, self.linear)
            zeros = [ad.zeros_like_aval(aval) for aval in self.avals]
            return jax.vjp(run, *zeros)[1](gradients)

        return transposed

    def avals_out(self, *avals: Any) -> tuple[Any, ...]:
        del avals
        return self.avals


@dataclasses.dataclass(frozen=True)
class _Mapped:
    """Over new axes of the arrays; that of the results comes first."""

    of: Any
    axes: tuple[int | None, ...]

    def on(self, cpu: bool) -> Callable[..., tuple[Any, ...]]:
        return jax.vmap(self.of.on(cpu), self.axes)

    def avals_out(self, *avals: Any) -> tuple[Any, ...]:
        return _traced(self, avals)


def _pull_back(jvp: _Jvp, primals, gradients, cpu: bool) -> tuple[Any, ...]:
    of, moved = jvp.of, jvp.moved
    if isinstance(of, Routine) and of.backward is not None:
        if cpu or of.plain is of.cpu:
            return tuple(of.backward(primals, gradients, moved, **dict(of.static)))
    run = _of_some(of.on(cpu), primals, moved, jvp.real)
    return jax.vjp(run, *_select(primals, moved))[1](gradients)


def _select(values: Sequence[Any], chosen: Sequence[bool]) -> tuple[Any, ...]:
    return tuple(v for v, one in zip(values, chosen, strict=True) if one)


def _of_some(run, values, chosen, results=None) -> Callable[..., Any]:
    """`run` as a function of the chosen arrays, and some of its results."""

    def of_some(*given: Any) -> Any:
        rest = iter(given)
        pairs = zip(values, chosen, strict=True)
        found = run(*(next(rest) if one else v for v, one in pairs))
        return found if results is None else _select(found, results)

    return of_some


@functools.lru_cache(maxsize=4096)
def _traced(routine: Any, avals: tuple[Any, ...]) -> tuple[Any, ...]:
    """What the plain form returns; asked for several times per call."""
    given = [
        jax.ShapeDtypeStruct(
            aval.shape, aval.dtype, manual_axis_type=aval.manual_axis_type,
            sharding=aval.sharding if aval.sharding.mesh else None,
        )
        for aval in avals
    ]  # fmt: skip
    return tuple(jax.make_jaxpr(routine.on(False))(*given).out_avals)


def vary_alike(arrays: Sequence[Any]) -> list[Any]:
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


def plainly(*arrays: Any) -> bool:
    """Whether there is one form alone: within `plain`, or on explicit axes of a mesh.

    Those are in the types of arrays, and JAX knows what becomes of them.
    """
    if is_plain():
        return True
    meshes = (jax.typeof(array).sharding.mesh for array in arrays)
    return any(AxisType.Explicit in mesh.axis_types for mesh in meshes)


def apart(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run` as a function of the compiled program, never inlined; for CPUs.

    XLA merges neighbouring loops over pixels there, and computes again what several
    neighbours of a pixel need: normalisation and differences, say, at every tap of the
    next layer's smoothing, which took longer than all matrix products. It removes
    optimisation barriers before it merges; a call that isn't inlined stays.
    """

    @functools.wraps(run)
    def kept(*arrays: Any, **static: Any) -> Any:
        made = functools.partial(run, **static)
        return xla_metadata_call(made, inlineable="false")(*arrays)

    return kept


def kept_apart(run: Callable[..., Any]) -> Routine:
    """A routine that differs only in being `apart` on CPUs."""
    return Routine(run, apart(run))


routine_p = Primitive("gdjax_routine")
routine_p.multiple_results = True


@functools.lru_cache(maxsize=4096)
def _compiled(routine: Any) -> Callable[..., Any]:
    return jax.jit(lambda *arrays: routine_p.bind(*arrays, routine=routine))


def _impl(*arrays, routine):
    base = routine
    while not isinstance(base, Routine):
        base = base.of
    by_value = base.avals is None
    return (_compiled(routine) if by_value else routine.on(False))(*arrays)


def _jvp_rule(primals, tangents, *, routine):
    moved = tuple(not isinstance(t, ad.Zero) for t in tangents)
    results = routine_p.bind(*primals, routine=routine)
    real = tuple(jnp.issubdtype(y.dtype, jnp.floating) for y in results)
    given, made = _select(tangents, moved), _Jvp(routine, moved, real)
    found = iter(routine_p.bind(*primals, *given, routine=made))
    zeros = (ad.Zero(jax.typeof(y).to_tangent_aval()) for y in results)
    return results, [
        next(found) if one else zero for one, zero in zip(real, zeros, strict=True)
    ]


def _transpose_rule(gradients, *arrays, routine):
    linear = tuple(ad.is_undefined_primal(a) for a in arrays)
    avals = tuple(a.aval for a in _select(arrays, linear))
    known = _select(arrays, [not one for one in linear])
    given = [ad.instantiate_zeros(g) for g in gradients]
    made = _Transposed(routine, linear, avals)
    found = iter(routine_p.bind(*known, *given, routine=made))
    return [next(found) if one else None for one in linear]


def _batch_rule(arrays, axes, *, routine):
    results = routine_p.bind(*arrays, routine=_Mapped(routine, tuple(axes)))
    return results, [0] * len(results)


def _register() -> None:
    routine_p.def_impl(_impl)
    routine_p.def_abstract_eval(lambda *avals, routine: list(routine.avals_out(*avals)))
    ad.primitive_jvps[routine_p] = _jvp_rule
    ad.primitive_transposes[routine_p] = _transpose_rule
    batching.primitive_batchers[routine_p] = _batch_rule
    for cpu, where in ((False, {}), (True, {"platform": "cpu"})):

        def run(*arrays, routine, cpu=cpu):
            return routine.on(cpu)(*arrays)

        mlir.register_lowering(routine_p, mlir.lower_fun(run), **where)


_register()
