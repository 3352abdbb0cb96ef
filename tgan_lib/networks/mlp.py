"""Fully connected networks, as in the first GAN (Goodfellow et al. 2014): nothing in them knows about neighbours."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn

from .parts import LEAK, Discriminator, Generator, refuse_options


class MLPGenerator(Generator):
    """Fully connected generator, (N, latent_dim) -> (N, channels, size, size) in [-1, 1].

    Hidden layers double in width: width, 2 width, 4 width. Nothing in it knows that pixels have neighbours.
    """

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__(size, channels, latent_dim, width)
        widths = [latent_dim, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LeakyReLU(LEAK)]
        layers += [nn.Linear(widths[-1], channels * size * size), nn.Tanh()]
        self.net = nn.Sequential(*layers, nn.Unflatten(1, (int(channels), int(size), int(size))))


class MLPDiscriminator(Discriminator):
    """Fully connected discriminator, (N, channels, size, size) -> logits (N,)."""

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__(size, channels, width)
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size * size, 2 * width),
            nn.LeakyReLU(LEAK),
            nn.Linear(2 * width, width),
            nn.LeakyReLU(LEAK),
            nn.Linear(width, 1),
        )


def build_mlp(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """An MLP generator and discriminator. It has no options."""
    refuse_options("mlp", options)
    return MLPGenerator(size, channels, latent_dim, width), MLPDiscriminator(size, channels, width)
