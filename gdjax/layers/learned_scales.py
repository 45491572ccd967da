"""Internal scales of a network, learned or fixed. [scale_learning]."""

import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gdjax.layers.module import Module
from gdjax.scalespace.checks import LARGEST_SIGMA, check_order, check_sigma


Learned = Literal["isr", "spacings", "direct"]
Form = Literal["per_step", "range"]


class LearnedScales(Module):
    """The internal scales S_0 < S_1 < ... that all layers of a network share.

      "isr"       S_i = sigma ISR^(i / (N - 1))
      "spacings"  S_i = sigma (1 + gamma_1^2) ... (1 + gamma_i^2)
      "direct"    S_i, each by itself

    with ISR = (1 + gamma^2)^(N - 1) in the form "per_step", 1 + gamma^2 in the form
    "range". Parameters: `sigma`, `gamma` (one, or [N - 1]); or `scales` [N]. The first
    and the last are stored as p with softplus(p) the scale, so that it stays positive,
    and moves nearly as fast as p. No shape depends on their values.

    Attributes:
      count: N.
      sigma: sigma_basis, the finest scale at the start, px.
      isr: Internal Scale Range, coarsest over finest scale at the start, > 1.
      learned: what is learned; None: nothing, and there are no parameters.
      form: how gamma stands for the range.
      learn_sigma: whether sigma_basis is learned with the range or the spacings.

    Raises:
      TypeError, ValueError: at construction, for arguments out of range.

    [scale_learning] (3), (6): "range"; the code of its authors, with which its tables
    were made: "per_step", which moves faster. softplus: gdjax.
    """

    count: int = 3
    sigma: float = 2.0
    isr: float = 3.0
    learned: Learned | None = None
    form: Form = "per_step"
    learn_sigma: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_order(self.count, name="count", lowest=1)
        check_sigma(self.sigma, name="sigma", positive=True, highest=LARGEST_SIGMA)
        if self.isr <= 1:
            raise ValueError(
                f"`isr={self.isr}` must be greater than 1: the coarsest scale over the"
                " finest."
            )
        if self.isr > LARGEST_SIGMA / self.sigma:
            raise ValueError(
                f"`isr={self.isr}` makes of `sigma={self.sigma}` more than"
                f" {LARGEST_SIGMA:g} px: give less of one of them."
            )
        if self.learned == "direct" and not self.learn_sigma:
            raise ValueError(
                '`learn_sigma=False` with `learned="direct"`, which learns every scale:'
                ' take "isr" or "spacings".'
            )

    @nn.compact
    def __call__(self) -> jax.Array | np.ndarray:
        """Scales in px, [N]; a NumPy array where nothing is learned."""
        start = internal_scales(self.sigma, self.isr, self.count)
        if self.learned is None:
            return start
        if self.learned == "direct":
            return jax.nn.softplus(self._raw("scales", start))
        sigma = jnp.asarray(self.sigma, jnp.float32)
        if self.learn_sigma:
            sigma = jax.nn.softplus(self._raw("sigma", np.asarray(self.sigma)))
        if self.count == 1:
            return sigma[None]
        step = self.isr ** (1 / (self.count - 1))
        if self.learned == "spacings":
            gamma = self._gamma(step, (self.count - 1,))
            ratios = jnp.cumprod(1 + gamma**2)
        elif self.form == "per_step":
            powers = jnp.arange(1, self.count)
            ratios = (1 + self._gamma(step, ()) ** 2) ** powers
        else:
            powers = jnp.arange(1, self.count) / (self.count - 1)
            ratios = (1 + self._gamma(self.isr, ()) ** 2) ** powers
        return sigma * jnp.concatenate([jnp.ones(1, ratios.dtype), ratios])

    def _raw(self, name: str, value: np.ndarray) -> jax.Array:
        """A parameter whose softplus is `value` at the start."""
        raw = inverse_softplus(value)
        return self.param(name, lambda key: jnp.asarray(raw, jnp.float32))

    def _gamma(self, ratio: float, shape: tuple[int, ...]) -> jax.Array:
        start = nn.initializers.constant(math.sqrt(ratio - 1))
        return self.param("gamma", start, shape)


def inverse_softplus(value: np.ndarray) -> np.ndarray:
    """Of positive numbers, float64: as what scales are stored."""
    return np.log(np.expm1(value))


def internal_scales(sigma: float, isr: float, count: int) -> np.ndarray:
    """Scales sigma isr^(i / (count - 1)), i = 0..count - 1, px, float64 [count].

    [scale_learning] (3).
    """
    powers = np.arange(count) / max(1, count - 1)
    return sigma * isr**powers


def check_scales(scales: Any, *, increasing: bool = True) -> Any:
    """Scales [S] in px, traced or not.

    Raises:
      TypeError, ValueError: unless there is one or more, all positive and at most 1e5
        px, and with `increasing` concrete ones each larger than the one before.
    """
    scales = check_sigma(scales, name="scales", positive=True, highest=LARGEST_SIGMA)
    if scales.ndim != 1 or not scales.size:
        raise ValueError(
            f"`scales` has the shape {scales.shape}: give one or more, [S], in px."
        )
    concrete = increasing and isinstance(scales, np.ndarray)
    if concrete and np.any(np.diff(scales) <= 0):
        raise ValueError(
            f"`scales={tuple(scales.tolist())}` must increase: give the finest first,"
            " each once."
        )
    return scales
