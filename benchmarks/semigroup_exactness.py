"""How exactly actions compose and commute, over the band of the image. [dss].

    python benchmarks/semigroup_exactness.py --out benchmarks/results/semigroup

Random images, wrapped, of 96 px (478 px at base sqrt 2, which is 338 px times sqrt 2 to
1e-5), whose spectrum ends at some frequency:

- two actions, base 2, one step each and whole shifts, against the one action that they
  compose to, S_{A,z} S_{B,y} = S_{AB, B^-1 z + y};
- a correlation of lifted functions at base 2 and sqrt 2, kernels of scale dimension 2
  and 3 x 3 px, against the same correlation of shifted levels.

Writes exactness.json and exactness.md; seconds on two CPU cores.
"""

from __future__ import annotations

import argparse
import math
import pathlib
from typing import Any

import jax
import numpy as np
from equivariance_report import table
from outputs import write

import gdjax
from gdjax.scalespace import scale_action, scale_space_correlation, shift_levels
from gdjax_train.versions import versions


SIDES = {2.0: 96, math.sqrt(2): 478}
DISCRETISATIONS = {
    "discrete": gdjax.DiscreteGaussian(),
    "spectral": gdjax.SpectralGaussian(),
}
BANDS = {"pi/2": 2, "pi/4": 4, "pi/10": 10, "pi/20": 20}


def band_limited(limit: float, side: int, seed: int) -> np.ndarray:
    """[side, side, 2] float32, white below `limit` radians per px along both axes."""
    noise = np.random.default_rng(seed).standard_normal((side, side, 2))
    waves = 2 * math.pi * np.abs(np.fft.fftfreq(side))
    keep = waves < limit
    spectrum = np.fft.fft2(noise, axes=(0, 1)) * (keep[:, None] & keep)[..., None]
    found = np.fft.ifft2(spectrum, axes=(0, 1)).real
    return (found / found.std()).astype(np.float32)


def difference(found: Any, wanted: Any) -> float:
    """Relative L2 norm."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def composition(kind: str, limit: float) -> float:
    """Two actions against one."""
    x, (z, y) = (
        band_limited(limit, SIDES[2.0], seed=0),
        (np.array([1, -2]), np.array([3, 1])),
    )

    def act(x: Any, steps: int, shift: np.ndarray) -> Any:
        return scale_action(
            x, steps=steps, shift=tuple(shift), padding="wrap",
            discretisation=DISCRETISATIONS[kind],
        )  # fmt: skip

    return difference(act(act(x, 1, y), 1, z), act(x, 2, 2 * z + y))


def commutation(base: float, limit: float) -> float:
    """A correlation of shifted levels against the shifted correlation."""
    f = np.stack([band_limited(limit, SIDES[base], seed=k) for k in range(3)])
    psi = jax.random.normal(jax.random.key(0), (2, 3, 3, 2, 3))

    def correlated(f: Any) -> Any:
        return scale_space_correlation(
            f, psi, base=base, padding="wrap", scale_axis="extend"
        )

    def shift(f: Any) -> Any:
        return shift_levels(f, steps=1, base=base, padding="wrap")

    return difference(correlated(shift(f)), shift(correlated(f)))


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    options = parser.parse_args()
    rows = []
    with jax.default_matmul_precision("highest"):
        for name, part in BANDS.items():
            limit = math.pi / part
            for kind in DISCRETISATIONS:
                error = composition(kind, limit)
                rows.append({"what": f"composition, {kind}", "band": name, "e": error})
            for base, word in ((2.0, "2"), (math.sqrt(2), "sqrt 2")):
                error = commutation(base, limit)
                rows.append({"what": f"commutation, base {word}", "band": name,
                             "e": error})  # fmt: skip
    result = {"rows": rows, **versions("float32")}
    text = "\n".join(["## Relative error over the band of the image", "",
                      *table(rows, "band", "e", "what")])  # fmt: skip
    print(text)
    write(options.out, "exactness", result, text)


if __name__ == "__main__":
    main()
