"""What every network here shares: a slope, a count, a device, and what "a layer" means to a transfer method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from ..errors import unknown_name

LEAK = 0.2  # slope of the leaky ReLU below 0, in every D (Radford et al. 2016)


def count_parameters(module: nn.Module) -> int:
    """How many numbers an optimiser would move."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def device_of(module: nn.Module) -> torch.device:
    """The device that a module's parameters live on."""
    return next(module.parameters()).device


def refuse_options(network: str, options: Mapping[str, Any], known: Iterable[str] = ()) -> None:
    """ValueError for the first option that `network` does not have."""
    for name in options:
        if name not in known:
            raise unknown_name(f"option of the network {network!r}", name, known)


def layers(module: nn.Module) -> list[list[nn.Module]]:
    """The layers of a generator or discriminator, in the order in which a batch passes them.

    A layer is a child of the network's `net` that holds a convolution or a linear map (at any depth, so that a
    residual block is one layer), with the norm or scale that follows it. Activations and reshapes hold no
    parameters and belong to no layer. A network is all of its layers: every parameter is in just one.
    """
    found: list[list[nn.Module]] = []
    for child in module.net.children():  # type: ignore[union-attr]
        if not any(True for _ in child.parameters()):
            continue
        maps = any(isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) for m in child.modules())
        if maps or not found:
            found.append([])
        found[-1].append(child)
    return found
