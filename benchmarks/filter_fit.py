"""Natural patches and their N-jets of least squares: [njet] Figs. 2-4.

    python benchmarks/filter_fit.py --out DIR

A patch of scikit-image's photograph of a cat, approximated by N-jets of orders 1
to 6 at one sigma, and of order 4 at several; small patches in colour at the published
order 3 and sigma of 5 px, and one as the sum of its terms of order 2; and the basis of
order 3, with and without its factors sigma^n. Writes filter_fit.json, filter_fit.md and
five pictures.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import numpy as np
import skimage.color
import skimage.data

import gdjax
from gdjax.plots.filter_fit import filter_fits
from gdjax.plots.njet_filters import (
    basis_normalisation,
    fitted_patches,
    njet_terms,
)
from gdjax_train.versions import versions


# The eye of a cat: edges of all directions and a corner.
TOP, LEFT, SIDE = 96, 165, 41
ORDERS, SIGMAS = (1, 2, 3, 4, 6), (2.0, 4.0, 6.0, 8.0, 12.0)
# Fig. 3: 11 px in RGB, order 3, sigma 5 px; corners of the patches in the photograph.
SMALL, ORDER, SIGMA = 11, 3, 5.0
CORNERS = (
    (100, 180), (110, 200), (160, 210), (60, 120), (140, 160), (200, 260), (90, 260),
    (40, 300),
)  # fmt: skip


def patch() -> np.ndarray:
    """[SIDE, SIDE] in 0..1, its mean taken off."""
    grey = skimage.color.rgb2gray(np.asarray(skimage.data.chelsea()))
    found = grey[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    return found - found.mean()


def colours(out: pathlib.Path) -> list[dict[str, float]]:
    """Fits small patches in RGB at the published order and sigma, and draws them."""
    photograph = np.asarray(skimage.data.chelsea()) / 255
    patches = np.stack([photograph[y : y + SMALL, x : x + SMALL] for y, x in CORNERS])
    means = patches.mean((1, 2), keepdims=True)
    # As there, pixels at the border don't count, and are black.
    fits = [gdjax.fit_njet(each, ORDER, SIGMA, margin=1) for each in patches - means]
    found = np.stack([np.asarray(fit.approximation) for fit in fits]) + means
    found[:, [0, -1]] = found[:, :, [0, -1]] = 0
    figure = fitted_patches(patches, found)
    figure.savefig(out / "filter_fit_colours.png", dpi=120)
    return [
        {"top": y, "left": x, "residual": float(np.mean(np.asarray(fit.residual)))}
        for (y, x), fit in zip(CORNERS, fits, strict=True)
    ]


def terms(out: pathlib.Path) -> None:
    """Draws a small patch in colour as the sum of the terms of its N-jet (Fig. 2)."""
    (y, x), order, sigma = CORNERS[0], 2, SIGMA / 2
    patch = np.asarray(skimage.data.chelsea())[y : y + SMALL, x : x + SMALL] / 255
    patch = patch - patch.mean((0, 1))
    fit = gdjax.fit_njet(patch, order, sigma)
    orders = gdjax.derivative_orders(order, zero_order=True)
    basis = gdjax.effective_filters(
        np.eye(len(orders), dtype=np.float32)[:, None], sigma, radius=SMALL // 2,
        order=order, zero_order=True, taylor=False,
        discretisation=gdjax.NormalizedSampledGaussianDerivatives(),
    )[:, :, 0]  # fmt: skip
    parts = np.einsum("yxj,jc->jyxc", basis, np.asarray(fit.coefficients))
    np.testing.assert_allclose(parts.sum(0), fit.approximation, atol=1e-4)
    figure = njet_terms(patch, parts, orders)
    figure.savefig(out / "filter_fit_terms.png", dpi=120)


def basis(out: pathlib.Path) -> None:
    """Draws the filters of order 3 with and without their factors."""
    orders = gdjax.derivative_orders(ORDER, zero_order=True)
    kernel = gdjax.NormalizedSampledGaussianDerivatives().kernel
    radius = int(np.ceil(3 * SIGMA))
    one = [np.asarray(kernel(SIGMA, n, radius=radius)) for n in range(ORDER + 1)]
    filters = np.stack([np.outer(one[y], one[x]) for x, y in orders])
    figure = basis_normalisation(filters, orders, SIGMA)
    figure.savefig(out / "filter_fit_basis.png", dpi=120)


def main() -> None:
    """Fit and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wanted = patch()
    rows, lines = [], ["| order | sigma (px) | residual |", "|---|---|---|"]
    for name, cases in (
        ("orders", [(order, 6.0) for order in ORDERS]),
        ("sigmas", [(4, sigma) for sigma in SIGMAS]),
    ):
        fits = []
        for order, sigma in cases:
            fit = gdjax.fit_njet(wanted, order, sigma)
            title = rf"order {order}, $\sigma$ = {sigma:g}"
            residual = np.asarray(fit.residual)
            fits.append((title, np.asarray(fit.approximation), residual))
            left = float(residual[0])
            rows.append({"order": order, "sigma": sigma, "residual": left})
            lines.append(f"| {order} | {sigma:g} | {100 * left:.1f} % |")
        figure = filter_fits(wanted, fits)
        figure.savefig(options.out / f"filter_fit_{name}.png", dpi=120)
    small = colours(options.out)
    mean = float(np.mean([row["residual"] for row in small]))
    text = (
        f"{len(small)} patches of {SMALL} px in RGB, order {ORDER}, sigma {SIGMA:g} px"
    )
    lines += ["", f"{text}: {100 * mean:.1f} % on average"]
    terms(options.out)
    basis(options.out)
    result = {"rows": rows, "colours": small, **versions("float32")}
    (options.out / "filter_fit.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "filter_fit.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
