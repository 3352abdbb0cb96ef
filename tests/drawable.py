"""Generators for the tests of the explorer."""

from __future__ import annotations

import torch
from torch import nn

from tgan_lib.gan import GAN


def live(net: nn.Module, latent_dim: int) -> nn.Module:
    """`net` as training would leave it: batch norms that have seen data, pictures that fill [-1, 1]."""
    torch.manual_seed(3)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.affine:
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    net.train()
    with torch.no_grad():
        for _ in range(6):
            net(torch.randn(32, latent_dim))
    net.eval()
    last = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))][-1]
    with torch.no_grad():
        last.weight *= 1 / torch.atanh(net(torch.randn(64, latent_dim)).double().clamp(-0.999, 0.999)).std()
    return net


def dcgan(size: int = 28, channels: int = 1, width: int = 16) -> GAN:
    gan = GAN.build("dcgan", size=size, channels=channels, width=width, seed=1, device="cpu")
    live(gan.ema, 64)
    return gan
