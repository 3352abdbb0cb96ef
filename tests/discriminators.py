"""What the tests of penalties share: small discriminators whose gradients are known, and images for them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from tgan_lib.penalties import PENALTIES

SHAPE = (2, 3, 3)  # channels, height, width
PIXELS = 18
NAMES = sorted(PENALTIES)


class Linear(nn.Module):
    """D(x) = w x + b, with |w| given."""

    def __init__(self, norm: float, dtype: torch.dtype = torch.float32, seed: int = 0) -> None:
        super().__init__()
        w = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        self.w = nn.Parameter((w * (norm / w.norm())).to(dtype))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.w).flatten(1).sum(1) + 3


class TwoLayers(nn.Module):
    """D(x) = v tanh(W x + b), whose weights may be tensors that are not parameters."""

    def __init__(self, w: Tensor, b: Tensor, v: Tensor) -> None:
        super().__init__()
        self.w, self.b, self.v = w, b, v

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(images.flatten(1) @ self.w.T + self.b) @ self.v


class Recording(nn.Module):
    """Keeps the images it is asked about. D(x) = |x|^2 / 2, so that the gradient is x itself."""

    def forward(self, images: Tensor) -> Tensor:
        self.seen = images.detach()
        return images.flatten(1).square().sum(1) / 2


def weights(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    shapes = ((5, PIXELS), (5,), (5,))
    w, b, v = (torch.randn(s, generator=rng, dtype=torch.float64) * 0.7 for s in shapes)
    return w, b, v


def batch(n: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, *SHAPE, generator=rng, dtype=torch.float64).tanh().to(dtype)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_net(spectral: bool = False) -> nn.Sequential:
    torch.manual_seed(3)
    wrap: Callable[[Any], Any] = spectral_norm if spectral else lambda layer: layer
    return nn.Sequential(
        wrap(nn.Conv2d(2, 4, 3, padding=1)),
        nn.Softplus(),
        nn.Flatten(),
        wrap(nn.Linear(36, 1)),
        nn.Flatten(0),
    )


def slopes64(images: Tensor, w: Tensor, b: Tensor, v: Tensor) -> np.ndarray:
    """The norm of D's gradient at each image, for TwoLayers, worked out by hand: (N,)."""
    x, w64, b64, v64 = (t.detach().numpy() for t in (images.flatten(1), w, b, v))
    return np.stack([np.linalg.norm((v64 * (1 - np.tanh(w64 @ one + b64) ** 2)) @ w64) for one in x])


def value_and_gradients(d: nn.Module, penalty: Callable[[nn.Module], Tensor]) -> list[Tensor]:
    """On a copy of `d`, since spectral norm moves its estimate with each pass."""
    d = copy.deepcopy(d)
    value = penalty(d)
    slopes = torch.autograd.grad(value, list(d.parameters()), allow_unused=True)
    return [value.detach(), *(torch.zeros(()) if s is None else s for s in slopes)]


def equal(found: list[Tensor], expected: list[Tensor]) -> None:
    assert any(e.abs().max() > 0.01 for e in expected[1:])
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e, rtol=1e-6, atol=1e-6 * max(1e-6, e.abs().max().item()))
