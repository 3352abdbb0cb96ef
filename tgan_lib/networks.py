"""Generators and discriminators: a multilayer perceptron and a DCGAN.

The DCGAN follows Radford, Metz and Chintala (2016), "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks", section 3: strided convolutions in place of pooling, batch
normalisation (except where G writes pixels), ReLU in G, leaky ReLU in D, tanh at the end, and weights drawn
from N(0, 0.02). The stem of G is a linear layer and a reshape, which is what a transposed convolution of a 1x1
image computes. One departure: "dcgan" has no batch norm in D, "dcgan_2016" has it as published (not where D
reads pixels). A norm in D mixes the images of a batch, which a gradient penalty forbids, and chapter 3 measures
that ours does better without.

Shapes: a latent batch is (N, latent_dim); an image batch is (N, channels, size, size) with values in
[-1, 1]; a discriminator returns logits of shape (N,), positive for "real".
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

LEAK = 0.2


class MLPGenerator(nn.Module):
    """Fully connected generator, (N, latent_dim) -> (N, channels, size, size) in [-1, 1].

    Hidden layers double in width: width, 2 width, 4 width. Nothing in it knows that pixels have neighbours.
    """

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__()
        widths = [latent_dim, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU(LEAK)]
        layers += [nn.Linear(widths[-1], channels * size * size), nn.Tanh()]
        self.net = nn.Sequential(*layers, nn.Unflatten(1, (channels, size, size)))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.net(z)
        return images


class MLPDiscriminator(nn.Module):
    """Fully connected discriminator, (N, channels, size, size) -> logits (N,)."""

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size * size, 2 * width),
            nn.LeakyReLU(LEAK),
            nn.Linear(2 * width, width),
            nn.LeakyReLU(LEAK),
            nn.Linear(width, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits.squeeze(1)


def dcgan_start(size: int) -> tuple[int, int]:
    """Side of the stem's feature map, and how many doublings lead from it to `size`.

    28 -> (7, 2), 32 -> (4, 3), 64 -> (4, 4). ValueError for a size that no 4 or 7 doubles into.
    """
    for start in (4, 7):
        doublings = (size // start).bit_length() - 1
        if doublings >= 2 and start * 2**doublings == size:
            return start, doublings
    raise ValueError(
        f"a DCGAN cannot make {size} px images; sizes that work are 16, 28, 32, 56, 64, 128 and 256"
    )


class DCGANGenerator(nn.Module):
    """Convolutional generator, (N, latent_dim) -> (N, channels, size, size) in [-1, 1].

    A 4x4 (or 7x7) map of `width * 2**(doublings - 1)` channels is doubled until it is an image; each doubling
    halves the channels, so that the last hidden map has `width` of them.
    """

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__()
        start, doublings = dcgan_start(size)
        wide = width * 2 ** (doublings - 1)
        # No bias before a batch norm: the norm would subtract it again.
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * start * start, bias=False),
            nn.Unflatten(1, (wide, start, start)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(wide, wide // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(wide // 2),
                nn.ReLU(),
            ]
            wide //= 2
        layers += [nn.ConvTranspose2d(wide, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.net = nn.Sequential(*layers)
        self.apply(dcgan_init)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.net(z)
        return images


class DCGANDiscriminator(nn.Module):
    """Convolutional discriminator, (N, channels, size, size) -> logits (N,).

    The generator's mirror: each strided convolution halves the side and doubles the channels, from `width`.
    `batch_norm=True` puts a norm after every convolution but the first.
    """

    def __init__(self, size: int, channels: int, width: int, batch_norm: bool = False) -> None:
        super().__init__()
        start, halvings = dcgan_start(size)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        for _ in range(halvings - 1):
            layers.append(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=not batch_norm))
            layers += [nn.BatchNorm2d(2 * width)] * batch_norm + [nn.LeakyReLU(LEAK)]
            width *= 2
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * start * start, 1))
        self.apply(dcgan_init)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits.squeeze(1)


def dcgan_init(module: nn.Module) -> None:
    """DCGAN's start: weights from N(0, 0.02), norm scales from N(1, 0.02), biases 0. For `Module.apply`."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def count_parameters(module: nn.Module) -> int:
    """How many numbers an optimiser would move."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def build_mlp(size: int, channels: int, latent_dim: int, width: int) -> tuple[nn.Module, nn.Module]:
    """An MLP generator and discriminator."""
    return MLPGenerator(size, channels, latent_dim, width), MLPDiscriminator(size, channels, width)


def build_dcgan(size: int, channels: int, latent_dim: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A DCGAN generator, and a discriminator without batch norm."""
    return DCGANGenerator(size, channels, latent_dim, width), DCGANDiscriminator(size, channels, width)


def build_dcgan_2016(size: int, channels: int, latent_dim: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A DCGAN as published: batch norm in D too."""
    discriminator = DCGANDiscriminator(size, channels, width, batch_norm=True)
    return DCGANGenerator(size, channels, latent_dim, width), discriminator


Build = Callable[[int, int, int, int], tuple[nn.Module, nn.Module]]

NETWORKS: dict[str, Build] = {"mlp": build_mlp, "dcgan": build_dcgan, "dcgan_2016": build_dcgan_2016}

# The width each network has when none is asked for.
WIDTHS: dict[str, int] = {"mlp": 256, "dcgan": 64, "dcgan_2016": 64}


def device_of(module: nn.Module) -> torch.device:
    """The device that a module's parameters live on."""
    return next(module.parameters()).device
