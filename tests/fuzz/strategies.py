"""What users pass by mistake, and the one rule that public functions obey.

A public function returns finite arrays of the stated shape, or raises ValueError or
TypeError with a message that names the argument. A test mixes good values with garbage:

    @hypothesis.given(x=images(), sigma=either(sigmas(), scalars()))
    def test_smooth(x, sigma):
        y = obeys(gdjax.smooth, x=x, sigma=sigma)
        if y is not None:
            assert y.shape == np.shape(x)
"""

import decimal
import fractions
import inspect
import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st


# Beyond float's range, and beyond what an int32 and an int64 hold.
HUGE = (10**400, -(10**400), 2**63, 2**31, -(2**63) - 1)
FLOATS = (
    0.0, -0.0, -1.0, 0.5, 1.5, 2.0, 1e-30, -1e-30, 5e-324, 1e30, -1e30, 1e308,
    float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
DTYPES = (
    "float32", "float64", "float16", "bfloat16", "longdouble", ">f4", ">f8", ">f2",
    "int8", "uint8", "int32", "int64", "uint64", ">i4", "bool", "complex64", ">c16",
    "object", "U3", "M8[s]",
)  # fmt: skip
FLOATING = DTYPES[:8]


def dtype_of(name):
    return jnp.dtype(name) if name == "bfloat16" else np.dtype(name)


def typed(value, name):
    """`value` as an array of the dtype called `name`; object where that can't be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflow, a complex part that is dropped
        try:
            if name == "M8[s]":
                value = np.asarray(value).astype("int64")
            return np.asarray(value).astype(dtype_of(name))
        except (TypeError, ValueError, OverflowError):
            return np.asarray(value, object)


def either(*strategies):
    """One of them, the first (the good one) half of the time."""
    first, *others = strategies
    return st.one_of(first, st.one_of(*others))


def odd_objects():
    """What is no number at all."""
    return st.sampled_from(
        [
            None, "", "1", "nan", "discrete", b"1", object(), {}, {"x": 1.0}, {1.0},
            [], (), [None], [1.0, "a"], [[1.0], [1.0, 2.0]], lambda: 1, int, Ellipsis,
            slice(None), range(3),
        ]
    )  # fmt: skip


def numbers():
    """Python's and NumPy's scalars of every kind, good, bad and out of range."""
    plain = st.sampled_from(FLOATS + HUGE + (-1, 0, 1, 2, 3, True, False, 1j, 1 + 0j))
    exact = st.sampled_from([fractions.Fraction(3, 2), decimal.Decimal("1.5")])
    small = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, float("nan"), float("inf")])
    scalars_ = st.builds(lambda v, d: typed(v, d)[()], small, st.sampled_from(DTYPES))
    return st.one_of(plain, exact, scalars_)


def small_arrays():
    """Arrays where one number belongs: 0-d, of one number, of several, empty."""
    values = st.sampled_from(
        [1.0, [1.0], [1.0, 2.0], [[1.0]], [], [[]], [float("nan")], [-1.0, 1.0], [1e30]]
    )
    host = st.builds(typed, values, st.sampled_from(DTYPES))
    device = st.builds(
        lambda v, d: jnp.asarray(typed(v, d)),
        values,
        st.sampled_from(["float32", "float16", "bfloat16", "int32", "bool"]),
    )
    return st.one_of(host, device, values)


def scalars():
    """Anything, where one number belongs."""
    return st.one_of(numbers(), small_arrays(), odd_objects())


def sigmas():
    """Good standard deviations in px, of every type that is allowed."""
    value = st.sampled_from([0.3, 0.5, 1.0, 1.7, 3.0])
    typed_ = st.builds(
        lambda v, d: typed(v, d)[()], value, st.sampled_from(FLOATING[:5])
    )
    device = st.builds(lambda v: jnp.asarray(v, jnp.float32), value)
    return st.one_of(value, st.sampled_from([1, 2, np.int32(1)]), typed_, device)


def integers(low, high):
    """Good integers, of every type that is allowed."""
    types = st.sampled_from([int, np.int32, np.int64, np.uint8, np.int16])
    return st.builds(lambda v, t: t(v), st.integers(low, high), types)


def pixel_values(shape, name, seed=0):
    """An array of numbers in [0, 2), the same for the same arguments."""
    values = np.random.default_rng(seed).uniform(0, 2, shape)
    return typed(values, name)


def images(shapes=((5, 4, 1), (2, 5, 4, 2))):
    """Good images [..., H, W, C] of every floating dtype, of few shapes."""
    return st.builds(pixel_values, st.sampled_from(shapes), st.sampled_from(FLOATING))


def bad_images(shapes=((), (3,), (5, 4), (0, 4, 1), (5, 4, 0), (5, 4, 1))):
    """Of other shapes, empty, of other dtypes, ragged, or no arrays."""
    arrays = st.builds(pixel_values, st.sampled_from(shapes), st.sampled_from(DTYPES))
    return st.one_of(arrays, scalars())


def names_argument(error, names):
    """Whether the message of `error` has one of `names` in backquotes."""
    found = re.findall(r"`([A-Za-z_]\w*)", str(error))
    return bool(set(found) & set(names)) or ("x" in names and "image" in str(error))


def leaves(result):
    """The arrays of a result, as NumPy's, half precision as float32."""
    found = [leaf for leaf in jax.tree.leaves(result) if not isinstance(leaf, str)]
    found = [np.asarray(leaf) for leaf in found]
    return [
        a.astype(np.float32) if a.dtype == jnp.bfloat16 else a
        for a in found
        if jnp.issubdtype(a.dtype, jnp.inexact) or a.dtype.kind in "iub"
    ]


def all_finite(value):
    """Whether the numbers of `value`, an array or nested lists, are finite."""
    try:
        return bool(np.all(np.isfinite(np.asarray(value).astype(np.complex128))))
    except (TypeError, ValueError, OverflowError):
        return True


def obeys(function, *, also=(), finite=True, **arguments):
    """What `function` returns, checked to be finite; None if it refused its arguments.

    Args:
      also: names that a message may have instead of an argument's own.
      finite: whether to look at the values.
      arguments: by name; a positional-only list as `args`.
    """
    try:
        known = set(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        known = set()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            result = function(**arguments)
    except (TypeError, ValueError) as error:
        names = known | set(arguments) | set(also)
        if not names_argument(error, names):
            raise AssertionError(
                f"no argument is named in {type(error).__name__}: {error}"
            ) from error
        return None
    if finite:
        for leaf in leaves(result):
            assert np.all(np.isfinite(leaf)), f"not finite: {leaf}"
    return result
