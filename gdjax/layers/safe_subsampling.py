"""Feature maps only as large as their resolution needs. [njet] sec. 4.1."""

from collections.abc import Sequence

import jax

from gdjax.scalespace.checks import check_order, check_sigma


def safe_sizes(
    sigmas: Sequence[float],
    size: int,
    *,
    r: float = 4.0,
    multiple: int = 2,
    previous: Sequence[int] | None = None,
) -> tuple[int, ...]:
    """Sides of the feature maps after layers with these sigmas, on the host.

      s' = s (1/2)^(sigma / r), from layer to layer

    Args:
      sigmas: px, one per layer that subsamples, in their order; concrete.
      size: side of the images in px.
      r: px of sigma that halve a side.
      multiple: sides are rounded to multiples of it (where they are larger).
      previous: the sides of the last plan, which are kept where they are less than
        `multiple` px off: shapes, and with them compiled programs, seldom change.

    Returns:
      One side in px per layer, falling.

    Raises:
      ValueError: if a side falls below 1 px, or an argument is out of range.

    [njet] sec. 4.1; rounding and keeping: gdjax.
    """
    values = check_sigma(sigmas, name="sigmas", positive=True)
    check_sigma(r, name="r", positive=True)
    check_order(size, name="size", lowest=1)
    check_order(multiple, name="multiple", lowest=1)
    if previous is not None and len(previous) != len(values):
        raise ValueError(
            f"`previous` has {len(previous)} sides, but there are {len(values)}"
            " sigmas: give the last plan of the same network."
        )
    sides: list[int] = []
    exact, last = float(size), size
    for k, sigma in enumerate(values):
        exact *= 0.5 ** (float(sigma) / r)
        if exact < 1:
            raise ValueError(
                f"subsampling below 1 px: layer {k + 1} with sigma = {sigma:.3g} px"
                f" leaves {exact:.2g} px of {size}: give a larger `r` than {r}, larger"
                " images or a lower bound of sigma."
            )
        side = multiple * round(exact / multiple) if exact > multiple else round(exact)
        if previous is not None and abs(previous[k] - exact) < multiple:
            side = previous[k]
        last = max(1, min(last, side))
        sides.append(last)
    return tuple(sides)


def subsample_to(
    x: jax.Array, size: int | Sequence[int], *, ndim: int = 2
) -> jax.Array:
    """Resamples [..., (D,) (H,) W, C] to another, smaller size, without aliasing.

    Args:
      x: floating point.
      size: sides in px; one number: of all axes.
      ndim: spatial dimensions.

    Returns:
      [..., *size, C], by a triangular kernel as wide as the reduction.

    Raises:
      ValueError: if a side is below 1 px or larger than that of `x`.
    """
    sides = (size,) * ndim if isinstance(size, int) else tuple(size)
    now = x.shape[-ndim - 1 : -1]
    if len(sides) != ndim or not all(
        1 <= s <= n for s, n in zip(sides, now, strict=True)
    ):
        raise ValueError(
            f"`size={size}` must be 1 to {' x '.join(map(str, now))} px, the maps'"
            " own size."
        )
    if sides == now:
        return x
    shape = (*x.shape[: -ndim - 1], *sides, x.shape[-1])
    return jax.image.resize(x, shape, "linear", antialias=True)
