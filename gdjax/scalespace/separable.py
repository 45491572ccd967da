"""Separable operators: one axis after the other, and no axis of a term filtered twice.

In terms of how one axis is filtered (`Along`) and how maps are mixed (`Mix`).
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from gdjax.scalespace.derivatives import Orders


# Filters a map along the axis of a depth (1: x, the last one) by the order n there:
# (map, n, depth) -> map.
Along = Callable[[jax.Array, int, int], jax.Array]
# Maps of T terms and their weights [T, ...] -> the map of the sum over terms and
# channels.
Mix = Callable[[Sequence[jax.Array], jax.Array], jax.Array]
Maps = dict[tuple[int, ...], jax.Array]


def filter_terms(x: jax.Array, orders: Orders, along: Along) -> list[jax.Array]:
    """The terms d_a x of every multi-index a, x first; terms share what is alike."""
    known: Maps = {(): x}
    for multi_index in orders:
        for depth, n in enumerate(multi_index, start=1):
            prefix = multi_index[:depth]
            if prefix not in known:
                known[prefix] = along(known[prefix[:-1]], n, depth)
    return [known[a] for a in orders]


def sum_terms(maps: Maps, along: Along, first: int) -> jax.Array:
    """The sum over a of d_a maps[a]; maps are added before axes that are left.

    `maps` are by what is left of the multi-index, its first entry for the axis `first`.
    """
    for depth in range(first, first + len(next(iter(maps)))):
        merged: Maps = {}
        for rest, z in maps.items():
            z = along(z, rest[0], depth)
            merged[rest[1:]] = merged[rest[1:]] + z if rest[1:] in merged else z
        maps = merged
    return maps[()]


# Three orders of the same operations, sum_c sum_a w[a, c, o] d_a x_c. Which one has the
# fewest depends on the numbers of channels; a sigma per channel leaves one of them.


def filter_then_mix(
    x: jax.Array, weights: jax.Array, orders: Orders, along: Along, mix: Mix
) -> jax.Array:
    """All axes of every term, then the channels."""
    return mix(filter_terms(x, orders, along), weights)


def mix_between(
    x: jax.Array, weights: jax.Array, orders: Orders, along: Along, mix: Mix
) -> jax.Array:
    """Along x, then the channels into one map per remaining orders, then the rest."""
    along_x = {n: along(x, n, 1) for n in sorted({a[0] for a in orders})}
    maps: Maps = {}
    for rest in sorted({a[1:] for a in orders}):
        terms = [(a[0], j) for j, a in enumerate(orders) if a[1:] == rest]
        chosen = weights[np.array([j for _, j in terms])]
        maps[rest] = mix([along_x[n] for n, _ in terms], chosen)
    return sum_terms(maps, along, first=2)


def mix_then_filter(
    x: jax.Array, weights: jax.Array, orders: Orders, along: Along, mix: Mix
) -> jax.Array:
    """The channels into one map per term, then all axes."""
    maps = {a: mix([x], weights[j : j + 1]) for j, a in enumerate(orders)}
    return sum_terms(maps, along, first=1)


def filters_fewer(orders: Orders, channels: int, features: int) -> bool:
    """Whether `filter_then_mix` filters fewer maps than `mix_between`."""
    terms = between = 0
    for depth in range(2, len(orders[0]) + 1):
        terms += channels * len({a[:depth] for a in orders})
        between += features * len({a[depth - 1 :] for a in orders})
    return terms < between
