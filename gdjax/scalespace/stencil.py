"""The small convolution that takes differences and mixes channels (gdjax)."""

import jax


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
