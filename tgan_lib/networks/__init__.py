"""Generators and discriminators.

Shapes, for all of them: a latent batch is (N, latent_dim); an image batch is (N, channels, size, size) with
values in [-1, 1]; a discriminator returns logits of shape (N,), positive for "real". A network keeps its layers
in `net`, an nn.Sequential from input to output, so that a feature can be tapped by name ("net.4") and a transfer
method can count layers from either end (`layers`). The projected discriminator's `net` holds its heads, which
stand side by side.

    mlp          fully connected
    conv         convolutional, the one to begin with: a DCGAN whose D sees the whole image
    dcgan        with every guideline of 2016 as an option; dcgan_2016 as published
    resnet       residual blocks, spectral norm in D
    modern       residual blocks and no norm, after R3GAN
    projected    dcgan's G, and a D that looks through a frozen feature network

The VAE is no pair of G and D, and is built by its class.
"""

from __future__ import annotations

from typing import Protocol

from torch import nn

from .dcgan import (
    DCGANDiscriminator,
    DCGANGenerator,
    build_conv,
    build_dcgan,
    build_dcgan_2016,
    dcgan_init,
    dcgan_start,
)
from .mlp import MLPDiscriminator, MLPGenerator, build_mlp
from .modern import ModernDiscriminator, ModernGenerator, build_modern
from .parts import LEAK, add_spectral_norm, count_parameters, layers
from .projected import ProjectedDiscriminator, build_projected
from .resnet import ResNetDiscriminator, ResNetGenerator, build_resnet
from .vae import VAE, gaussian_log_likelihood, kl_to_standard_normal


class Build(Protocol):
    """Makes a generator and a discriminator; `options` are the network's own, by name."""

    def __call__(
        self, size: int, channels: int, latent_dim: int, width: int, **options: object
    ) -> tuple[nn.Module, nn.Module]: ...


NETWORKS: dict[str, Build] = {
    "mlp": build_mlp,
    "conv": build_conv,
    "dcgan": build_dcgan,
    "dcgan_2016": build_dcgan_2016,
    "resnet": build_resnet,
    "modern": build_modern,
    "projected": build_projected,
}

# The width each network has when none is asked for.
WIDTHS: dict[str, int] = {
    "mlp": 256,
    "conv": 32,
    "dcgan": 64,
    "dcgan_2016": 64,
    "resnet": 32,
    "modern": 32,
    "projected": 64,
}

__all__ = [
    "LEAK",
    "NETWORKS",
    "VAE",
    "WIDTHS",
    "Build",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "ModernDiscriminator",
    "ModernGenerator",
    "ProjectedDiscriminator",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "add_spectral_norm",
    "count_parameters",
    "dcgan_init",
    "dcgan_start",
    "gaussian_log_likelihood",
    "kl_to_standard_normal",
    "layers",
]
