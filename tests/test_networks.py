"""What every network keeps to, whatever is in it: shapes, ranges, layers, gradients, seeds, copies, refusals."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tgan_lib import zoo
from tgan_lib.features import load
from tgan_lib.gan import GAN
from tgan_lib.networks import NETWORKS, WIDTHS, count_parameters, dcgan_start, layers

# Every discriminator there is: a network's name and its options.
DISCRIMINATORS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in NETWORKS),
    ("dcgan", {"norm": "spectral"}),
    ("dcgan", {"blocks": "residual", "norm": "batch"}),
    ("dcgan", {"blocks": "dense", "norm": "spectral"}),
    ("dcgan", {"pooling": True, "dropout": 0.2}),
    ("conv", {"minibatch_std": 2}),
    ("resnet", {"norm": "none"}),
    ("modern", {"blocks": 2, "cardinality": 1}),
]
every_discriminator = pytest.mark.parametrize(("network", "options"), DISCRIMINATORS)


def build(network: str, size: int = 28, channels: int = 1, seed: int = 0, **options: Any) -> GAN:
    return GAN.build(
        network, size=size, channels=channels, latent_dim=5, width=8, seed=seed, device="cpu", **options
    )


def noise(n: int, size: int = 28, channels: int = 1) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_every_network_has_a_width() -> None:
    assert set(WIDTHS) == set(NETWORKS)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (28, 3), (32, 1), (32, 3), (64, 1), (64, 3)])
def test_images_go_out_and_logits_come_back(network: str, size: int, channels: int) -> None:
    gan = build(network, size, channels)
    images = gan.generator(gan.latents(3, seed=0))
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert gan.discriminator(images).shape == (3,)
    assert gan.generator(gan.latents(2)).requires_grad
    assert not gan.ema(gan.latents(2)).requires_grad


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [16, 56, 128, 256])
def test_other_sizes(network: str, size: int) -> None:
    gan = GAN.build(network, size=size, channels=3, latent_dim=4, width=2, device="cpu")
    images = gan.sample(1, seed=0)
    assert images.shape == (1, 3, size, size)
    assert gan.discriminator.eval()(images).isfinite().all()


@every_discriminator
def test_a_batch_of_one_is_a_batch(network: str, options: dict[str, Any]) -> None:
    discriminator = build(network, **options).discriminator.train()
    assert discriminator(noise(1)).shape == (1,)
    assert discriminator(noise(1)).isfinite().all()


@every_discriminator
def test_each_image_is_judged_alone_unless_a_batch_is_compared(network: str, options: dict[str, Any]) -> None:
    if "minibatch_std" in options:
        pytest.skip("it compares the images of a batch: test_minibatch_std")
    discriminator = build(network, **options).discriminator.eval()
    x = noise(4)
    torch.testing.assert_close(discriminator(x)[1:2], discriminator(x[1:2]), atol=1e-6, rtol=1e-5)


@every_discriminator
def test_layers_share_out_every_trained_parameter(network: str, options: dict[str, Any]) -> None:
    gan = build(network, **options)
    for module in (gan.generator, gan.discriminator):
        shared_out = [p for layer in layers(module) for part in layer for p in part.parameters()]
        assert len(shared_out) == len(set(map(id, shared_out)))
        assert set(map(id, shared_out)) == {id(p) for p in module.parameters() if p.requires_grad}
        assert len(layers(module)) >= 3


@every_discriminator
def test_the_gradient_of_a_gradient_penalty(network: str, options: dict[str, Any]) -> None:
    """R1's derivative along a random direction in D's weights, against a central difference, in float64."""
    discriminator = build(network, **options).discriminator.double().eval()
    x = noise(2).double().requires_grad_()
    rng = torch.Generator().manual_seed(1)
    weights = [p for p in discriminator.parameters() if p.requires_grad]
    along = [torch.randn(p.shape, generator=rng, dtype=torch.float64) * p.abs().mean() for p in weights]

    def penalty() -> torch.Tensor:
        (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
        return slope.square().flatten(1).sum(1).mean() / 2

    def moved(step: float) -> torch.Tensor:
        with torch.no_grad():
            for p, d in zip(weights, along, strict=True):
                p.add_(d, alpha=step)
        return penalty().detach()

    found = torch.autograd.grad(penalty(), weights, allow_unused=True)  # a last bias has no part in it
    exact = sum((g * d).sum() for g, d in zip(found, along, strict=True) if g is not None)
    step = 1e-7
    difference = (moved(step) - moved(-2 * step)) / (2 * step)
    assert exact.abs() > 0
    torch.testing.assert_close(difference, exact, rtol=1e-4, atol=0)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_seed_is_the_same_weights(network: str) -> None:
    state = torch.get_rng_state()
    load._load.cache_clear()  # the projected D's features are loaded now, and found again the second time
    a, b, c = (build(network, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for one, same, other in zip(
        a.modules().values(), b.modules().values(), c.modules().values(), strict=True
    ):
        for p, q in zip(one.state_dict().values(), same.state_dict().values(), strict=True):
            assert torch.equal(p, q)
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        assert any(not torch.equal(p, q) for p, q in pairs)


@every_discriminator
def test_copies_and_state_dicts_judge_alike(network: str, options: dict[str, Any]) -> None:
    gan, other = build(network, **options), build(network, seed=1, **options)
    gan.discriminator.train()(noise(4))  # so that buffers have moved
    gan.generator.train()(gan.latents(4, seed=0))
    z, x = gan.latents(2, seed=3), noise(2)
    other.generator.load_state_dict(gan.generator.state_dict())
    other.discriminator.load_state_dict(gan.discriminator.state_dict())
    for g in (copy.deepcopy(gan.generator), other.generator):
        assert torch.equal(g.eval()(z), gan.generator.eval()(z))
    for d in (copy.deepcopy(gan.discriminator), other.discriminator):
        assert torch.equal(d.eval()(x), gan.discriminator.eval()(x))
    copied = copy.deepcopy(gan.discriminator)  # on its own from now on
    before = gan.discriminator(x)
    copied.train()(noise(4))
    with torch.no_grad():
        for p in copied.parameters():
            p.zero_()
    assert torch.equal(gan.discriminator(x), before)


@every_discriminator
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(network: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    gan = build(network, **options).to(device)
    gan.discriminator.eval()  # no dropout, and no step of spectral norm between the two
    z = gan.latents(8, seed=0)
    with torch.no_grad():
        images = gan.generator(z)
        logits = gan.discriminator(images)
    with torch.autocast(device, dtype):
        rough = gan.generator(z)
        judged = gan.discriminator(rough)
    judged.float().sum().backward()
    assert (rough.float() - images).abs().max() < 0.1
    assert (judged.float() - logits).abs().max() < 0.1 * (1 + logits.abs().max())
    for p in (*gan.generator.parameters(), *gan.discriminator.parameters()):
        assert p.grad is None or p.grad.isfinite().all()


@every_discriminator
def test_a_config_builds_the_same_gan_again(network: str, options: dict[str, Any]) -> None:
    gan = build(network, **options)
    again = GAN.build(**json.loads(json.dumps(gan.config.as_dict())), device="cpu")
    assert again.config == gan.config
    x = noise(2)
    assert torch.equal(again.discriminator.eval()(x), gan.discriminator.eval()(x))


@every_discriminator
def test_a_published_file_has_it_all(network: str, options: dict[str, Any], tmp_path: Path) -> None:
    gan = build(network, seed=3, **options)
    gan.discriminator.train()(noise(4))
    again = zoo.read(tmp_path / "it.safetensors", zoo.write(tmp_path / "it", gan, {}), device="cpu")
    x = gan.sample(2, seed=0)
    torch.testing.assert_close(
        again.sample(2, seed=0), x, atol=5e-3, rtol=0
    )  # what half precision rounds off
    logits = gan.discriminator.eval()(x)
    torch.testing.assert_close(again.discriminator.eval()(x), logits, atol=5e-3, rtol=5e-3)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(16, (4, 2)), (28, (7, 2)), (32, (4, 3)), (56, (7, 3)), (64, (4, 4)), (256, (4, 6))],
)
def test_where_a_size_starts(size: int, expected: tuple[int, int]) -> None:
    assert dcgan_start(size) == expected


@pytest.mark.parametrize("size", [1, 4, 7, 8, 30, 33])
def test_a_size_that_no_doubling_reaches_is_refused(size: int) -> None:
    for network in sorted(set(NETWORKS) - {"mlp"}):
        with pytest.raises(ValueError, match=f"cannot make {size} px images; sizes that work are 16, 28"):
            GAN.build(network, size=size, width=4, device="cpu")


@pytest.mark.parametrize("network", NETWORKS)
def test_an_unknown_option_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=f"no option of the network '{network}' named 'colour'"):
        build(network, colour="red")


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


def test_frozen_parameters_are_not_counted() -> None:
    gan = build("mlp")
    assert count_parameters(gan.generator) == sum(p.numel() for p in gan.generator.parameters())
    first = next(m for m in gan.generator.modules() if isinstance(m, nn.Linear)).requires_grad_(False)
    trained = sum(p.numel() for p in gan.generator.parameters()) - 5 * 8 - 8
    assert first.weight.shape == (8, 5)
    assert count_parameters(gan.generator) == trained
