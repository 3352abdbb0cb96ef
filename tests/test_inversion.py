"""Inversion, against generators whose inverse is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tgan_lib.features import DigitNet
from tgan_lib.gan import GAN, GANConfig
from tgan_lib.latent import invert


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Linear(nn.Module):
    """G(z) = A z + b, as a 4x4 picture."""

    def __init__(self, matrix: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(matrix.shape[1], 16), nn.Unflatten(1, (1, 4, 4)))
        self.net[0].weight.data, self.net[0].bias.data = matrix, offset

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.net(z)
        return images


class Waves(nn.Module):
    """Every pixel a sine of one z: z and z + 2 pi look alike, so there are as many valleys as periods."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(rate))

    def forward(self, z: Tensor) -> Tensor:
        half_way = torch.sin(self.rate * z) + 0.3 * z  # the slope makes one valley deeper than the others
        return half_way[:, :, None, None].expand(-1, 1, 4, 4)


def gan_of(generator: nn.Module, latent_dim: int) -> GAN:
    return GAN(generator, nn.Flatten(), GANConfig("toy", 4, 1, latent_dim, 1))


@pytest.fixture
def linear() -> GAN:
    matrix = torch.linalg.qr(normal(16, 5)).Q * torch.tensor([0.5, 1.0, 1.5, 2.0, 1.0])
    return gan_of(Linear(matrix, normal(16, seed=1)), 5)


def solution(gan: GAN, images: Tensor) -> tuple[Tensor, Tensor]:
    """Least squares: the z nearest to the images, and the mean squared difference left."""
    layer = gan.ema.net[0]  # type: ignore[index, union-attr]
    matrix, right = layer.weight.double(), (images.flatten(1) - layer.bias).double()
    z = torch.linalg.lstsq(matrix, right.T).solution.T
    return z.float(), (right - z @ matrix.T).square().mean(1).float()


def test_a_linear_generator_is_inverted_by_least_squares(linear: GAN) -> None:
    images = normal(6, 1, 4, 4, seed=2)  # not pictures that it can make
    z, losses = invert(linear, images, steps=400, restarts=2, prior_weight=0)
    expected, left = solution(linear, images)
    assert left.min() > 0.1
    torch.testing.assert_close(z, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(losses, left, atol=1e-5, rtol=0)


def test_the_latents_of_generated_images_are_found_again(linear: GAN) -> None:
    known = linear.latents(4, seed=3)
    z, losses = invert(linear, linear.sample(z=known), steps=400, restarts=2, prior_weight=0)
    torch.testing.assert_close(z, known, atol=1e-3, rtol=0)
    assert losses.max() < 1e-6
    assert z.shape == (4, 5)
    assert losses.shape == (4,)


def test_the_prior_pulls_to_the_shell_and_no_farther() -> None:
    blind = gan_of(Linear(torch.zeros(16, 9), torch.zeros(16)), 9)
    z, _ = invert(blind, torch.zeros(5, 1, 4, 4), prior_weight=1.0, restarts=1, steps=300)
    torch.testing.assert_close(z.norm(dim=1), torch.full((5,), 3.0), atol=1e-3, rtol=0)
    left, _ = invert(blind, torch.zeros(5, 1, 4, 4), prior_weight=0.0, restarts=1)
    assert torch.equal(left, normal(5, 9)), "without it nothing moves them from where they begin"


def test_a_heavier_prior_moves_a_solution_that_lies_far_out_inwards(linear: GAN) -> None:
    images = linear.sample(z=3 * linear.latents(4, seed=3))
    norms = [invert(linear, images, prior_weight=w, steps=300)[0].norm(dim=1) for w in (0.0, 0.1, 1.0)]
    assert (norms[0] > norms[1]).all()
    assert (norms[1] > norms[2]).all()
    assert (norms[2] > math.sqrt(5)).all()


def test_more_restarts_never_end_worse_and_find_deeper_valleys() -> None:
    gan = gan_of(Waves(6.0), 1)
    images = gan.sample(z=gan.latents(30, seed=4))
    losses = [invert(gan, images, restarts=r, steps=60, lr=0.02, prior_weight=0)[1] for r in (1, 3, 12)]
    assert (losses[1] <= losses[0] + 1e-6).all()
    assert (losses[2] <= losses[1] + 1e-6).all()
    wrong = [int((found > 0.01).sum()) for found in losses]  # images that ended in another valley
    assert wrong[0] > 5
    assert wrong[2] < 3


def test_a_seed_repeats_it_and_each_image_goes_its_own_way(linear: GAN) -> None:
    images = normal(3, 1, 4, 4, seed=5)
    one, again, other = (invert(linear, images, steps=5, seed=s)[0] for s in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other, atol=1e-2)
    apart = images.clone()
    apart[2] = 9.0
    torch.testing.assert_close(invert(linear, apart, steps=5, seed=0)[0][:2], one[:2])


def test_no_weight_buffer_flag_or_gradient_changes() -> None:
    gan = GAN.build("dcgan", width=4, latent_dim=6, device="cpu")
    target = gan.sample(2, seed=0)
    gan.ema.net[2].train()  # type: ignore[index, union-attr]
    weight = gan.ema.net[0].weight  # type: ignore[index, union-attr]
    weight.requires_grad_(True)  # type: ignore[operator]
    features = DigitNet()
    modules = (gan.generator, gan.ema, gan.discriminator, features)
    before = [{k: v.clone() for k, v in module.state_dict().items()} for module in modules]
    flags = [[p.requires_grad for p in m.parameters()] + [p.training for p in m.modules()] for m in modules]
    assert True in flags[1]
    with torch.no_grad():  # as a notebook may well have it
        z, _ = invert(gan, target, restarts=2, steps=3, features=features.eval())
    features.train()
    assert not z.requires_grad
    for module, state, flag in zip(modules, before, flags, strict=True):
        assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
        now = [p.requires_grad for p in module.parameters()] + [p.training for p in module.modules()]
        assert now == flag
        assert all(p.grad is None for p in module.parameters())


def test_a_dcgan_makes_its_own_pictures_again() -> None:
    gan = GAN.build("dcgan", size=16, width=8, latent_dim=6, seed=1, device="cpu")
    with torch.no_grad():
        for weight in gan.ema.parameters():
            weight *= 8 if weight.ndim > 1 else 1  # pictures with some contrast
    pictures = gan.sample(4, seed=9)
    assert pictures.std() > 0.1
    _, losses = invert(gan, pictures, steps=100, prior_weight=1e-3)
    assert losses.max() < 0.05 * pictures.var()
    as_bytes = ((pictures + 1) * 127.5).round().to(torch.uint8)
    few = [invert(gan, images, steps=2)[0] for images in (as_bytes, as_bytes / 127.5 - 1)]
    assert torch.equal(*few)


def test_the_loss_with_features_is_both_distances() -> None:
    gan = GAN.build("mlp", size=28, width=8, latent_dim=4, device="cpu")
    images, net = normal(3, 1, 28, 28).clamp(-1, 1), DigitNet().eval()
    z, losses = invert(gan, images, restarts=2, steps=3, features=net, feature_weight=0.7)
    made = gan.sample(z=z)
    with torch.no_grad():
        ours, theirs = net.features(made), net.features(images)
    pixels = (made - images).square().flatten(1).mean(1)
    expected = pixels + 0.7 * (ours - theirs).square().sum(1) / theirs.square().sum(1)
    torch.testing.assert_close(losses, expected, atol=1e-5, rtol=1e-4)
    assert (losses > pixels).all()


def test_bad_input_is_answered_in_one_sentence(linear: GAN) -> None:
    images = torch.zeros(1, 1, 4, 4)
    for call, said in [
        (
            lambda: invert(linear, torch.zeros(1, 3, 4, 4)),
            r"shape \(1, 3, 4, 4\); this GAN makes \(N, 1, 4, 4\)",
        ),
        (lambda: invert(linear, images[0]), r"shape \(1, 4, 4\)"),
        (lambda: invert(linear, images, restarts=0), "restarts is 0"),
        (lambda: invert(linear, images, steps=0), "steps is 0"),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
