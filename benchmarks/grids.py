"""What grids that fit the scale do to the covariance of whole networks.

    python benchmarks/grids.py --out benchmarks/results/equivariance

The largest `scale_channel_error` over images of 169 px: periodic 1 / f noise with
border rule "wrap", and photographs, band-limited and windowed. They are enlarged to
odd sides, so that the centre that is read out stays a pixel: 201, 239 and 285 px,
about 2^(1/4), 2^(1/2) and 2^(3/4). Networks of four layers or two residual blocks with
random weights, 10 classes, batch statistics of these images; no truncation, float32.
Beside the errors: seconds of an evaluation of all images.

Writes grids.json and grids.md after every row; rows that are there already are kept.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import numpy as np
from network_covariance import NETWORKS, Row, markdown, normalised
from outputs import write
from photographs import photographs, pink_noise

import gdjax
from gdjax.metrics import scale_channel_error
from gdjax_train.versions import versions


SIGMAS = (2**-0.5, 1.0, 2.0)
SIDE, SIDES = 169, (239, 201, 285)
FLAVOURS = {
    "spectral, SiLU": (gdjax.SpectralGaussian(), nn.silu),
    "discrete, ReLU": (gdjax.DiscreteGaussian(), nn.relu),
}
# Least base scale on its grid, px; None: the images' own grid.
FINEST = (None, 1.4, 2.0)
# What photographs have and noise hasn't: a border that isn't periodic, and edges, whose
# phases agree. Without the one, and without both.
APART = "photographs, periodic", "photographs, periodic, phases of noise"


def rows(sets: dict[str, np.ndarray], side: int, known: list[Row]) -> Iterator[Row]:
    """A row per size, flavour, network, kind of image and grid, but for known ones."""
    # What takes minutes comes last.
    for finest, large, flavour, family, (kind, images) in itertools.product(
        FINEST, SIDES, FLAVOURS, NETWORKS, sets.items()
    ):
        if kind in APART and (large, flavour) != (SIDES[0], "spectral, SiLU"):
            continue
        large = 2 * round(large * side / SIDE / 2) + 1 if side != SIDE else large
        row = {
            "sides": f"{side}, {large}", "net": family, "flavour": flavour,
            "images": kind, "finest": "own grid" if finest is None else f"{finest} px",
        }  # fmt: skip
        if any(row.items() <= other.items() for other in known):
            continue
        discretisation, activation = FLAVOURS[flavour]
        net = NETWORKS[family](
            widths=(8, 8, 8), sigmas=SIGMAS, eps=None,
            padding="zero" if kind == "photographs" else "wrap",
            discretisation=discretisation, activation=activation,
        )  # fmt: skip
        variables = normalised(net, images)
        net = net.clone(pyramid=finest, enlarge=2 if finest else 0)
        began = time.perf_counter()
        errors = [
            scale_channel_error(net, variables, x, factor=large / side) for x in images
        ]
        for sigma, worst in zip(SIGMAS, np.max(errors, axis=0), strict=True):
            row[f"{sigma:.2g} px"] = float(worst)
        yield row | {"seconds": f"{time.perf_counter() - began:.0f}"}


def phases_of(noise: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Images [N, H, W, 1] with the phases of others: their spectra without edges."""
    other, own = (np.fft.fft2(x, axes=(1, 2)) for x in (noise, images))
    phase = other / np.maximum(abs(other), 1e-12)
    # Where the noise has no frequency, the images have none.
    return np.fft.ifft2(abs(own) * phase, axes=(1, 2)).real


def main() -> None:
    """Measure, and write after every row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--side", type=int, default=SIDE, help="px of the small images")
    parser.add_argument("--images", type=int, default=2, help="how many of each kind")
    options = parser.parse_args()
    noise = np.moveaxis(pink_noise(options.side, options.images), -1, 0)[..., None]
    grey = np.moveaxis(photographs(options.side), -1, 0)[: options.images, ..., None]
    sets = {"noise": noise, "photographs": grey}
    sets |= dict(zip(APART, (grey, phases_of(noise, grey)), strict=True))
    sets = {kind: images.astype(np.float32) for kind, images in sets.items()}
    stored = options.out / "grids.json"
    found: list[dict[str, Any]] = []
    if stored.exists():
        found = json.loads(stored.read_text())["rows"]
    for row in rows(sets, options.side, list(found)):
        found.append(row)
        print(row, flush=True)
        result = {"images": options.images, **versions("float32"), "rows": found}
        write(options.out, "grids", result, markdown(found))


if __name__ == "__main__":
    main()
