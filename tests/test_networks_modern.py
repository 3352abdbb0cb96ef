"""What the newer networks claim for themselves: blocks that start as the identity, and features that never move."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.parametrize import is_parametrized

from tgan_lib.features import DigitNet, SmallNet, load_features
from tgan_lib.gan import GAN
from tgan_lib.networks import ProjectedDiscriminator, count_parameters, layers
from tgan_lib.networks.modern import Resample
from tgan_lib.networks.parts import Residual
from tgan_lib.networks.projected import stages


def build(network: str, size: int = 28, channels: int = 1, width: int = 8, **options: Any) -> GAN:
    return GAN.build(
        network, size=size, channels=channels, latent_dim=5, width=width, device="cpu", **options
    )


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


# Modern


def test_modern_has_no_norm_anywhere() -> None:
    gan = build("modern")
    for module in (*gan.generator.modules(), *gan.discriminator.modules()):
        assert "Norm" not in type(module).__name__
        assert not is_parametrized(module)


def test_modern_starts_as_identities_between_linear_maps() -> None:
    gan = build("modern", size=64, output="linear")
    blocks = [m for m in gan.generator.modules() if isinstance(m, Residual)]
    assert len(blocks) == 4
    for block in blocks:
        x = torch.randn(2, block.main[0].in_channels, 8, 8)
        assert torch.equal(block(x), x)
        assert block.main[:-1](x).std() > 0.1  # only the last convolution is 0
    a, b = noise(2, 1, 64, 64)[:, None]
    d = gan.discriminator
    torch.testing.assert_close(d(2 * a - 3 * b), 2 * d(a) - 3 * d(b), atol=1e-5, rtol=1e-4)
    z, w = noise(2, 5)[:, None]
    g = gan.generator
    torch.testing.assert_close(g(2 * z - 3 * w), 2 * g(z) - 3 * g(w), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("size", "start"), [(28, 7), (256, 4)])
def test_modern_parameters_by_hand(size: int, start: int) -> None:
    gan = build("modern", size=size, channels=3, blocks=2, cardinality=2)
    widths = [8, 16] if size == 28 else [8, 16, 32, 64, 64, 64]  # at most 8 times the first
    within = 0
    for wide in widths:
        inside, groups = 2 * wide, 2 * wide // 8
        blocks = 4 if (wide, start) == (widths[-1], 7) else 2  # two more where the smallest maps are 7x7
        within += blocks * (wide * inside + inside + inside * inside // groups * 9 + inside + inside * wide)
    changes = sum(a * b for a, b in pairwise(widths) if a != b)
    ends = 3 * 8 * 16 + widths[-1] * start**2
    assert count_parameters(gan.generator) == within + changes + ends + 5 * widths[-1]
    assert count_parameters(gan.discriminator) == within + changes + ends + widths[-1]
    grouped = [m for m in gan.generator.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert {m.out_channels // m.groups for m in grouped} == {8}


def test_modern_starting_weights() -> None:
    gan = build("modern", size=32, width=64, blocks=2)
    gain = (2 / (1 + 0.2**2)) ** 0.5 * 6**-0.25  # three stages of two blocks
    for block in (m for d in (gan.generator, gan.discriminator) for m in d.net if isinstance(m, Residual)):
        for conv in (block.main[0], block.main[2]):
            fan_in = conv.in_channels // conv.groups * conv.kernel_size[0] ** 2
            assert conv.weight.std().item() == pytest.approx(gain / fan_in**0.5, rel=0.05)
            assert not conv.bias.any()
        assert block.main[4].bias is None
        assert not block.main[4].weight.any()
    painted = nn.Sequential(*list(gan.generator.net)[-2:-1])(torch.randn(64, 64, 8, 8))
    assert painted[:, :, 1:-1, 1:-1].std().item() == pytest.approx(1, rel=0.1)


def test_resampling_is_bilinear_inside() -> None:
    x = torch.randn(2, 3, 12, 12)
    up, down = Resample(up=True)(x), Resample(up=False)(x)
    expected = interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(up[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    expected = interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    torch.testing.assert_close(down[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    assert not Resample(up=True).state_dict()


# Projected


def test_projected_features_never_move() -> None:
    gan = build("projected")
    d = gan.discriminator
    before = {name: t.clone() for name, t in d.state_dict().items() if not name.startswith("net.")}
    shipped = load_features("mnist-v1", "cpu").state_dict()
    assert set(before) == {f"features.{n}" for n in shipped} | {n for n in before if n.startswith("mixing.")}
    d.train().requires_grad_(True)
    assert not any(part.training for part in d.features.modules())
    assert all(part.training for part in d.net.modules())
    assert all(name.startswith("net.") for name, _ in d.named_parameters())
    optimiser = torch.optim.AdamW(d.parameters(), lr=0.1, weight_decay=0.1)
    heads = {name: p.detach().clone() for name, p in d.named_parameters()}
    for _ in range(2):
        d(noise(4, 1, 28, 28)).sum().backward()
        optimiser.step()
    after = d.state_dict()
    assert all(torch.equal(after[name], t) for name, t in before.items())
    assert not any(torch.equal(after[name], t) for name, t in heads.items())
    d.double()
    assert load_features("mnist-v1", "cpu").head.weight.dtype == torch.float32  # the discriminator has a copy
    for name, t in shipped.items():
        assert torch.equal(before[f"features.{name}"], t)


def test_projected_by_hand() -> None:
    """The same logits from the feature network's layers called one by one, in float64."""
    d = build("projected", size=64, channels=3).discriminator.double().eval()
    assert d.taps == ("body.2", "body.8", "body.11")
    images = noise(2, 3, 64, 64).double()
    grey = interpolate(images.mean(1, keepdim=True), (28, 28), mode="bilinear", antialias=True)
    net = load_features("mnist-v1", "cpu")
    double = DigitNet().double().eval()
    double.load_state_dict(net.state_dict())
    large = double.body[:3](grey)
    middle = double.body[3:9](large)
    small = double.body[9:12](middle)
    across, scales = d.mixing.across_channels, d.mixing.across_scales
    c = across[2](small)
    b = across[1](middle) + interpolate(scales[1](c), scale_factor=2, mode="bilinear")
    a = across[0](large) + interpolate(scales[0](b), scale_factor=2, mode="bilinear")
    expected = sum(head(m).flatten(1).mean(1) for head, m in zip(d.net, (a, b, c), strict=True)) / 3
    torch.testing.assert_close(d(images), expected)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (64, 1), (256, 3)])
def test_projected_gradients_reach_every_pixel(size: int, channels: int) -> None:
    d = build("projected", size=size, channels=channels, width=2).discriminator
    x = noise(2, channels, size, size).requires_grad_()
    (slope,) = torch.autograd.grad(d(x).sum(), x)
    assert slope.isfinite().all()
    assert (slope != 0).float().mean() > 0.99


def test_projected_takes_other_feature_networks() -> None:
    net = SmallNet(32, 3, n_features=16, width=4)
    names = stages(net.eval().body, 32, 3)
    d = ProjectedDiscriminator(net, [f"body.{n}" for n in names], size=32, channels=3, width=4)
    assert [m.shape[1:] for m in d.maps(noise(1, 1, 28, 28))] == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]
    assert len(layers(d)) == 3
    assert d(noise(2, 1, 28, 28)).shape == (2,)
    assert not any(part._forward_hooks for part in d.modules())
    assert any(True for _ in net.parameters())  # the one given stays what it was
    with pytest.raises(ValueError, match=r"no layer of SmallNet named 'body\.99'"):
        ProjectedDiscriminator(net, ["body.99"], size=32, channels=3, width=4)
