"""Natural photographs, band-limited and windowed, and two ways to enlarge them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import skimage.color
import skimage.data
import skimage.transform


NAMES = ("camera", "astronaut", "coffee", "chelsea")
# Of Nyquist's frequency: a nonlinearity of the image has room above it.
HIGHEST_FREQUENCY = 0.8
# Of the side, where the window rises from 0 to 1: the border is 0 and stays 0.
MARGIN, TAPER = 1 / 16, 3 / 16


def photograph(name: str, size: int) -> np.ndarray:
    """A grey photograph, [size, size] float64, mean about 0 and variance 1.

    The largest square in the middle, reduced with anti-aliasing, times a smooth window,
    without frequencies above `HIGHEST_FREQUENCY`.
    """
    image = np.asarray(getattr(skimage.data, name)())
    grey = skimage.color.rgb2gray(image) if image.ndim == 3 else image / 255.0
    side = min(grey.shape)
    top, left = ((n - side) // 2 for n in grey.shape)
    square = grey[top : top + side, left : left + side]
    small = skimage.transform.resize(square, (size, size), anti_aliasing=True, order=1)
    edge = window(size)
    weights = edge[:, None] * edge
    small = weights * (small - (weights * small).sum() / weights.sum())
    return band_limited(small / small.std())


def photographs(size: int) -> np.ndarray:
    """All of them, [size, size, P] float64."""
    return np.stack([photograph(name, size) for name in NAMES], axis=-1)


def pink_noise(size: int, count: int) -> np.ndarray:
    """1 / f noise, periodic and band-limited, [size, size, count], variance 1."""
    f = np.fft.fftfreq(size)
    radius = np.hypot(f[:, None], f[None])
    shape = size, size, count
    spectrum = np.fft.fft2(np.random.default_rng(0).normal(size=shape), axes=(0, 1))
    spectrum *= (1 / np.maximum(radius, 1 / size))[..., None]
    images = np.fft.ifft2(spectrum, axes=(0, 1)).real
    images = np.stack([band_limited(y) for y in np.moveaxis(images, -1, 0)], axis=-1)
    return images / images.std((0, 1))


def window(size: int) -> np.ndarray:
    """[size]: 0 at the ends, 1 in the middle, smooth in between."""
    from_end = np.minimum(np.arange(size), size - 1 - np.arange(size)) / size
    rise = np.clip((from_end - MARGIN) / TAPER, 0, 1)
    return np.sin(np.pi / 2 * rise) ** 2


def band_limited(image: np.ndarray) -> np.ndarray:
    """Without frequencies above `HIGHEST_FREQUENCY` times Nyquist's."""
    f = [np.fft.fftfreq(n) for n in image.shape]
    keep = np.hypot(f[0][:, None], f[1]) < HIGHEST_FREQUENCY / 2
    return np.fft.ifft2(np.fft.fft2(image) * keep).real


def bicubic(images: np.ndarray, factor: float) -> np.ndarray:
    """[H, W, P], enlarged by cubic convolution; pixel i lies at i / factor px."""
    old = images.shape[:2]
    new = tuple(round(n * factor) for n in old)
    scale = jnp.asarray([m / n for m, n in zip(new, old, strict=True)])
    enlarged = jax.image.scale_and_translate(
        jnp.asarray(images), (*new, images.shape[2]), (0, 1), scale,
        (1 - scale) / 2, "cubic", antialias=False,
    )  # fmt: skip
    return np.asarray(enlarged, np.float64)
