"""What DCGAN and the ResNet claim for themselves: guidelines that can be left out, and a bound on singular values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate
from torch.nn.utils.parametrize import is_parametrized

from tgan_lib.gan import GAN
from tgan_lib.networks import DCGANDiscriminator, count_parameters
from tgan_lib.networks.parts import Dense, Residual


def build(network: str, size: int = 28, channels: int = 1, width: int = 8, **options: Any) -> GAN:
    return GAN.build(
        network, size=size, channels=channels, latent_dim=5, width=width, device="cpu", **options
    )


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def count(module: nn.Module, *kinds: type[nn.Module]) -> int:
    return sum(isinstance(m, kinds) for m in module.modules())


# DCGAN


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


@pytest.mark.parametrize(
    ("network", "g_sum", "d_sum"),
    [
        ("dcgan", 860.4781103652, 47.6901392870),
        ("dcgan_2016", 855.8404592584, 61.7918403994),
        ("mlp", 2405.3955902968, 242.7395725722),
    ],
)
def test_weights_and_names_stay_what_they_were(network: str, g_sum: float, d_sum: float) -> None:
    """Sums of |w| at seed 0 and names, both from before the options came: published files still fit."""
    gan = GAN.build(network, width=8, seed=0, device="cpu")
    for module, before in ((gan.generator, g_sum), (gan.discriminator, d_sum)):
        now = sum(p.detach().double().abs().sum().item() for p in module.parameters())
        assert now == pytest.approx(before, rel=1e-6)
    if network == "dcgan":
        norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        names = ["net.0.weight", *(f"net.2.{n}" for n in norm), "net.4.weight", *(f"net.5.{n}" for n in norm)]
        assert list(gan.generator.state_dict()) == [*names, "net.7.weight", "net.7.bias"]
        d_names = [f"net.{i}.{n}" for i in (0, 2, 5) for n in ("weight", "bias")]
        assert list(gan.discriminator.state_dict()) == d_names


def test_a_norm_in_d_is_the_one_asked_for() -> None:
    plain, batch, spectral = (build("dcgan", norm=n).discriminator for n in ("none", "batch", "spectral"))
    x = noise(4, 1, 28, 28)
    torch.testing.assert_close(plain(x)[:1], plain(x[:1]))
    assert not torch.allclose(batch(x)[:1], batch(x[:1]))
    assert (count(plain, nn.BatchNorm2d), count(batch, nn.BatchNorm2d)) == (0, 1)
    normalised = [m for m in spectral.modules() if is_parametrized(m)]
    assert len(normalised) == count(spectral, nn.Conv2d, nn.Linear) == 3
    assert count(build("dcgan_2016", norm="none").discriminator, nn.BatchNorm2d) == 0


def test_residual_and_dense_blocks_pass_their_input_on() -> None:
    options = {"size": 64, "channels": 1, "width": 8}
    residual = DCGANDiscriminator(**options, blocks="residual").net
    dense = DCGANDiscriminator(**options, blocks="dense").net
    plain = DCGANDiscriminator(**options).net
    assert (count(residual, Residual), count(dense, Dense), count(plain, Residual, Dense)) == (3, 3, 0)
    x = plain[:2](noise(2, 1, 64, 64))
    block = next(m for m in residual if isinstance(m, Residual))
    pooled, skip = avg_pool2d(x, 2), block.skip[1].weight[:, :, 0, 0]
    added = torch.einsum("oc,nchw->nohw", skip, pooled)
    torch.testing.assert_close(block(x), block.main(x) + added, atol=1e-6, rtol=1e-5)
    joined = next(m for m in dense if isinstance(m, Dense))(x)
    assert torch.equal(joined[:, :8], pooled)
    assert joined.shape == block(x).shape == plain[2:4](x).shape == (2, 16, 16, 16)
    weights = [
        sum(p.numel() for n, p in net.named_parameters() if "bias" not in n) for net in (plain, residual)
    ]
    assert weights[1] - weights[0] == 8 * 16 + 16 * 32 + 32 * 64  # the 1x1 convolutions


def test_dropout_and_pooling() -> None:
    dropping = build("dcgan", dropout=0.5).discriminator
    x = noise(2, 1, 28, 28)
    assert count(dropping, nn.Dropout) == 2
    assert not torch.equal(dropping.train()(x), dropping(x))
    assert torch.equal(dropping.eval()(x), dropping(x))
    pooling = build("dcgan", pooling=True).discriminator
    assert count(pooling, nn.MaxPool2d) == 2
    assert all(m.stride == (1, 1) for m in pooling.modules() if isinstance(m, nn.Conv2d))


def test_each_guideline_of_g_can_be_left_out() -> None:
    z = noise(3, 5)
    bare = build("dcgan", generator_norm="none").generator
    assert count(bare, nn.BatchNorm2d) == 0
    assert bare.net[0].bias is not None
    torch.testing.assert_close(bare(z)[:1], bare(z[:1]))
    assert count(build("dcgan", generator_activation="leaky").generator, nn.LeakyReLU) == 2
    assert count(build("dcgan", generator_activation="leaky").generator, nn.ReLU) == 0
    nearest = build("dcgan", upsampling="nearest").generator
    assert (count(nearest, nn.ConvTranspose2d), count(nearest, nn.Upsample)) == (0, 2)
    loud = {output: build("dcgan", output=output).generator for output in ("tanh", "sigmoid", "linear")}
    for generator in loud.values():
        with torch.no_grad():
            generator.net[7].weight.mul_(1000)
    images = {output: generator(z) for output, generator in loud.items()}
    for output, low in (("tanh", -1), ("sigmoid", 0)):
        assert (images[output].min().item(), images[output].max().item()) == pytest.approx((low, 1), abs=0.01)
    torch.testing.assert_close(images["tanh"], images["linear"].tanh())
    assert images["linear"].abs().max() > 2
    ours, torchs = (build("dcgan", init=i).generator.net[4].weight.std() for i in ("dcgan", "default"))
    assert ours.item() == pytest.approx(0.02, rel=0.05)
    assert torchs.item() == pytest.approx(1 / (3 * 8 * 16) ** 0.5, rel=0.05)  # U(-b, b), b = 1/sqrt(fan-in)


@pytest.mark.parametrize(
    ("network", "options", "sentence"),
    [
        (
            "dcgan",
            {"norm": "bach"},
            r"no norm named 'bach' \(did you mean 'batch'\?\); known: batch, none, spec",
        ),
        ("dcgan", {"blocks": "resnet"}, "no blocks named 'resnet'.*known: dense, plain, residual"),
        ("dcgan", {"generator_norm": "spectral"}, "no generator_norm named 'spectral'; known: batch, none"),
        ("dcgan", {"generator_activation": "elu"}, "no generator_activation named 'elu'"),
        ("dcgan", {"upsampling": "bilinear"}, "no upsampling named 'bilinear'; known: nearest, transposed"),
        ("dcgan", {"output": "relu"}, "no output named 'relu'; known: linear, sigmoid, tanh"),
        ("dcgan", {"init": "he"}, "no init named 'he'; known: dcgan, default"),
        ("dcgan", {"dropout": 1.0}, "dropout is 1.0; a number from 0 to below 1"),
        ("dcgan", {"pooling": "max"}, "pooling is 'max'; True or False"),
        ("resnet", {"norm": "batch"}, "no norm named 'batch'; known: none, spectral"),
        ("modern", {"output": "relu"}, "no output named 'relu'"),
        ("modern", {"blocks": 0}, r"blocks is 0; a whole number \(int\) from 1"),
        ("modern", {"expansion": 1.5}, "expansion is 1.5; a whole number"),
        (
            "modern",
            {"cardinality": 3},
            r"cardinality is 3, which does not divide the 16 channels inside a block",
        ),
        (
            "projected",
            {"features": "mnist"},
            r"no feature network named 'mnist' \(did you mean 'mnist-v1'\?\)",
        ),
    ],
)
def test_bad_options_are_refused(network: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        build(network, **options)


# Spectral norm


@pytest.mark.parametrize(
    ("network", "options"),
    [("resnet", {}), ("projected", {}), ("dcgan", {"norm": "spectral", "blocks": "residual", "size": 32})],
)
def test_the_largest_singular_value_is_one(network: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)  # iteration is slow on a draw whose two largest values are close
    gan = build(network, **options)
    discriminator = gan.discriminator.train()
    maps = [m for m in discriminator.net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        for module in maps:  # far from what it was when normalised first
            module.parametrizations.weight.original.copy_(torch.randn_like(module.weight))
        for _ in range(300):
            for module in maps:
                _ = module.weight  # an access is an iteration, as in a forward
        discriminator.eval()
        for module in maps:
            top = torch.linalg.matrix_norm(module.weight.double().flatten(1), ord=2)
            assert top.item() == pytest.approx(1, abs=2e-3)


def test_one_power_iteration_a_forward_and_none_in_eval_mode() -> None:
    discriminator = build("resnet").discriminator
    layer = next(m for m in discriminator.modules() if isinstance(m, nn.Conv2d) and m.out_channels > 4)
    norm = layer.parametrizations.weight[0]
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(torch.randn_like(layer.weight))
    matrix = layer.parametrizations.weight.original.detach().flatten(1)
    u, v = norm._u.clone(), norm._v.clone()
    discriminator.eval()(noise(2, 1, 28, 28))
    assert torch.equal(norm._u, u)
    discriminator.train()(noise(2, 1, 28, 28))
    u = matrix @ v / (matrix @ v).norm()
    v = matrix.T @ u / (matrix.T @ u).norm()
    torch.testing.assert_close(norm._u, u)
    torch.testing.assert_close(norm._v, v)


def test_resnet_blocks_by_hand() -> None:
    """Skips resample after their 1x1 convolution or before it, whichever is cheaper: the map is the same."""
    gan = build("resnet", norm="none")
    up = next(m for m in gan.generator.modules() if isinstance(m, Residual)).eval()
    x = torch.randn(2, 32, 7, 7)
    upsampled = up.skip[0](interpolate(x, scale_factor=2))
    torch.testing.assert_close(up(x), up.main(x) + upsampled)
    first, down, last, _, pool, linear = gan.discriminator.net
    h = noise(2, 1, 28, 28)
    for block, reads_pixels in ((first, True), (down, False)):
        a, b = (m for m in block.main if isinstance(m, nn.Conv2d))
        main = b(a(h if reads_pixels else h.relu()).relu())
        h = avg_pool2d(main, 2) + avg_pool2d(block.skip[1](h), 2)
    a, b = (m for m in last.main if isinstance(m, nn.Conv2d))
    h = h + b(a(h.relu()).relu())
    assert pool(h).shape == (2, 16)
    logits = torch.einsum("nchw,c->n", h.relu(), linear.weight[0]) + linear.bias
    torch.testing.assert_close(gan.discriminator(noise(2, 1, 28, 28)), logits, atol=1e-5, rtol=1e-4)


def test_resnet_parameters_by_hand() -> None:
    gan = build("resnet", size=32, channels=3, width=8)
    ups = sum(2 * a + 9 * a * b + 2 * b + 9 * b * b + b + a * b for a, b in ((64, 32), (32, 16), (16, 8)))
    ends = 6 * 64 * 16 + 2 * 8 + 9 * 8 * 3 + 3  # linear with bias (5 + 1), norm, convolution with bias
    assert count_parameters(gan.generator) == ups + ends
    downs = sum(9 * a * a + a + 9 * a * b + b + a * b for a, b in ((8, 16), (16, 32)))
    first, last, head = 9 * 3 * 8 + 8 + 9 * 8 * 8 + 8 + 3 * 8, 2 * (9 * 32 * 32 + 32), 32 + 1
    assert count_parameters(gan.discriminator) == first + downs + last + head
