"""What every network here shares: a slope, a count, blocks that add or join their input, and what "a
layer" means to a transfer method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import unknown_name

LEAK = 0.2  # slope of the leaky ReLU below 0, in every D (Radford et al. 2016)
LINEAR_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)  # what a layer is built around

T = TypeVar("T")


def count_parameters(module: nn.Module) -> int:
    """How many numbers an optimiser would move."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def refuse_options(network: str, options: Mapping[str, Any], known: Iterable[str] = ()) -> None:
    """ValueError for the first option that `network` does not have."""
    for name in options:
        if name not in known:
            raise unknown_name(f"option of the network {network!r}", name, known)


def pick(option: str, known: Mapping[str, T], name: str) -> T:
    """`known[name]`, or a ValueError that says what `option` may be."""
    if name not in known:
        raise unknown_name(option, name, known)
    return known[name]


def add_spectral_norm(module: nn.Module) -> None:
    """Divide a map's weight by its largest singular value, W / sigma(W), for `Module.apply`.

    Miyato, Kataoka, Koyama and Yoshida (2018), "Spectral Normalization for Generative Adversarial Networks",
    algorithm 1: sigma comes from power iteration on W as a matrix with one row for each output, one iteration
    a forward in training and none in eval mode. Weights must have been drawn before: what W is afterwards is
    computed.
    """
    if isinstance(module, LINEAR_LAYERS):
        spectral_norm(module)


class Residual(nn.Module):
    """main(x) + skip(x) (He et al. 2016, "Deep Residual Learning for Image Recognition")."""

    def __init__(self, main: nn.Module, skip: nn.Module) -> None:
        super().__init__()
        self.main, self.skip = main, skip

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.main(x) + self.skip(x)
        return total


class Dense(nn.Module):
    """skip(x) and main(x), one's channels after the other's (Huang et al. 2017, "Densely Connected
    Convolutional Networks").
    """

    def __init__(self, main: nn.Module, skip: nn.Module) -> None:
        super().__init__()
        self.main, self.skip = main, skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.skip(x), self.main(x)], 1)


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
        weighted = any(isinstance(m, LINEAR_LAYERS) for m in child.modules())
        if weighted or not found:
            found.append([])
        found[-1].append(child)
    return found
