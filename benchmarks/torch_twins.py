"""How these layers and networks are written in PyTorch: twins made from the papers."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import gdjax


def discrete_gaussian(sigma: float, eps: float) -> torch.Tensor:
    """The truncated kernel T(n; sigma^2), made once in float64."""
    radius = gdjax.truncation_radius(sigma, eps=eps)
    return torch.from_numpy(np.array(gdjax.discrete_gaussian(sigma, radius=radius)))


def smooth(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Separable depthwise convolution with zeros outside: [B, C, H, W]."""
    channels, radius = x.shape[1], len(kernel) // 2
    rows = kernel[None, None, :, None].expand(channels, 1, -1, 1)
    x = F.conv2d(x, rows, padding=(radius, 0), groups=channels)
    columns = kernel[None, None, None].expand(channels, 1, 1, -1)
    return F.conv2d(x, columns, padding=(0, radius), groups=channels)


def two_jet(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """[gaussdernet] sec. 4.1: central differences by slices, [B, 5 C, H, W]."""
    p = F.pad(x, (1, 1, 1, 1))
    left, middle, right = p[..., :-2], p[..., 1:-1], p[..., 2:]
    dx = (right - left)[..., 1:-1, :] / 2
    dxx = (left - 2 * middle + right)[..., 1:-1, :]
    dy = (middle[..., 2:, :] - middle[..., :-2, :]) / 2
    dyy = middle[..., 2:, :] - 2 * middle[..., 1:-1, :] + middle[..., :-2, :]
    slope = right - left
    dxy = (slope[..., 2:, :] - slope[..., :-2, :]) / 4
    first, second = sigma, sigma**2
    return torch.cat(
        [first * dx, first * dy, second / 2 * dxx, second * dxy, second / 2 * dyy], 1
    )


class GaussianDerivative(nn.Module):
    """[gaussdernet] (3): separable smoothing, jets by slices, 1 x 1 mixing."""

    def __init__(self, inputs: int, features: int, eps: float = 0.005):
        super().__init__()
        self.mix = nn.Conv2d(5 * inputs, features, 1)
        self.eps = eps
        self.kernels: dict[float, torch.Tensor] = {}

    def forward(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        """[B, C, H, W] -> [B, C_out, H, W]."""
        if sigma not in self.kernels:
            self.kernels[sigma] = discrete_gaussian(sigma, self.eps)
        return self.mix(two_jet(smooth(x, self.kernels[sigma]), sigma))


class DenseNJet(nn.Module):
    """[njet] (3): a dense filter from a basis of Hermite functions, sigma learned."""

    def __init__(self, inputs: int, features: int, sigma: float, reach: float = 2.0):
        super().__init__()
        self.alphas = nn.Parameter(torch.randn(6, inputs, features))
        self.scale = nn.Parameter(torch.tensor(math.log2(sigma)))
        self.reach = reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> outputs."""
        sigma = 2.0**self.scale
        radius = math.ceil(self.reach * float(sigma.detach()))
        n = torch.arange(-radius, radius + 1.0)
        g = torch.exp(-(n**2) / (2 * sigma**2))
        g = g / g.sum()
        u = n / (math.sqrt(2) * sigma)
        hermite = [torch.ones_like(u), 2 * u, 4 * u**2 - 2]
        ds = [(-1 / math.sqrt(2)) ** k * h * g for k, h in enumerate(hermite)]
        pairs = [(i, j) for i in range(3) for j in range(2 - i, -1, -1)]
        basis = torch.stack([ds[j][:, None] * ds[i][None, :] for i, j in pairs])
        kernel = torch.einsum("fck,fhw->kchw", self.alphas, basis)
        return F.conv2d(x, kernel, padding=radius)


class GaussDerNet(nn.Module):
    """[gaussdernet]: layers, normalisation and ReLU; scale channels share them all."""

    def __init__(self, widths, sigmas, ratio=1.25, num_classes=10, eps=0.005):
        super().__init__()
        sizes = [1, *widths, num_classes]
        self.layers = nn.ModuleList(
            GaussianDerivative(i, o, eps)
            for i, o in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for w in widths)
        self.sigmas, self.ratio = sigmas, ratio

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> outputs."""
        xs = [x] * len(self.sigmas)
        for k, layer in enumerate(self.layers):
            xs = [
                layer(y, s * self.ratio**k)
                for y, s in zip(xs, self.sigmas, strict=True)
            ]
            if k < len(self.norms):
                xs = torch.relu(self.norms[k](torch.cat(xs))).chunk(len(xs))
        return torch.stack([centre(y) for y in xs]).amax(0)


class Block(nn.Module):
    """[gaussderresnet] (28)-(29)."""

    def __init__(self, inputs: int, features: int, eps: float):
        super().__init__()
        self.first = GaussianDerivative(inputs, features, eps)
        self.second = GaussianDerivative(features, features, eps)
        self.norms = nn.ModuleList(nn.BatchNorm2d(features) for _ in range(2))
        self.project = None
        if inputs != features:
            self.project = nn.Sequential(
                nn.Conv2d(inputs, features, 1), nn.BatchNorm2d(features)
            )

    def forward(self, xs, sigmas):
        """One array per scale channel, [B, C, H, W]."""
        skips = torch.cat(tuple(xs))
        ys = [self.first(x, s) for x, s in zip(xs, sigmas, strict=True)]
        ys = torch.relu(self.norms[0](torch.cat(ys))).chunk(len(ys))
        ys = [self.second(y, s) for y, s in zip(ys, sigmas, strict=True)]
        if self.project is not None:
            skips = self.project(skips)
        return torch.relu(self.norms[1](torch.cat(ys)) + skips).chunk(len(ys))


class GaussDerResNet(nn.Module):
    """[gaussderresnet]: first layer, blocks, last layer."""

    def __init__(self, widths, sigmas, ratio=1.13, num_classes=10, eps=0.01):
        super().__init__()
        self.first = GaussianDerivative(1, widths[0], eps)
        self.norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList(
            Block(i, o, eps) for i, o in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = GaussianDerivative(widths[-1], num_classes, eps)
        self.sigmas, self.ratio = sigmas, ratio

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> outputs."""
        xs = [self.first(x, s) for s in self.sigmas]
        xs = torch.relu(self.norm(torch.cat(xs))).chunk(len(xs))
        for k, block in enumerate(self.blocks, start=1):
            xs = block(xs, [s * self.ratio**k for s in self.sigmas])
        last = self.ratio ** (len(self.blocks) + 1)
        ys = [self.last(x, s * last) for x, s in zip(xs, self.sigmas, strict=True)]
        return torch.stack([centre(y) for y in ys]).amax(0)


def centre(x: torch.Tensor) -> torch.Tensor:
    """Mean of the middle pixels of [B, C, H, W]."""
    h, w = (slice((n - 1) // 2, n // 2 + 1) for n in x.shape[2:])
    return x[..., h, w].mean((2, 3))
