"""A discriminator that looks through a frozen network: Sauer, Chitta, Müller and Geiger (2021), "Projected GANs
Converge Faster", section 3.

A feature network trained for something else turns an image into maps of several sizes. Fixed random
convolutions mix them, so that no head can rest on the few channels that tell real from generated most easily:
1x1 convolutions across the channels of each map, then, from the smallest map to the largest, a 3x3 convolution
of the map below, enlarged and added. On each mixed map sits a small trained head with spectral norm. Only the
heads learn.

Departures: the heads have no batch norm, so that an image is judged alone; a mixed map has as many channels as
the tapped one; a map is enlarged after its 3x3 convolution, which is cheaper; and where the paper takes the hinge
loss of each head's every position and adds them up, the logit here is the average over positions and heads, since
losses here take one logit for each image.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..errors import check_tensor, shown, whole_number
from ..features import load_features, tapped
from .dcgan import DCGANGenerator, dcgan_init
from .parts import LEAK, add_spectral_norm, as_precise, check_module, refuse_options


class ProjectedDiscriminator(nn.Module):
    """Frozen features, frozen random mixing, trained heads: (N, C, H, W) in [-1, 1] -> logits (N,).

    features: a network of images in [-1, 1]; a copy of it is taken. taps: the names of its modules whose outputs
    (N, c, h, w) are looked at, from the largest map to the smallest. size, channels: the images it expects; others
    are resized, their colours averaged, their grey repeated. width: the heads' channels.

    `net` holds the heads, side by side and not in a row: they are all there is to train. The copy and the mixing
    are frozen for good: their parameters have become buffers, so that no optimiser finds them, no
    `requires_grad_` wakes them, and a checkpoint still holds the whole discriminator; `train()` leaves the copy in
    eval mode.
    """

    def __init__(
        self, features: nn.Module, taps: Sequence[str], *, size: int, channels: int, width: int
    ) -> None:
        super().__init__()
        check_module("features", features)
        self.size, self.channels = whole_number("size", size), whole_number("channels", channels)
        if isinstance(taps, str) or not isinstance(taps, Sequence) or not taps:
            raise TypeError(
                f"taps is {shown(taps)}; a list of names of the feature network's modules is right"
            )
        self.taps = tuple(taps)
        self.features = frozen(features)
        whole_number("width", width)
        try:
            with torch.no_grad():
                maps = self.maps(torch.zeros(1, channels, size, size))
        except RuntimeError as error:
            raise ValueError(
                f"{type(features).__name__} does not take images of shape {(channels, size, size)}; the size and "
                "channels that it was made for are right"
            ) from error
        if flat := [tuple(m.shape) for m in maps if m.ndim != 4]:
            raise ValueError(
                f"a tap of {self.taps} puts out {flat[0]}; names of layers that put out maps are right"
            )
        self.mixing = frozen(Mixing([m.shape[1] for m in maps]))
        self.net = nn.ModuleList(head(m.shape[1], m.shape[-1], width) for m in maps)

    def train(self, mode: bool = True) -> ProjectedDiscriminator:
        super().train(mode)
        self.features.eval()
        return self

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the feature network's taps put out for images of any size and number of channels."""
        return list(tapped(self.features, fitted(images, self.size, self.channels), self.taps).values())

    def forward(self, images: Tensor) -> Tensor:
        check_tensor("images", images, ("N", "channels", "H", "W"))
        mixed = self.mixing(self.maps(as_precise(images, self.net)))
        logits = [judge(m).mean((1, 2, 3)) for judge, m in zip(self.net, mixed, strict=True)]
        return torch.stack(logits).mean(0)


class Mixing(nn.Module):
    """Random convolutions across channels and scales of maps, largest first; shapes stay what they were."""

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.across_channels = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for c in channels)
        self.across_scales = nn.ModuleList(
            nn.Conv2d(small, large, 3, padding=1, bias=False) for large, small in pairwise(channels)
        )
        for weight in self.parameters():
            nn.init.kaiming_normal_(weight)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        mixed = [conv(m) for conv, m in zip(self.across_channels, maps, strict=True)]
        for i in reversed(range(len(mixed) - 1)):
            below = self.across_scales[i](mixed[i + 1])
            mixed[i] = mixed[i] + interpolate(below, mixed[i].shape[-2:], mode="bilinear")
        return mixed


def head(channels: int, side: int, width: int) -> nn.Sequential:
    """Strided convolutions down to a side of 4 or less (one at least), then a map of logits. All spectral norm."""
    layers: list[nn.Module] = []
    while side > 4 or not layers:
        layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        channels, side = width, side // 2
    net = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))
    return net.apply(dcgan_init).apply(add_spectral_norm)


def frozen(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose parameters are buffers: in the state dict, and out of every optimiser's reach."""
    module = copy.deepcopy(module).eval()
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, weight.detach())
    return module


def fitted(images: Tensor, size: int, channels: int) -> Tensor:
    """Images as a feature network expects them: (N, C, H, W) -> (N, channels, size, size), differentiably."""
    if images.shape[1] != channels:
        images = images.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if images.shape[-2:] != (size, size):
        wide = images.to(
            torch.promote_types(images.dtype, torch.float32)
        )  # half has no antialiasing on the CPU
        images = interpolate(wide, (size, size), mode="bilinear", antialias=True)
    return images


@torch.no_grad()
def stages(body: nn.Sequential, size: int, channels: int) -> list[str]:
    """The children of a feature network's body that are the last at their size of map, by name, largest first."""
    maps = torch.zeros(1, channels, size, size)
    last: dict[int, str] = {}
    for name, part in body.named_children():
        maps = part(maps)
        if maps.ndim == 4 and maps.shape[-1] > 1:
            last[maps.shape[-1]] = name
    return list(last.values())


def build_projected(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN generator and a projected discriminator.

    One option: `features`, the name of a shipped feature network ("mnist-v1"), tapped once at each size of map.
    """
    refuse_options("projected", options, ("features",))
    with torch.random.fork_rng(devices=[]):  # a first loading draws weights, and a later one none
        features = load_features(options.get("features", "mnist-v1"), "cpu")
    generator = DCGANGenerator(size, channels, latent_dim, width)
    taps = [f"body.{name}" for name in stages(features.body, features.size, features.channels)]
    discriminator = ProjectedDiscriminator(
        features, taps, size=features.size, channels=features.channels, width=width
    )
    return generator, discriminator
