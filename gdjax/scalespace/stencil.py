"""The small convolution that takes differences and mixes channels (gdjax)."""

import itertools

import jax
import jax.numpy as jnp


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlation without padding.

    Args:
      x: [B, (D,) (H,) W, C_in].
      kernel: [(size,) (size,) size, C_in, C_out], `size` odd.

    Returns:
      [B, (D - size + 1,) (H - size + 1,) W - size + 1, C_out].
    """
    ndim, reach = x.ndim - 2, kernel.shape[0] // 2
    axes = "DHW"[-ndim:]
    # "SAME" and a crop: up to 1.8 times faster on CPUs than "VALID", with gradient.
    y = jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1,) * ndim,
        padding="SAME",
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        precision=jax.lax.Precision.HIGHEST,  # the stencil takes differences
    )
    return y[(slice(None), *[slice(reach, n - reach) for n in x.shape[1:-1]])]


def convolve_by_products(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`convolve` as matrix products: on CPUs its gradient is faster.

    Pixels side by side along the last axis become channels; one product for every
    shift along the other axes.
    """
    size, shape = kernel.shape[0], [n - kernel.shape[0] + 1 for n in x.shape[1:-1]]
    near = jnp.concatenate([x[..., k : k + shape[-1], :] for k in range(size)], -1)
    total = 0.0
    for shift in itertools.product(range(size), repeat=len(shape) - 1):
        cut = [slice(k, k + n) for k, n in zip(shift, shape[:-1], strict=True)]
        weights = kernel[shift].reshape(-1, kernel.shape[-1])
        total = total + jnp.matmul(
            near[(slice(None), *cut)], weights, precision=jax.lax.Precision.HIGHEST
        )
    return jnp.asarray(total)


def convolve_depthwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Correlation of every channel with a kernel of its own, without padding.

    Shifted copies are added up, which XLA can fuse into one pass.

    Args:
      x: [B, (D,) (H,) W, C].
      kernel: [(size,) (size,) size, C], `size` odd.

    Returns:
      [B, (D - size + 1,) (H - size + 1,) W - size + 1, C].
    """
    size, shape = kernel.shape[0], x.shape[1:-1]
    total = 0.0
    for shift in itertools.product(range(size), repeat=len(shape)):
        cut = [slice(k, k + n - size + 1) for k, n in zip(shift, shape, strict=True)]
        total = total + x[(slice(None), *cut)] * kernel[shift]
    return jnp.asarray(total)
