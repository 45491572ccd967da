"""Filters of N-jets, and what they make of patches of images. [njet] Figs. 2-4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gdjax.plots.checks import check_list, check_positive
from gdjax.plots.notebook import NotebookFigure
from gdjax.scalespace.arrays import check_integers, check_numbers
from gdjax.scalespace.checks import HIGHEST_ORDER


def basis_normalisation(
    filters: np.ndarray, orders: Sequence[Sequence[int]], sigma: float
) -> Figure:
    """Gaussian derivatives as they are, and below times sigma^order. [njet] Fig. 4.

    Each row has one range of colours: without the factor, filters of higher order are
    pale beside those of lower order, where sigma is above 1 px.

    Args:
      filters: [J, h, w], without the factor.
      orders: (n_x, n_y) of each filter.
      sigma: px.

    Returns:
      The figure; below each filter its largest absolute value.

    Raises:
      TypeError: for what is of another type.
      ValueError: if there are no filters, or not as many as orders.
    """
    filters = check_numbers(filters, name="filters", unit="grey levels")
    orders = _checked_orders(orders)
    (sigma,) = check_positive([sigma], name="sigma", unit="px")
    if filters.ndim != 3 or not filters.size or len(filters) != len(orders):
        raise ValueError(
            f"`filters` of shape {filters.shape} must be [J, h, w], one for each of the"
            f" {len(orders)} `orders`."
        )
    totals = np.array([order.sum() for order in orders])
    if not (0 <= totals).all() or (totals > HIGHEST_ORDER).any():
        raise ValueError(f"`orders` must be at least 0 and at most {HIGHEST_ORDER}.")
    rows = {
        "as they are": filters,
        r"times $\sigma^n$": filters * float(sigma) ** totals[:, None, None],
    }
    figure, grid = _panels(len(rows), len(filters))
    figure.suptitle(rf"Gaussian derivatives, $\sigma$ = {sigma:g} px", fontsize=10)
    for panels, (name, row) in zip(grid, rows.items(), strict=True):
        largest = abs(row).max()
        panels[0].set_ylabel(name, fontsize=9)
        for axes, values, order in zip(panels, row, orders, strict=True):
            axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
            axes.set_xlabel(f"{abs(values).max():.2g}", fontsize=8)
            axes.set_title("".join(map(str, order.tolist())), fontsize=8)
    return figure


def njet_terms(
    patch: np.ndarray, terms: np.ndarray, orders: Sequence[Sequence[int]]
) -> Figure:
    """A patch beside the derivatives that add up to its N-jet. [njet] Fig. 2.

    One row per colour: the patch, the sum of the terms, and every term, a coefficient
    times a Gaussian derivative. Each row has one range of colours.

    Args:
      patch: [h, w, C], without its mean.
      terms: [J, h, w, C].
      orders: (n_x, n_y) of each term.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: for other shapes, or no terms.
    """
    patch = check_numbers(patch, name="patch", unit="grey levels")
    terms = check_numbers(terms, name="terms", unit="grey levels")
    orders = _checked_orders(orders)
    wanted = (len(orders), *patch.shape)
    if patch.ndim != 3 or not patch.size or terms.shape != wanted or not orders:
        raise ValueError(
            f"`patch` of shape {patch.shape} and `terms` of {terms.shape} must be"
            f" [h, w, C] and [J, h, w, C], J the number of `orders`, {len(orders)}."
        )
    titles = ["patch", "sum", *("".join(map(str, n.tolist())) for n in orders)]
    figure, grid = _panels(patch.shape[-1], len(titles))
    for panels, colour in zip(grid, range(patch.shape[-1]), strict=True):
        row = np.stack([patch, terms.sum(0), *terms])[..., colour]
        largest = abs(row).max()
        for axes, values, title in zip(panels, row, titles, strict=True):
            axes.imshow(values, cmap="RdBu_r", vmin=-largest, vmax=largest)
            axes.set_title(title, fontsize=8)
    return figure


def _checked_orders(orders: Sequence[Sequence[int]]) -> list[np.ndarray]:
    orders = check_list(orders, name="orders", of="(n_x, n_y)")
    return [check_integers(order, name="orders").reshape(-1) for order in orders]


def fitted_patches(patches: np.ndarray, approximations: np.ndarray) -> Figure:
    """Patches, and below what N-jets make of them. [njet] Fig. 3.

    Args:
      patches: [N, h, w, C] with C = 1 or 3, in 0..1.
      approximations: of the same shape; what leaves 0..1 is cut off.

    Returns:
      The figure.

    Raises:
      TypeError: for what is of another type.
      ValueError: for other shapes.
    """
    patches = check_numbers(patches, name="patches", unit="grey levels")
    found = check_numbers(approximations, name="approximations", unit="grey levels")
    fits = patches.ndim == 4 and len(patches) > 0 and patches.shape[-1] in (1, 3)
    if not fits or found.shape != patches.shape:
        raise ValueError(
            f"`patches` of shape {patches.shape} and `approximations` of {found.shape}"
            " must both be [N, h, w, C], C = 1 or 3."
        )
    figure, grid = _panels(2, len(patches))
    for panels, name, row in zip(
        grid, ("patches", "N-jets"), (patches, found), strict=True
    ):
        panels[0].set_ylabel(name, fontsize=9)
        for axes, values in zip(panels, np.clip(row, 0.0, 1.0), strict=True):
            grey = values.shape[-1] == 1
            axes.imshow(values[..., 0] if grey else values, cmap="gray", vmin=0, vmax=1)
    return figure


def _panels(rows: int, columns: int) -> tuple[Figure, Any]:
    size = (1.0 * columns + 0.6, 1.2 * rows + 0.4)
    figure = NotebookFigure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    return figure, grid
