"""Small GANs whose weights have moved, for the tests of what holds them to where they were."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tgan_lib.gan import GAN
from tgan_lib.training.terms import Step, Term


def small(network: str = "dcgan", seed: int = 0) -> GAN:
    return GAN.build(network, size=16, latent_dim=6, width=4, seed=seed, device="cpu")


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def step(gan: GAN, batch: int = 8) -> Step:
    """A step as a term sees it; images and logits are not what these terms look at."""
    z = gan.latents(batch, seed=1)
    nothing = torch.zeros(batch)
    return Step(gan, nothing, z, nothing, nothing, nothing)


def moved(gan: GAN, size: float = 0.1, seed: int = 5) -> dict[str, np.ndarray]:
    """Move every trained parameter of G; the changes by name, in float64."""
    changes = {}
    for i, (name, p) in enumerate(gan.generator.named_parameters()):
        if p.requires_grad:
            before = p.detach().double().clone()
            p.data += size * normal(*p.shape, seed=seed + i).to(p.dtype)
            changes[name] = (p.detach().double() - before).numpy()
    return changes


def gradients(term: Term, gan: GAN, names: list[str]) -> dict[str, np.ndarray]:
    parameters = dict(gan.generator.named_parameters())
    found = torch.autograd.grad(term(step(gan)), [parameters[name] for name in names])
    return {name: g.double().numpy() for name, g in zip(names, found, strict=True)}


def settle(gan: GAN, passes: int = 2) -> GAN:
    """Give batch norms statistics of their own, as training would."""
    gan.generator.train()
    with torch.no_grad():
        for i in range(passes):
            gan.generator(gan.latents(8, seed=i))
    gan.restart_average()
    return gan
