"""What every network here shares: a slope, a count, blocks that add or join their input, and what "a
layer" means to a transfer method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import check_kind, check_tensor, one_of, shown, unknown_name, whole_number

LEAK = 0.2  # slope of the leaky ReLU below 0, in every D (Radford et al. 2016)
LINEAR_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)  # what a layer is built around

T = TypeVar("T")


def check_module(name: str, module: Any) -> None:
    """TypeError unless `module` is a network."""
    check_kind(name, module, nn.Module, "an nn.Module, such as gan.generator,")


class Generator(nn.Module):
    """(N, latent_dim) -> (N, channels, size, size), by a chain of layers, `net`; ValueError for other latents."""

    net: nn.Module

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__()
        whole_number("size", size), whole_number("channels", channels), whole_number("width", width)
        self.latent_dim = whole_number("latent_dim", latent_dim)

    def forward(self, z: Tensor) -> Tensor:
        check_tensor("z", z, ("N", self.latent_dim))
        images: Tensor = self.net(as_precise(z, self.net))
        return images


class Discriminator(nn.Module):
    """(N, channels, size, size) -> logits (N,), by a chain of layers, `net`; ValueError for other images."""

    net: nn.Module

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__()
        whole_number("width", width)
        self.shape = whole_number("channels", channels), whole_number("size", size), size

    def forward(self, images: Tensor) -> Tensor:
        check_tensor("images", images, ("N", *self.shape))
        logits: Tensor = self.net(as_precise(images, self.net))
        return logits.squeeze(1)


def as_precise(x: Tensor, net: nn.Module) -> Tensor:
    """`x` in the precision of the network's weights, unless autocast sees to that."""
    dtype = next(net.parameters()).dtype
    return x if x.dtype == dtype or torch.is_autocast_enabled(x.device.type) else x.to(dtype)


def count_parameters(module: nn.Module) -> int:
    """How many numbers an optimiser would move."""
    check_module("module", module)
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def refuse_options(network: str, options: Mapping[str, Any], known: Iterable[str] = ()) -> None:
    """ValueError for the first option that `network` does not have."""
    for name in options:
        if name not in known:
            raise unknown_name(f"option of the network {network!r}", name, known)


def pick(option: str, known: Mapping[str, T], name: str) -> T:
    """`known[name]`, or a ValueError that says what `option` may be."""
    return known[one_of(option, name, known)]


def add_spectral_norm(module: nn.Module) -> None:
    """Divide a map's weight by its largest singular value, W / sigma(W), for `Module.apply`.

    Miyato, Kataoka, Koyama and Yoshida (2018), "Spectral Normalization for Generative Adversarial Networks",
    algorithm 1: sigma comes from power iteration on W as a matrix with one row for each output, one iteration
    a forward in training and none in eval mode. Weights must have been drawn before: what W is afterwards is
    computed.
    """
    check_module("module", module)
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


class MinibatchStd(nn.Module):
    """One map more, which says how unlike the images of a batch are: (N, C, H, W) -> (N, C + 1, H, W).

    The standard deviation of each number over `group` images, averaged over all channels and places: one number for a
    group, repeated over a map (Karras, Aila, Laine and Lehtinen 2018, "Progressive Growing of GANs for Improved
    Quality, Stability, and Variation", section 3, where the group is the batch). A group is made of neighbours in the
    batch; where the last one is short, it borrows the batch's first images. One image alone has 0.

    With it a logit depends on other images, so D can say that fakes are too much alike, which no D can that looks at
    one image at a time. Reals and fakes must then not share a pass.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        self.group = whole_number("minibatch_std", group, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        size = min(self.group, n)
        groups = -(-n // size)
        order = torch.arange(groups * size, device=x.device) % n
        precise = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        numbers = precise.flatten(1)[order].unflatten(0, (groups, size))
        deviation = (numbers.var(1, correction=0) + 1e-8).sqrt().mean(1)  # 1e-8: a root has no slope at 0
        maps = deviation.repeat_interleave(size)[:n].to(x.dtype)
        return torch.cat([x, maps[:, None, None, None].expand(n, 1, height, width)], 1)


def layers(module: nn.Module) -> list[list[nn.Module]]:
    """The layers of a generator or discriminator, in the order in which a batch passes them.

    A layer is a child of the network's `net` that holds a convolution or a linear map (at any depth, so that a
    residual block is one layer), with the norm or scale that follows it. Activations and reshapes hold no
    parameters and belong to no layer. A network is all of its layers: every parameter is in just one.
    """
    check_module("module", module)
    net = getattr(module, "net", None)
    if not isinstance(net, nn.Module):
        raise ValueError(f"{shown(module)} keeps no layers in .net; a network of tgan_lib.networks is right")
    found: list[list[nn.Module]] = []
    for child in net.children():
        if not any(True for _ in child.parameters()):
            continue
        weighted = any(isinstance(m, LINEAR_LAYERS) for m in child.modules())
        if weighted or not found:
            found.append([])
        found[-1].append(child)
    return found
