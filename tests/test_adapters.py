"""Adapters: what trains and what stays bit for bit, that nothing is changed at first, that it can be kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
import torch
from torch import nn
from transferred import (
    NETWORKS,
    Method,
    free,
    images,
    same,
    settled,
    small,
    state,
    trained_a_bit,
)

from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.networks import layers
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import Run
from tgan_lib.transfer import (
    apply_methods,
    freeze_discriminator,
    freeze_generator,
    low_rank,
    merge_low_rank,
    miner,
    scale_shift,
    start_from,
    trainable,
    unfreeze,
)
from tgan_lib.transfer.adapters import LowRank, Miner, ScaleShift


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=64, device="cpu")


def frozen_layers(gan: GAN) -> GAN:
    return freeze_discriminator(freeze_generator(gan, 1), 2)


def both_low_rank(gan: GAN) -> GAN:
    return low_rank(gan, rank=2, discriminator=True)


def frozen_scale_shift(gan: GAN) -> GAN:
    return freeze_generator(freeze_discriminator(scale_shift(gan), 1), 1)


ALL: dict[str, Method] = {
    "frozen": frozen_layers,
    "scale_shift": scale_shift,
    "frozen_scale_shift": frozen_scale_shift,
    "low_rank": low_rank,
    "both_low_rank": both_low_rank,
    "miner": miner,
}


@pytest.mark.parametrize("name", ALL)
def test_what_is_frozen_stays_bit_for_bit_and_what_is_not_trains(digits: Images, name: str) -> None:
    gan = ALL[name](settled())
    before = {part: state(getattr(gan, part)) for part in ("generator", "discriminator")}
    names = {part: free(getattr(gan, part)) for part in before}
    trained_a_bit(gan, digits, steps=3)
    for part, old in before.items():
        network, new = getattr(gan, part), getattr(gan, part).state_dict()
        for key, parameter in network.named_parameters():
            # A's gradient is 0 until B has moved, which takes one step
            assert torch.equal(old[key], new[key]) == (key not in names[part]), key
            assert parameter.requires_grad == (key in names[part])
        for key, module in network.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                moves = module.weight.requires_grad
                assert module.training == moves
                for buffer in ("running_mean", "running_var", "num_batches_tracked"):
                    assert torch.equal(old[f"{key}.{buffer}"], new[f"{key}.{buffer}"]) == (not moves)
    run = Run(gan, digits, Settings(batch_size=8))
    for optimiser, network in ((run.g_optimiser, gan.generator), (run.d_optimiser, gan.discriminator)):
        given = [p for group in optimiser.param_groups for p in group["params"]]
        assert {id(p) for p in given} == {id(p) for p in network.parameters() if p.requires_grad}


# Scale and shift


@pytest.mark.parametrize("network", ["dcgan", "dcgan_2016"])
def test_scale_and_shift_are_the_norms_own_where_there_are_norms(network: str) -> None:
    gan = scale_shift(small(network))
    norms = {name for name, m in gan.generator.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert free(gan.generator) == {f"{name}.{part}" for name in norms for part in ("weight", "bias")}
    assert len(free(gan.generator)) == 4
    assert gan.generator.state_dict().keys() == small(network).generator.state_dict().keys()
    assert all(p.requires_grad for p in gan.discriminator.parameters())


def test_scale_and_shift_are_added_where_there_is_no_norm() -> None:
    gan = scale_shift(small("mlp"))
    net = gan.generator.net
    for i, channels in ((0, 4), (2, 8), (4, 16)):  # the last layer paints pixels, and stays
        assert isinstance(net[i][0], nn.Linear)
        assert net[i][1].scale.shape == net[i][1].shift.shape == (channels,)
    assert isinstance(net[6], nn.Linear)
    assert trainable(gan)["generator"]["trainable"] == 2 * (4 + 8 + 16)
    # behind a reshape, since channels are what it makes
    gan = scale_shift(small("dcgan", generator_norm="none"))
    assert isinstance(gan.generator.net[1][0], nn.Unflatten)
    assert gan.generator.net[1][1].scale.shape == (8,)
    assert isinstance(gan.generator.net[3][0], nn.ConvTranspose2d)
    assert trainable(gan)["generator"]["trainable"] == 2 * (8 + 4)


def test_scale_and_shift_are_for_each_channel() -> None:
    layer = ScaleShift(3)
    with torch.no_grad():
        layer.scale.copy_(torch.tensor([1.0, 2.0, 3.0]))
        layer.shift.copy_(torch.tensor([0.0, -1.0, 5.0]))
    x = torch.randn(2, 3, 4, 4)
    for c, (s, b) in enumerate([(1, 0), (2, -1), (3, 5)]):
        torch.testing.assert_close(layer(x)[:, c], s * x[:, c] + b)
        torch.testing.assert_close(layer(x[:, :, 0, 0])[:, c], s * x[:, c, 0, 0] + b)


# What changes the structure changes no output, and can be loaded


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("network", NETWORKS)
def test_no_method_changes_what_is_computed(network: str, name: str) -> None:
    gan = settled(network)
    x = torch.randn(3, 1, 16, 16)
    gan.discriminator.eval()
    before, logits = images(gan), gan.discriminator(x)
    ALL[name](gan)
    assert torch.equal(images(gan), before)
    assert torch.equal(gan.sample(5, seed=0), before)  # the average began anew
    gan.discriminator.eval()
    assert torch.equal(gan.discriminator(x), logits)
    assert not any(p.requires_grad for p in gan.ema.parameters())
    assert isinstance(gan.generator.net, nn.Sequential)
    assert layers(gan.generator)
    assert len(layers(gan.generator)) == len(layers(small(network).generator)) + (name == "miner")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("network", ["mlp", "dcgan_2016", "resnet"])
def test_an_adapted_gan_is_saved_and_loaded(digits: Images, network: str, name: str) -> None:
    gan = trained_a_bit(ALL[name](start_from(settled(network))), digits)
    fresh = GAN.build(**gan.config.as_dict(), seed=9, device="cpu")
    apply_methods(fresh, json.loads(json.dumps(gan.methods)))
    assert fresh.methods == gan.methods
    for part, module in gan.modules().items():
        getattr(fresh, part).load_state_dict(module.state_dict())
    assert torch.equal(images(fresh), images(gan))
    assert torch.equal(fresh.sample(5, seed=0), gan.sample(5, seed=0))
    for part in ("generator", "discriminator"):
        assert free(getattr(fresh, part)) == free(getattr(gan, part))
    assert torch.equal(copy.deepcopy(gan).sample(5, seed=0), gan.sample(5, seed=0))


# Low rank


@pytest.mark.parametrize("network", NETWORKS)
def test_low_rank_changes_weights_by_a_matrix_of_that_rank(digits: Images, network: str) -> None:
    source = settled(network)
    gan = trained_a_bit(low_rank(copy.deepcopy(source), rank=2), digits, steps=3)
    originals = dict(source.generator.named_parameters())
    changed = 0
    for name, module in gan.generator.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            change = (module.weight - originals[f"{name}.weight"]).detach().flatten(1)
            adapter = module.parametrizations.weight[0]
            rows, columns = change.shape
            assert adapter.a.shape == (min(2, rows, columns), columns)
            assert adapter.b.shape == (rows, min(2, rows, columns))
            torch.testing.assert_close(change, (adapter.b @ adapter.a).detach(), rtol=1e-3, atol=1e-6)
            assert torch.linalg.matrix_rank(change.double(), rtol=1e-3) <= 2
            changed += change.abs().max().item() > 0
    assert changed == sum(isinstance(m, LowRank) for m in gan.generator.modules())
    assert changed >= 3


@pytest.mark.parametrize("method", [low_rank, miner])
def test_adapters_are_drawn_from_their_seed_alone(method: Callable[..., GAN]) -> None:
    before = torch.get_rng_state()
    one, two, other = method(small()), method(small()), method(small(), seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert same(state(one.generator), state(two.generator))
    assert not same(state(one.generator), state(other.generator))


def test_the_factor_a_has_variance_one_over_columns() -> None:
    wide = LowRank(3, 10000, 2)
    assert wide.a.var().item() == pytest.approx(1 / 10000, rel=0.1)


def test_a_spectral_norm_is_that_of_the_adapted_weight() -> None:
    gan = small("resnet")
    module = gan.discriminator.train().net[-1]
    estimates = [b.clone() for name, b in gan.discriminator.named_buffers() if name.endswith("_u")]
    low_rank(gan, generator=False, discriminator=True)
    after = [b for name, b in gan.discriminator.named_buffers() if name.endswith("_u")]
    assert all(torch.equal(a, b) for a, b in zip(estimates, after, strict=True))
    with torch.no_grad():
        module.parametrizations.weight[0].b.normal_()
        gan.discriminator.train()
        for _ in range(30):
            module(torch.zeros(1, module.in_features))
    assert torch.linalg.matrix_norm(module.weight, 2).item() == pytest.approx(1, rel=1e-3)
    assert all(p.requires_grad for p in gan.generator.parameters())


@pytest.mark.parametrize("network", NETWORKS)
def test_merged_low_rank_is_a_plain_gan_with_the_same_outputs(digits: Images, network: str) -> None:
    gan = trained_a_bit(both_low_rank(settled(network)), digits, steps=3)
    apart = copy.deepcopy(gan)
    x = torch.randn(3, 1, 16, 16)
    gan.discriminator.eval()
    before, average, logits = images(gan), gan.sample(5, seed=0), gan.discriminator(x)
    assert merge_low_rank(gan) is gan
    torch.testing.assert_close(images(gan), before, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gan.sample(5, seed=0), average, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gan.discriminator(x), logits, rtol=1e-5, atol=1e-6)
    plain = small(network)
    for name, module in gan.modules().items():
        assert module.state_dict().keys() == plain.modules()[name].state_dict().keys()
        assert all(p.requires_grad == (name != "ema") for p in module.parameters())
    assert type(gan.generator.net[-2]) is type(plain.generator.net[-2])
    assert torch.equal(images(apart), before)  # a copy goes on with its adapters
    with pytest.raises(ValueError, match="no low-rank adapters to merge"):
        merge_low_rank(gan)
    replayed = apply_methods(small(network), gan.methods)
    assert replayed.generator.state_dict().keys() == gan.generator.state_dict().keys()
    trained_a_bit(gan, digits)


# The miner


def test_a_miner_moves_latents_before_a_generator_that_stays(digits: Images) -> None:
    source = settled()
    gan = trained_a_bit(miner(copy.deepcopy(source), hidden=5), digits)
    assert gan.methods == [{"name": "miner", "hidden": 5, "seed": 0}]
    first = gan.generator.net[0]
    assert isinstance(first, Miner)
    assert [tuple(p.shape) for p in first.parameters()] == [(5, 6), (5,), (6, 5), (6,)]
    assert free(gan.generator) == {f"net.0.{name}" for name, _ in first.named_parameters()}
    z = gan.latents(5, seed=0)
    mined = first(z).detach()
    assert not torch.equal(mined, z)
    assert torch.equal(images(gan), source.sample(z=mined, ema=False))
    assert len(layers(gan.generator)) == 4
    unfreeze(gan)
    before = state(gan.generator)
    trained_a_bit(gan, digits)
    assert not any(torch.equal(before[n], p) for n, p in gan.generator.named_parameters())


# Counts, order, names
