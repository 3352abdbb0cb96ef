"""Transfer methods: what starts where, what trains, what stays bit for bit, and that it can be saved and loaded."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tgan_lib.data import Images, load
from tgan_lib.device import training_mode
from tgan_lib.gan import GAN
from tgan_lib.networks import layers
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import Run
from tgan_lib.training.train import train
from tgan_lib.transfer import (
    METHODS,
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

NETWORKS = ("mlp", "dcgan", "dcgan_2016", "resnet", "modern")
Method = Callable[[GAN], GAN]


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=64, device="cpu")


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


# Start from a source


@pytest.mark.parametrize("network", [*NETWORKS, "projected"])
def test_an_unchanged_gan_starts_as_its_source(network: str) -> None:
    source = settled(network) if network != "projected" else small(network)
    before = {name: state(m) for name, m in source.modules().items()}
    target = start_from(source, seed=7)
    assert same(state(target.generator), before["ema"])
    assert same(state(target.discriminator), before["discriminator"])
    assert same(state(target.ema), before["ema"])
    total = sum(t.numel() for part in ("ema", "discriminator") for t in before[part].values())
    parts = {"generator": True, "discriminator": True, "average": True}
    assert target.methods == [{"name": "start_from", **parts, "copied": total, "of": total}]
    assert target.config == source.config
    with torch.no_grad():
        for m in target.modules().values():
            for p in m.parameters():
                p.add_(1)
    assert all(same(state(m), before[name]) for name, m in source.modules().items())
    assert all(p.requires_grad for m in (target.generator, target.discriminator) for p in m.parameters())


@pytest.mark.parametrize(("generator", "discriminator"), [(True, False), (False, True), (False, False)])
def test_a_part_that_is_not_taken_starts_fresh_from_the_seed(generator: bool, discriminator: bool) -> None:
    source, fresh = settled(), small(seed=7)
    target = start_from(source, generator=generator, discriminator=discriminator, average=False, seed=7)
    taken = source if generator else fresh
    assert same(state(target.generator), state(taken.generator))
    assert same(state(target.ema), state(taken.generator))
    assert same(state(target.discriminator), state((source if discriminator else fresh).discriminator))
    of_g, of_d = (sum(t.numel() for t in state(m).values()) for m in (fresh.generator, fresh.discriminator))
    assert target.methods[0]["copied"] == generator * of_g + discriminator * of_d


def test_growing_at_half_the_width_keeps_all_but_the_outermost_layers() -> None:
    source = settled(size=16, width=8)
    target = start_from(source, size=32, width=4, seed=7)
    fresh = small(size=32, width=4, seed=7)
    g, d = target.generator, target.discriminator
    assert [len(layers(m)) for m in (source.generator, g, source.discriminator, d)] == [3, 4, 3, 4]
    copied = 0
    for i in (0, 1):  # from the latent
        assert same(layer_state(g, i), layer_state(source.ema, i))
        copied += sum(t.numel() for t in layer_state(g, i).values())
    for i in (2, 3):
        assert same(layer_state(g, i), layer_state(fresh.generator, i))
    for i in (-1, -2):  # from the logit
        assert same(layer_state(d, i), layer_state(source.discriminator, i))
        copied += sum(t.numel() for t in layer_state(d, i).values())
    for i in (0, 1):
        assert same(layer_state(d, i), layer_state(fresh.discriminator, i))
    assert target.methods[0]["copied"] == copied
    assert target.methods[0]["of"] == sum(t.numel() for m in (g, d) for t in m.state_dict().values())
    assert target.sample(2).shape == (2, 1, 32, 32)


def test_growing_at_the_same_width_keeps_the_layers_at_the_pixels() -> None:
    source = settled()
    target = start_from(source, size=32)
    for i in (-1, -2):
        assert same(layer_state(target.generator, i), layer_state(source.ema, i))
    for i in (0, 1):
        assert same(layer_state(target.discriminator, i), layer_state(source.discriminator, i))


def test_a_layer_is_taken_whole_or_not_at_all() -> None:
    source, fresh = settled(), small(latent_dim=9, seed=7)
    target = start_from(source, latent_dim=9, seed=7)
    # the first layer's norm would fit, and is of no use to another linear map
    assert same(layer_state(target.generator, 0), layer_state(fresh.generator, 0))
    assert same(layer_state(target.generator, 1), layer_state(source.ema, 1))
    assert same(state(target.discriminator), state(source.discriminator))


@pytest.mark.parametrize("network", ["dcgan", "dcgan_2016", "modern"])
def test_from_grey_to_colour_and_back(network: str) -> None:
    grey = settled(network)
    colour = start_from(grey, channels=3)
    z, x = grey.latents(4, seed=0), torch.rand(4, 1, 16, 16) * 2 - 1
    grey_images = grey.sample(z=z)
    for channel in colour.sample(z=z).split(1, 1):
        torch.testing.assert_close(channel, grey_images, rtol=1e-5, atol=1e-6)
    grey.discriminator.eval(), colour.discriminator.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            colour.discriminator(x.expand(-1, 3, -1, -1)), grey.discriminator(x), rtol=1e-4, atol=1e-6
        )
        again = start_from(settled(network, channels=3), channels=1)
        original = settled(network, channels=3)
        again.discriminator.eval(), original.discriminator.eval()
        expected = original.discriminator(x.expand(-1, 3, -1, -1))
        torch.testing.assert_close(again.discriminator(x), expected, rtol=1e-4, atol=1e-6)
        tanh = (
            original.sample(z=z).atanh().mean(1, keepdim=True).tanh()
        )  # the mean of what goes into the tanh
        torch.testing.assert_close(again.sample(z=z), tanh, rtol=1e-3, atol=1e-5)


def test_start_from_says_what_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"no layer of the source's DCGANGenerator fits .* generator=False"):
        start_from(small(), width=5)
    with pytest.raises(ValueError, match=r"DCGANDiscriminator fits .* discriminator=False"):
        start_from(small(), width=5, generator=False)
    with pytest.raises(ValueError, match=r"DCGANGenerator holds low_rank; .* merge_low_rank first"):
        start_from(low_rank(small()))
    with pytest.raises(ValueError, match="holds miner"):
        start_from(miner(small()))
    with pytest.raises(ValueError, match="do not stand in one row"):
        start_from(small("projected", size=28), width=8, generator=False)
    with pytest.raises(ValueError, match="no option of the network 'dcgan_2016' named 'wide'"):
        start_from(small(), wide=3)
    assert start_from(merge_low_rank(low_rank(small()))).methods[0]["name"] == "start_from"


# Freezing


@pytest.mark.parametrize("network", NETWORKS)
def test_freezing_counts_layers_from_pixels_in_d_and_from_the_latent_in_g(network: str) -> None:
    gan = small(network)
    for method, net in ((freeze_discriminator, gan.discriminator), (freeze_generator, gan.generator)):
        count = len(layers(net))
        for k in range(count):
            method(gan, k)
            frozen = [
                not any(p.requires_grad for m in layer for p in m.parameters()) for layer in layers(net)
            ]
            assert frozen == [True] * k + [False] * (count - k)
        for wrong in (count, -1):
            with pytest.raises(
                ValueError, match=rf"{wrong} layers of \w+ .*; it has {count}, .* 0 to {count - 1}"
            ):
                method(gan, wrong)
    assert gan.methods[-1] == {"name": "freeze_generator", "layers": len(layers(gan.generator)) - 1}
    unfreeze(gan)
    assert all(p.requires_grad for m in (gan.generator, gan.discriminator) for p in m.parameters())
    assert not any(p.requires_grad for p in gan.ema.parameters())


def test_heads_side_by_side_cannot_be_counted_from_the_pixels() -> None:
    with pytest.raises(ValueError, match="ProjectedDiscriminator do not stand in one row"):
        freeze_discriminator(small("projected", size=28), 1)


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


def test_trainable_counts() -> None:
    gan = small("mlp")  # G: 6 -> 4 -> 8 -> 16 -> 256; D: 256 -> 8 -> 4 -> 1
    g, d = 28 + 40 + 144 + 17 * 256, 257 * 8 + 36 + 5
    assert trainable(gan) == {
        "generator": {"trainable": g, "total": g},
        "discriminator": {"trainable": d, "total": d},
    }
    freeze_generator(freeze_discriminator(gan, 1), 2)
    assert trainable(gan)["generator"] == {"trainable": g - 68, "total": g}
    assert trainable(gan)["discriminator"] == {"trainable": 41, "total": d}
    gan = low_rank(small("mlp"), rank=3)
    factors = 3 * (6 + 4) + 3 * (4 + 8) + 3 * (8 + 16) + 3 * (16 + 256)
    assert trainable(gan)["generator"] == {"trainable": factors, "total": g + factors}
    gan = miner(small("mlp"))
    assert trainable(gan)["generator"] == {"trainable": 2 * 42, "total": g + 84}


def test_methods_that_exclude_each_other_say_so() -> None:
    with pytest.raises(ValueError, match=r"MLPGenerator holds scale_shift already; .* exclude each other"):
        low_rank(scale_shift(small("mlp")))
    with pytest.raises(ValueError, match="holds low_rank already"):
        miner(unfreeze(low_rank(small())))
    with pytest.raises(ValueError, match=r"scale_shift says by itself .* call scale_shift first"):
        scale_shift(freeze_generator(small(), 1))
    with pytest.raises(
        ValueError, match="low_rank says by itself what trains, and parts of DCGANDiscriminator"
    ):
        low_rank(freeze_discriminator(small(), 1), discriminator=True)
    with pytest.raises(ValueError, match=r"rank is 0; a whole number \(int\) from 1"):
        low_rank(small(), 0)
    with pytest.raises(ValueError, match="asked for neither network"):
        low_rank(small(), generator=False)
    with pytest.raises(ValueError, match=r"hidden is 0; a whole number \(int\) from 1"):
        miner(small(), 0)
    with pytest.raises(ValueError, match=r"no transfer method named 'freeze' \(did you mean"):
        apply_methods(small(), [{"name": "freeze"}])


def test_a_refused_method_leaves_the_gan_as_it_was() -> None:
    gan = freeze_discriminator(small(), 1)
    before, methods = (
        {part: free(getattr(gan, part)) for part in ("generator", "discriminator")},
        gan.methods[:],
    )
    for call in (lambda: low_rank(gan, discriminator=True), lambda: freeze_generator(gan, 9)):
        with pytest.raises(ValueError, match="frozen"):
            call()
    with pytest.raises(ValueError, match="hidden"):
        miner(gan, -1)
    assert gan.methods == methods
    assert before == {part: free(getattr(gan, part)) for part in before}
    assert not any(isinstance(m, LowRank) for m in gan.generator.modules())


def test_the_table_at_the_foot_names_every_method() -> None:
    assert {name: f.__name__ for name, f in METHODS.items()} == {name: name for name in METHODS}
    assert len(METHODS) == 7


def test_training_mode_leaves_a_frozen_spectral_norm_alone(digits: Images) -> None:
    gan = freeze_discriminator(small("resnet"), 1)
    first, second = (
        {k: v for k, v in layer_state(gan.discriminator, i).items() if "_u" in k} for i in (0, 1)
    )
    assert first
    assert second
    trained_a_bit(gan, digits)
    after = [layer_state(gan.discriminator, i) for i in (0, 1)]
    assert all(torch.equal(after[0][k], v) for k, v in first.items())
    assert not any(torch.equal(after[1][k], v) for k, v in second.items())
    training_mode(gan.discriminator)
    assert not any(m.training for m in gan.discriminator.net[0].modules())
