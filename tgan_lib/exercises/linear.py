"""A linear D and a linear G with known weights: with them every right answer has a closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearDiscriminator(nn.Module):
    """D(x) = x . weight + bias, (N, 1, 2, 2) -> logits (N,)."""

    def __init__(self, weight: list[float], bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight + self.bias


class LinearGenerator(nn.Module):
    """G(z) = z @ weight, (N, rows of weight) -> (N, 1, 2, 2). It may leave [-1, 1], which no loss minds."""

    def __init__(self, weight: list[list[float]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, z: Tensor) -> Tensor:
        return (z @ self.weight).reshape(-1, 1, 2, 2)


def all_parameters(module: nn.Module) -> Tensor:
    """All parameters in one vector, a copy."""
    return torch.cat([p.detach().flatten() for p in module.parameters()]).clone()
