"""Generators and discriminators.

Shapes, for all of them: a latent batch is (N, latent_dim); an image batch is (N, channels, size, size) with
values in [-1, 1]; a discriminator returns logits of shape (N,), positive for "real". A network keeps its layers
in `net`, an nn.Sequential from input to output, so that a feature can be tapped by name ("net.4") and a transfer
method can count layers from either end (`layers`).
"""

from __future__ import annotations

from typing import Protocol

from torch import nn

from .dcgan import (
    DCGANDiscriminator,
    DCGANGenerator,
    build_dcgan,
    build_dcgan_2016,
    dcgan_init,
    dcgan_start,
)
from .mlp import MLPDiscriminator, MLPGenerator, build_mlp
from .parts import LEAK, count_parameters, device_of, layers


class Build(Protocol):
    """Makes a generator and a discriminator; `options` are the network's own, by name."""

    def __call__(
        self, size: int, channels: int, latent_dim: int, width: int, **options: object
    ) -> tuple[nn.Module, nn.Module]: ...


NETWORKS: dict[str, Build] = {"mlp": build_mlp, "dcgan": build_dcgan, "dcgan_2016": build_dcgan_2016}

# The width each network has when none is asked for.
WIDTHS: dict[str, int] = {"mlp": 256, "dcgan": 64, "dcgan_2016": 64}

__all__ = [
    "LEAK",
    "NETWORKS",
    "WIDTHS",
    "Build",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "count_parameters",
    "dcgan_init",
    "dcgan_start",
    "device_of",
    "layers",
]
