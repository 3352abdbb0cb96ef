"""Which discriminators see the whole image: whether far corners belong together is for their logit to say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tgan_lib.gan import GAN
from tgan_lib.networks import NETWORKS

SIZES = (16, 28, 32, 64, pytest.param(128, marks=pytest.mark.slow))
SEEING = [
    ("conv", {}),
    ("conv", {"blocks": "residual"}),
    ("conv", {"blocks": "dense"}),
    ("conv", {"norm": "spectral"}),
    ("conv", {"pooling": True}),
    ("mlp", {}),
    ("resnet", {}),
    ("modern", {}),
    ("projected", {}),
]


def corners_together(d: nn.Module, size: int) -> float:
    """|D(x + a + b) - D(x + a) - D(x + b) + D(x)| for a in one corner and b in the opposite one, as a share of how much
    a and b change D alone; the largest over a few x. 0 for a D that adds up what it sees here and there."""
    rng = torch.Generator().manual_seed(0)
    d = d.double().eval()
    x = torch.rand(32, 1, size, size, generator=rng, dtype=torch.float64) * 2 - 1
    a, b = torch.zeros(2, 1, 1, size, size, dtype=torch.float64)
    k = size // 8
    a[..., :k, :k] = b[..., -k:, -k:] = 2
    with torch.no_grad():
        both, first, second, neither = (d(x + i) for i in (a + b, a, b, 0 * a))
    mixed = (both - first - second + neither).abs().max()
    return float(mixed / ((first - neither).abs() + (second - neither).abs()).max())


def built(network: str, size: int, options: dict[str, Any]) -> nn.Module:
    wide = (
        {"init": "default"} if network == "conv" else {}
    )  # or so little reaches the end that no kink is crossed
    d = GAN.build(network, size=size, latent_dim=4, width=16, device="cpu", **wide, **options).discriminator
    torch.manual_seed(0)
    for (
        module
    ) in d.modules():  # a residual block that begins as the identity is looked at after it has begun to learn
        if isinstance(module, nn.Conv2d) and not module.weight.detach().any():
            nn.init.normal_(module.weight, 0, 0.1)
    return d


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("network", "options"), SEEING)
def test_sees_whether_far_corners_belong_together(network: str, options: dict[str, Any], size: int) -> None:
    assert corners_together(built(network, size, options), size) > 1e-8


@pytest.mark.parametrize("network", ["dcgan", "dcgan_2016"])
@pytest.mark.parametrize("size", SIZES)
def test_the_stack_of_2016_does_not_and_is_kept_for_what_it_was(network: str, size: int) -> None:
    assert corners_together(built(network, size, {}), size) < 1e-9


def test_every_network_is_looked_at_here() -> None:
    assert {name for name, _ in SEEING} | {"dcgan", "dcgan_2016"} == set(NETWORKS)
