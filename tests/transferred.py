"""Small GANs for the tests of transfer methods, and what they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tgan_lib.data import Images
from tgan_lib.gan import GAN
from tgan_lib.networks import NETWORKS as EVERY_NETWORK
from tgan_lib.networks import layers
from tgan_lib.training.train import train

NETWORKS = tuple(name for name in EVERY_NETWORK if name != "projected")  # whose D has no layers in a row
Method = Callable[[GAN], GAN]


def small(network: str = "dcgan_2016", seed: int = 0, **changes: Any) -> GAN:
    config = {"size": 16, "latent_dim": 6, "width": 4} | changes
    return GAN.build(network, seed=seed, device="cpu", **config)


def settled(network: str = "dcgan_2016", **changes: Any) -> GAN:
    """A GAN whose norms have statistics of their own and whose average is not its generator."""
    gan = small(network, **changes)
    gan.generator.train(), gan.discriminator.train()
    with torch.no_grad():
        for i in range(2):
            gan.discriminator(gan.generator(gan.latents(8, seed=i)))
        gan.restart_average()
        for p in gan.generator.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    return gan


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def layer_state(module: nn.Module, index: int) -> dict[str, Tensor]:
    return state(nn.Sequential(*layers(module)[index]))


def free(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


def images(gan: GAN, seed: int = 0) -> Tensor:
    return gan.sample(5, seed=seed, ema=False)


def trained_a_bit(gan: GAN, digits: Images, steps: int = 2) -> GAN:
    train(gan, digits, steps=steps, batch_size=8, learning_rate=0.01, progress=False)
    return gan
