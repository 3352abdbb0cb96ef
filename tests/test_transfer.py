"""Transfer methods: what starts where, which layers freeze, what excludes what."""

from __future__ import annotations

import pytest
import torch
from transferred import (
    NETWORKS,
    free,
    layer_state,
    same,
    settled,
    small,
    state,
    trained_a_bit,
)

from tgan_lib.data import Images, load
from tgan_lib.device import training_mode
from tgan_lib.networks import layers
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
from tgan_lib.transfer.adapters import LowRank


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=64, device="cpu")


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
