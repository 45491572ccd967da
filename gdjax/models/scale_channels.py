"""What networks of parallel scale channels have in common."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gdjax.layers.fields import check_widths
from gdjax.layers.module import Module
from gdjax.layers.norm import SharedBatchNorm
from gdjax.layers.selection import centre_pixel, keep_scales, max_over_scales
from gdjax.models.scale_groups import (
    Plan,
    ScaleGroup,
    grouped,
    image_maps,
    multiplications,
    one_by_one,
    one_group,
    read_out,
)
from gdjax.scalespace.checks import (
    LARGEST_SIGMA,
    check_image,
    check_kernel_sigma,
    check_order,
    check_rate,
    check_sigma,
)
from gdjax.scalespace.derivatives import derivative_orders
from gdjax.scalespace.discretisation import Discretisation
from gdjax.scalespace.grids import (
    LARGEST_ENLARGE,
    Grid,
    check_memory,
    image_on,
    octaves_of,
)
from gdjax.scalespace.kernels import DiscreteGaussian
from gdjax.scalespace.low_rank import worth_low_rank
from gdjax.scalespace.matrices import Filter
from gdjax.scalespace.scales import check_levels, geometric_scales
from gdjax.scalespace.stacked import gathered, local, stack
from gdjax.scalespace.windows import (
    Windows,
    full_window,
    plan_windows,
)


# 8 scale channels, sqrt 2 apart: [gaussdernet] sec. 5.
PUBLISHED_SIGMAS = tuple(2.0 ** (k / 2) for k in range(-1, 7))


class ScaleChannelNet(Module):
    """Base of the networks whose layers run in parallel scale channels.

    All channels share weights and batch normalisation and differ in their base scale
    sigma_0 alone; no subsampling, no fully connected layer. Pooling over the channels
    makes the logits scale invariant.

    `clone(sigmas=...)` takes the same variables to other scale channels: weight
    transfer, denser sampling, a single channel.

    A subclass says how the layers' scales follow from sigma_0 (`levels`) and what the
    layers are (`_cascade`).

    Attributes:
      widths: output channels; the subclass says of what.
      num_classes: K, outputs of the last layer (no normalisation after it).
      sigmas: base scales sigma_0 of the scale channels, in px, at most 1e5; so are
        those of all layers, on the channel's grid.
      ratio: r between adjacent scale levels.
      order: highest derivative order.
      discretisation: the kernels.
      activation: pointwise nonlinearity.
      zero_order: whether the smoothed image is a term, in all layers but the first.
      padding: border rule.
      eps: mass that truncation may lose; None: no truncation.
      truncated: whether kernels are cut by `eps`, as published, or windows alone: each
        layer then filters the pixels at hand with whole kernels. Faster for coarse
        channels (`gdjax.scalespace.low_rank`); scores differ from those of whole
        images by about as much as truncation changes them.
      spatial_selection: `centre_pixel`, `spatial_max` or `spatial_mean`.
      scale_pooling: `max_over_scales`, `logsumexp_over_scales`, `mean_over_scales`.
      scale_dropout: probability that a scale channel is left out in training.
      windowed: with `centre_pixel`, compute only the pixels that the centre depends on.
      pyramid: least base scale in px of a channel's own grid: channels run on images
        halved as often as their base scale allows; None: all on the images' grid.
        Faster and only about the same function: the error is that of the subsampling.
        A periodic image's period is kept to a pixel of the grid only.
      enlarge: with `pyramid`, how often at most, 0 to 16, the images of channels with
        lower base scales are enlarged by two, so that these run on a grid that is fine
        enough for them, too. Nonlinearities then alias less: the errors of scale
        covariance at small sigma fall (benchmarks/results/equivariance), and the cost
        of these channels becomes that of the base scale on their grid. The border rule
        is that of the grid (`gdjax.scalespace.grids`).
      mapped: run channels of about equal shapes by one `vmap`, those that fit into no
        group (of other shapes, on subspaces, of sides above 512 px), and all of them
        where it is False, one after the other. The same function in training, too:
        pixels that a channel has in a group alone are read by no layer and count in no
        statistics. Choice: on, for all platforms. In multiplications nobody's cost
        rises by more than 15 % (but for `scale_channel_axis`); programs are smaller and
        faster to compile, and accelerators have one product where there were several.
        On CPUs a step takes about a tenth longer (benchmarks/results/speed).
      scale_channel_axis: axis of a mesh over which the channels are spread in
        `jax.shard_map`; all of them are one group then, each as dear as the dearest,
        and the axis' size divides their number.
      batch_axis: over which the batch is spread in `jax.shard_map` or `jax.pmap`: batch
        statistics are those of the whole batch, as of `SharedBatchNorm`.
      ndim: spatial dimensions, 1 to 3.
      dtype: of the activations; smoothing stays in float32. Default: the input's.

    Raises:
      TypeError, ValueError: at construction or call, for arguments out of range.
    """

    widths: tuple[int, ...] = ()
    num_classes: int = 10
    sigmas: tuple[float, ...] = (1.0,)
    ratio: float = 1.25
    order: int = 2
    discretisation: Discretisation = DiscreteGaussian()  # noqa: RUF009 (frozen)
    activation: Callable[[jax.Array], jax.Array] = nn.relu
    zero_order: bool = False
    padding: str = "zero"
    eps: float | None = 0.005
    truncated: bool = True
    spatial_selection: Callable[..., jax.Array] = centre_pixel
    scale_pooling: Callable[[jax.Array, jax.Array], jax.Array] = max_over_scales
    scale_dropout: float = 0.0
    windowed: bool = True
    pyramid: float | None = None
    enlarge: int = 0
    mapped: bool = True
    scale_channel_axis: str | None = None
    batch_axis: str | None = None
    ndim: int = 2
    dtype: Any = None

    def __post_init__(self):
        alone: Any = self.sigmas
        if isinstance(alone, int | float) or getattr(alone, "ndim", None) == 0:
            self.sigmas = (alone,)
        super().__post_init__()
        check_order(self.order, lowest=1)
        limit = self.filter().discretisation.impulse_limit
        check_kernel_sigma(self.sigmas, name="sigmas", impulse_limit=limit)
        self._check_axes()
        if not self.sigmas:
            raise ValueError("`sigmas` is empty; give one base scale per channel.")
        check_widths(self.widths, num_classes=self.num_classes)
        geometric_scales(1.0, self.ratio, 1)
        check_rate(self.scale_dropout, name="scale_dropout")
        check_order(self.enlarge, name="enlarge", highest=LARGEST_ENLARGE)
        if self.enlarge and self.pyramid is None:
            raise ValueError(
                f"`enlarge={self.enlarge}` needs `pyramid`, the least base scale in px"
                " of a grid, such as 1.4: give both, or neither."
            )
        if self.pyramid is not None:
            check_sigma(
                self.pyramid, name="pyramid", positive=True, highest=LARGEST_SIGMA
            )
        for sigma in self.sigmas:
            levels = self.levels(sigma * 2.0 ** -self._octaves(sigma))
            check_levels(levels, sigmas=self.sigmas, ratio=self.ratio)

    @nn.nowrap  # it runs before the module has a scope
    def _check_axes(self) -> None:
        axis = self.scale_channel_axis
        if axis is None:
            return
        if not isinstance(axis, str) or axis == self.batch_axis or not self.mapped:
            raise ValueError(
                f"`scale_channel_axis={axis!r}` must be the name of an axis of a mesh,"
                f" another than `batch_axis={self.batch_axis!r}`, and needs"
                " `mapped=True`, the default."
            )

    @nn.nowrap
    def levels(self, sigma: Any) -> list[Any]:
        """sigma_k of all layers of the channel with base scale `sigma`, in px."""
        raise NotImplementedError

    def layer_names(self) -> list[str]:
        """Where the parameters have the Gaussian derivative layers, in their order."""
        raise NotImplementedError

    def layer_features(self) -> list[int]:
        """Output channels of the Gaussian derivative layers, in their order."""
        raise NotImplementedError

    def _cascade(
        self, xs: list[jax.Array], groups: Sequence[ScaleGroup], train: bool
    ) -> list[jax.Array]:
        """The last layer's maps of every group of channels, [(S,) B, (D,) (H,) W, K].

        Args:
          xs: the images of every group, on the pixels of its first windows.
          groups: of the scale channels.
          train: whether to use batch statistics.
        """
        raise NotImplementedError

    @nn.nowrap
    def filter(self) -> Filter:
        """The operator that all layers share, without its sigma."""
        return Filter(
            self.discretisation, self.padding, self.eps, self.ndim, self.order
        )

    def derivative_fields(self) -> dict[str, Any]:
        """Fields that the networks hand on to their Gaussian derivative layers."""
        return {
            "order": self.order,
            "discretisation": self.discretisation,
            "padding": self.padding,
            "eps": self.eps if self.truncated else None,
            "ndim": self.ndim,
            "dtype": self.dtype,
            "scale_channel_axis": self.scale_channel_axis,
        }

    def norm(self, name: str) -> SharedBatchNorm:
        """A normalisation whose statistics are those of all scale channels."""
        return SharedBatchNorm(
            axis_name=self.scale_channel_axis, batch_axis=self.batch_axis, name=name
        )

    def windows(self, sigma: float, spatial: Sequence[int | Grid]) -> list[Windows]:
        """Windows of every layer's input and of the output, for one channel.

        Args:
          sigma: its base scale, px of its grid.
          spatial: sizes of the axes in px, or grids.
        """
        grids = [
            n if isinstance(n, Grid) else Grid(n, 0, self.padding) for n in spatial
        ]
        levels = self.levels(sigma)
        if not self.windowed or self.spatial_selection is not centre_pixel:
            return [tuple(full_window(g.size) for g in grids)] * (len(levels) + 1)
        reaches = [self.filter().reach(level) for level in levels]
        axes = [plan_windows(g.centre, reaches, self.padding) for g in grids]
        return list(zip(*axes, strict=True))

    def grids(self, sigma: float, spatial: tuple[int, ...]) -> tuple[Grid, ...]:
        """Of the axes of images, for the channel with base scale `sigma`, px."""
        octaves = self._octaves(sigma)
        return tuple(Grid(n, octaves, self.padding) for n in spatial)

    @nn.nowrap
    def _octaves(self, sigma: float) -> int:
        if self.pyramid is None:
            return 0
        return octaves_of(sigma, self.pyramid, enlarge=self.enlarge)

    @nn.compact
    def __call__(
        self, x: Any, train: bool = False, maps: bool = False
    ) -> tuple[jax.Array, dict[str, Any]]:
        """Classifies a batch.

        Args:
          x: [B, (D,) (H,) W, C], floating point.
          train: whether to use batch statistics (collection `batch_stats` mutable)
            and scale-channel dropout (stream `dropout`).
          maps: whether the last layer's activation maps are wanted, too, at the pixels
            of the images; with `windowed` and `centre_pixel`, they hold the pixels
            that are read out and no others.

        Returns:
          Logits [B, K], and a dict: `per_scale` [B, S, K], the logits of each scale
          channel; `selected_scale` [B], the index into `sigmas` of the channel with
          the largest logit of the predicted class; `keep` [B, S], which took part;
          on request `maps`, a list of S arrays [B, (D,) (H,) W, K].
        """
        x = check_image(x, ndim=self.ndim)
        if x.ndim != self.ndim + 2:
            raise ValueError(
                f"the images have shape {x.shape}; a batch axis, {self.ndim} spatial"
                " axes and a channel axis are needed: add what is missing with"
                " `x[None]` or `x[..., None]`."
            )
        spatial = x.shape[1:-1]
        groups = self.groups(spatial, channels=x.shape[-1])
        outputs = self._run(x, groups, train)
        grids = [self.grids(sigma, spatial) for sigma in self.sigmas]
        per_scale = read_out(
            groups, outputs, grids, select=self.spatial_selection
        ).astype(jnp.promote_types(x.dtype, jnp.float32))
        logits, aux = self._pool(per_scale, train)
        if maps:
            aux["maps"] = image_maps(groups, outputs, grids)
        return logits, aux

    def _run(
        self, x: jax.Array, groups: Sequence[ScaleGroup], train: bool
    ) -> list[jax.Array]:
        """The last layer's maps of every group of channels."""
        outputs = self._cascade([self._images(x, g) for g in groups], groups, train)
        return [
            gathered(y, len(group.channels), self._spread()) if group.stacked else y
            for group, y in zip(groups, outputs, strict=True)
        ]

    @nn.nowrap
    def groups(self, spatial: tuple[int, ...], *, channels: int) -> list[ScaleGroup]:
        """The scale channels in groups that are one `vmap` each.

        Args:
          spatial: sizes of the images' axes, px.
          channels: of the images.
        """
        plans = []
        features = [channels, *self.layer_features()]
        for sigma in self.sigmas:
            grids = self.grids(sigma, spatial)
            own = sigma * 2.0 ** -grids[0].octaves
            windows = tuple(self.windows(own, grids))
            centre = tuple(grid.centre for grid in grids)
            levels = tuple(self.levels(own))
            alone = self._has_low_rank(levels, windows, features)
            plans.append(Plan(levels, windows, centre, alone))
        terms = len(derivative_orders(self.order, ndim=self.ndim))

        def cost(windows):
            return multiplications(windows, features, terms=terms)

        if self.scale_channel_axis is not None:
            return [one_group(plans, self._spread())]
        return grouped(plans, cost) if self.mapped else one_by_one(plans)

    def _has_low_rank(self, levels, windows, features: Sequence[int]) -> bool:
        """Whether layers run in a subspace, which costs less than any group."""
        eps = self.eps if self.truncated else None
        filter_ = dataclasses.replace(self.filter(), eps=eps)
        orders = derivative_orders(self.order, ndim=self.ndim)
        return any(
            worth_low_rank(
                (len(orders), *features[k : k + 2]), sigma, filter_, orders,
                windows[k], windows[k + 1],
            )
            for k, sigma in enumerate(levels)
        )  # fmt: skip

    def _spread(self) -> str | None:
        """The axis over which channels are spread; parameters are made without."""
        if self.scope is not None and self.is_initializing():
            return None
        return self.scale_channel_axis

    def _images(self, x: jax.Array, group: ScaleGroup) -> jax.Array:
        """The images on the grids and first windows of a group."""
        if (axis := self._spread()) in jax.typeof(x).manual_axis_type.varying:
            raise ValueError(
                f"the images vary over `scale_channel_axis={axis!r}`: every device"
                " needs the same ones; spread them over another axis, `batch_axis`."
            )
        made: dict[Any, jax.Array] = {}
        found = []
        for place, channel in enumerate(group.channels):
            grids = self.grids(self.sigmas[channel], x.shape[1:-1])
            windows = group.of(0, place)
            if (grids, windows) not in made:
                self._check_memory(x, grids, windows)
                made[grids, windows] = image_on(x, grids, windows)
            found.append(made[grids, windows])
        if not group.stacked:
            return found[0]
        return local(stack(found, group.windows[0]), self._spread())

    def _check_memory(self, x: jax.Array, grids, windows: Windows) -> None:
        if grids[0].octaves < 0:
            # Of a symbolic batch, as of `jax.export`, one image.
            batch = x.shape[0] if isinstance(x.shape[0], int) else 1
            map_bytes = x.dtype.itemsize * batch * math.prod(w.length for w in windows)
            widths = x.shape[-1], *self.widths, self.num_classes
            pairs = zip(grids, windows, strict=True)
            matrices = 8 * sum(grid.image * window.length for grid, window in pairs)
            check_memory(map_bytes, widths, enlarge=self.enlarge, matrix_bytes=matrices)

    def _pool(self, per_scale: jax.Array, train: bool):
        batch, channels, _ = per_scale.shape
        shape = batch, channels
        keep = jnp.ones(shape, bool)
        if train and self.scale_dropout and len(self.sigmas) > 1:
            keep = keep_scales(self.make_rng("dropout"), shape, rate=self.scale_dropout)
        logits = self.scale_pooling(per_scale, keep)
        winner = logits.argmax(axis=-1)[..., None, None]
        decisive = jnp.take_along_axis(per_scale, winner, axis=-1)[..., 0]
        selected = jnp.where(keep, decisive, -jnp.inf).argmax(axis=-1)
        return logits, {
            "per_scale": per_scale,
            "selected_scale": selected,
            "keep": keep,
        }
