"""Every way from a source to a target: what it starts from, what trains, what it brings, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tgan_lib.augment import ADA, DiffAugment
from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.transfer import L2SP, trainable
from tgan_lib.transfer.strategies import STRATEGIES, Plan, adapt, fine_tune

FROM_SOURCE = sorted(set(STRATEGIES) - {"scratch"})


@pytest.fixture(scope="module")
def letters() -> Images:
    return load("glyphs:letters", size=16, limit=12, device="cpu")


@pytest.fixture(scope="module")
def source() -> GAN:
    gan = GAN.build("dcgan", size=16, latent_dim=6, width=4, seed=7, device="cpu")
    with torch.no_grad():  # an average that is not the generator, as after training
        for p in gan.ema.parameters():
            p.add_(0.02)
    return gan


def weights(gan: GAN) -> list[Tensor]:
    return [t.clone() for module in gan.modules().values() for t in module.state_dict().values()]


@pytest.mark.parametrize("way", STRATEGIES)
def test_a_way_trains_a_new_gan_and_leaves_the_source_alone(way: str, source: GAN, letters: Images) -> None:
    before = weights(source)
    gan, history = adapt(source, letters, way, steps=3, batch_size=6, progress=False)
    assert gan is not source
    assert history.notes["steps"] == 3
    assert all(torch.equal(a, b) for a, b in zip(before, weights(source), strict=True))
    assert torch.isfinite(gan.sample(4, seed=0)).all()


@pytest.mark.parametrize("way", FROM_SOURCE)
def test_before_training_samples_are_the_sources(way: str, source: GAN) -> None:
    gan, _ = STRATEGIES[way](source, 0)
    z = source.latents(5, seed=1)
    torch.testing.assert_close(gan.sample(z=z), source.sample(z=z), rtol=0, atol=1e-6)


def test_scratch_takes_nothing_from_the_source_but_its_shape(source: GAN) -> None:
    gan, given = STRATEGIES["scratch"](source, 3)
    assert gan.config == source.config
    assert given == {}
    assert gan.methods == []
    fresh = GAN.build(**source.config.as_dict(), seed=3, device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(weights(gan), weights(fresh), strict=True))


def test_what_trains_in_each_way(source: GAN) -> None:
    def counts(way: str) -> tuple[int, int]:
        found = trainable(STRATEGIES[way](source, 0)[0])
        return found["generator"]["trainable"], found["discriminator"]["trainable"]

    g, d = counts("scratch")
    for way in ("fine_tune", "l2sp", "ewc", "correspondence", "diff_augment", "ada"):
        assert counts(way) == (g, d), way
    first = sum(p.numel() for p in source.discriminator.net[0].parameters())
    assert counts("freeze_d") == counts("freeze_d_diff_augment") == (g, d - first)
    for way in ("scale_shift", "low_rank", "miner"):
        few, whole = counts(way)
        assert few < g, way
        assert whole == d, way


def test_settings_reach_their_method(source: GAN) -> None:
    assert STRATEGIES["freeze_d"](source, 0, layers=2)[0].methods[-1] == {
        "name": "freeze_discriminator",
        "layers": 2,
    }
    assert STRATEGIES["l2sp"](source, 0, weight=3.0)[1]["terms"][0].weight == 3.0
    term = STRATEGIES["ewc"](source, 0, strength=0.5, samples=8)[1]["terms"][0]
    assert term.weight * term.scale == pytest.approx(0.5, rel=1e-5)
    assert STRATEGIES["ada"](source, 0, images_to_one=50)[1]["augment"].settings()["images_to_one"] == 50
    augment = STRATEGIES["freeze_d_diff_augment"](source, 0, policy="cutout")[1]["augment"]
    assert isinstance(augment, DiffAugment)
    assert augment.names == ["cutout"]
    assert isinstance(STRATEGIES["ada"](source, 0)[1]["augment"], ADA)


def test_terms_and_options_of_ones_own_join_a_way(source: GAN, letters: Images) -> None:
    heavy = L2SP(STRATEGIES["fine_tune"](source, 0)[0], 1e9)
    options: dict[str, Any] = {"steps": 8, "batch_size": 6, "learning_rate": (1e-3, 1e-3), "progress": False}
    free, _ = adapt(source, letters, "correspondence", **options)
    held, _ = adapt(source, letters, "correspondence", terms=[heavy], **options)

    def moved(gan: GAN) -> float:
        pairs = zip(gan.generator.parameters(), source.ema.parameters(), strict=True)
        return sum(float((a - b).detach().square().sum()) for a, b in pairs)

    assert moved(held) < 0.5 * moved(free)


def test_a_function_of_ones_own_is_a_way_too(source: GAN, letters: Images) -> None:
    def no_biases(source: GAN, seed: int, frozen: bool = True) -> Plan:
        """Fine-tuning with G's biases frozen."""
        gan, given = fine_tune(source, seed)
        for name, p in gan.generator.named_parameters():
            p.requires_grad_(not (frozen and name.endswith("bias")))
        return gan, given

    def moved(gan: GAN) -> float:
        pairs = zip(gan.generator.named_parameters(), source.ema.parameters(), strict=True)
        return sum(float((a - b).detach().abs().sum()) for (name, a), b in pairs if name.endswith("bias"))

    options: dict[str, Any] = {"steps": 2, "batch_size": 6, "progress": False}
    assert moved(adapt(source, letters, no_biases, **options)[0]) == 0
    assert moved(adapt(source, letters, no_biases, settings={"frozen": False}, **options)[0]) > 0
    before = set(STRATEGIES)
    with pytest.raises(
        ValueError, match=r"no setting of no_biases named 'frozn' \(did you mean 'frozen'\?\)"
    ):
        adapt(source, letters, no_biases, settings={"frozn": True}, **options)
    assert set(STRATEGIES) == before


def test_the_same_seed_gives_the_same_gan(source: GAN, letters: Images) -> None:
    a, b = (adapt(source, letters, "low_rank", seed=5, steps=2, batch_size=6, progress=False) for _ in "ab")
    assert all(torch.equal(x, y) for x, y in zip(weights(a[0]), weights(b[0]), strict=True))


def test_what_does_not_exist_is_one_sentence(source: GAN, letters: Images) -> None:
    with pytest.raises(ValueError, match=r"no way of adapting named 'freezed' \(did you mean 'freeze_d'"):
        adapt(source, letters, "freezed")
    with pytest.raises(ValueError, match=r"no setting of freeze_d named 'layer' \(did you mean 'layers'\?\)"):
        adapt(source, letters, "freeze_d", settings={"layer": 1})
    with pytest.raises(ValueError, match=r"no setting of fine_tune named 'seed'"):
        adapt(source, letters, settings={"seed": 1})
    with pytest.raises(ValueError, match="ada brings its own augmentation"):
        adapt(source, letters, "ada", augment=DiffAugment("cutout"))
