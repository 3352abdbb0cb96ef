"""Shapes, ranges and starting weights of the networks, and the GAN that holds them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tgan_lib.gan import GAN
from tgan_lib.networks import NETWORKS, DCGANDiscriminator, count_parameters, dcgan_start


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (64, 3)])
def test_images_go_out_and_logits_come_back(network: str, size: int, channels: int) -> None:
    gan = GAN.build(network, size=size, channels=channels, latent_dim=5, width=8, device="cpu")
    images = gan.generator(gan.latents(3, seed=0))
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert gan.discriminator(images).shape == (3,)
    assert gan.generator(gan.latents(2)).requires_grad
    assert not gan.ema(gan.latents(2)).requires_grad


@pytest.mark.parametrize(
    ("size", "expected"),
    [(16, (4, 2)), (28, (7, 2)), (32, (4, 3)), (56, (7, 3)), (64, (4, 4)), (256, (4, 6))],
)
def test_dcgan_sizes(size: int, expected: tuple[int, int]) -> None:
    assert dcgan_start(size) == expected


@pytest.mark.parametrize("size", [1, 4, 7, 8, 30, 33])
def test_a_size_that_no_doubling_reaches_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"cannot make {size} px images"):
        dcgan_start(size)


def test_dcgan_parameters_by_hand() -> None:
    gan = GAN.build("dcgan", device="cpu")
    stem, up, out = 64 * 128 * 49, 128 * 64 * 16, 64 * 16 + 1
    assert count_parameters(gan.generator) == stem + 2 * 128 + up + 2 * 64 + out
    down1, down2, head = 64 * 16 + 64, 64 * 128 * 16, 128 * 49 + 1
    assert count_parameters(gan.discriminator) == down1 + down2 + 128 + head
    published = GAN.build("dcgan_2016", device="cpu")  # a norm's scale and shift in place of a bias
    assert count_parameters(published.discriminator) == down1 + down2 + 2 * 128 + head


def test_dcgan_starting_weights() -> None:
    gan = GAN.build("dcgan", size=64, channels=3, device="cpu")
    for module in (*gan.generator.modules(), *gan.discriminator.modules()):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.weight.numel() > 10_000:
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)


def test_discriminator_without_batch_norm_judges_each_image_alone() -> None:
    torch.manual_seed(0)
    plain = DCGANDiscriminator(28, 1, 8)
    x = torch.randn(4, 1, 28, 28)
    torch.testing.assert_close(plain(x)[:1], plain(x[:1]))
    normed = DCGANDiscriminator(28, 1, 8, batch_norm=True)
    assert not torch.allclose(normed(x)[:1], normed(x[:1]))


def test_build_is_seeded_and_leaves_the_global_random_state_alone() -> None:
    state = torch.get_rng_state()
    a, b, c = (GAN.build("mlp", width=8, seed=s, device="cpu") for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    z = a.latents(2, seed=0)
    assert torch.equal(a.generator(z), b.generator(z))
    assert not torch.equal(a.generator(z), c.generator(z))


def test_sampling_is_seeded_batchwise_equal_and_restores_the_mode() -> None:
    gan = GAN.build("dcgan", width=8, device="cpu")
    gan.generator.train()
    torch.testing.assert_close(
        gan.sample(7, seed=1), gan.sample(7, seed=1, batch_size=2), atol=1e-6, rtol=1e-5
    )
    gan.sample(2, ema=False)
    assert gan.generator.training
    assert not gan.ema.training
    torch.testing.assert_close(
        gan.sample(z=torch.ones(2, 64), truncation=0.0), gan.sample(z=torch.zeros(2, 64))
    )


def test_plain_errors() -> None:
    gan = GAN.build("mlp", width=8, latent_dim=4, device="cpu")
    with pytest.raises(ValueError, match=r"latents have shape \(2, 5\); this GAN takes \(n, 4\)"):
        gan.sample(z=torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"sample\(16\)"):
        gan.sample()
    with pytest.raises(ValueError, match=r"no network named 'dcgn' \(did you mean 'dcgan'\?\)"):
        GAN.build("dcgn")
