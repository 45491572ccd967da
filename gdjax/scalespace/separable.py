"""Separable filters: one axis after the other, and no axis of a term filtered twice."""

from collections.abc import Callable

import jax

from gdjax.scalespace.derivatives import Orders


# Filters a map along the axis of a depth (1: x, the last one) by the order n there:
# (map, n, depth) -> map.
Along = Callable[[jax.Array, int, int], jax.Array]
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

    Args:
      maps: by what is left of the multi-index, its first entry for the axis `first`.
      along: filters one axis.
      first: depth of the first axis that is left.
    """
    for depth in range(first, first + len(next(iter(maps)))):
        merged: Maps = {}
        for rest, z in maps.items():
            z = along(z, rest[0], depth)
            merged[rest[1:]] = merged[rest[1:]] + z if rest[1:] in merged else z
        maps = merged
    return maps[()]
