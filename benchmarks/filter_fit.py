"""A natural patch and its N-jets of least squares: [njet] Figs. 2-3.

    python benchmarks/filter_fit.py --out DIR

A patch of scikit-image's photograph of a cat, approximated by N-jets of orders 1
to 6 at one sigma, and of order 4 at several. Writes filter_fit.json, filter_fit.md and
two pictures.
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
from gdjax_train.versions import versions


# The eye of a cat: edges of all directions and a corner.
TOP, LEFT, SIDE = 96, 165, 41
ORDERS, SIGMAS = (1, 2, 3, 4, 6), (2.0, 4.0, 6.0, 8.0, 12.0)


def patch() -> np.ndarray:
    """[SIDE, SIDE] in 0..1, its mean taken off."""
    grey = skimage.color.rgb2gray(np.asarray(skimage.data.chelsea()))
    found = grey[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
    return found - found.mean()


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
    result = {"rows": rows, **versions("float32")}
    (options.out / "filter_fit.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "filter_fit.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
