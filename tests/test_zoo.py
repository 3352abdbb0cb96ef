"""Shipped models: the card tells the truth, the hash is checked, a round trip keeps the pictures."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from real_data import mnist

from tgan_lib import data, zoo
from tgan_lib.features import extract, load_features
from tgan_lib.gan import GAN
from tgan_lib.metrics import Distance, class_counts
from tgan_lib.transfer import freeze_discriminator, low_rank
from tgan_lib.zoo import recipes


@pytest.mark.parametrize("name", zoo.names())
def test_card_and_weights_belong_together(name: str) -> None:
    gan = zoo.load(name, device="cpu")
    card = zoo.card(name)
    assert card["name"] == name
    assert {
        "title",
        "data",
        "licence",
        "recipe",
        "distance",
        "distance_is",
        "floor",
        "seconds",
        "date",
    } <= card.keys()
    assert (zoo.FOLDER / f"{name}.safetensors").stat().st_size == card["bytes"] <= 3_000_000
    assert name in recipes.RECIPES
    images = gan.sample(16, seed=0)
    assert images.shape == (16, gan.config.channels, gan.config.size, gan.config.size)
    assert images.std() > 0.1
    for direction in gan.directions.values():
        assert direction.norm().item() == pytest.approx(1, abs=1e-3)


def test_the_zoo_has_a_digit_generator() -> None:
    assert "mnist-dcgan" in zoo.names()


def test_every_digit_appears_in_200_samples() -> None:
    gan = zoo.load("mnist-dcgan", device="cpu")
    counts = class_counts(extract(load_features("mnist-v1", "cpu"), gan.sample(200, seed=0))[1])
    assert int(counts.min()) >= 4


def test_the_distance_on_the_card_is_measured_again() -> None:
    measured = Distance(mnist())(zoo.load("mnist-dcgan", device="cpu"))
    assert measured == pytest.approx(zoo.card("mnist-dcgan")["distance"], rel=0.05)


def test_round_trip(tmp_path: Path) -> None:
    gan = GAN.build("dcgan", width=8, latent_dim=6, device="cpu")
    gan.directions = {"tilt": torch.nn.functional.normalize(torch.arange(6.0), dim=0)}
    card = zoo.write(tmp_path / "mine", gan, {"title": "mine"})
    back = zoo.read(tmp_path / "mine.safetensors", card, "cpu")
    z = gan.latents(4, seed=0)
    torch.testing.assert_close(back.sample(z=z), gan.sample(z=z), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        back.discriminator(gan.sample(z=z)), gan.discriminator(gan.sample(z=z)), atol=2e-3, rtol=2e-3
    )
    torch.testing.assert_close(back.directions["tilt"], gan.directions["tilt"], atol=1e-3, rtol=0)


def test_a_transferred_gan_keeps_its_adapters(tmp_path: Path) -> None:
    gan = freeze_discriminator(low_rank(GAN.build("dcgan", width=8, latent_dim=6, device="cpu"), rank=2), 1)
    adapters = [p for n, p in gan.ema.named_parameters() if n.endswith(".b")]
    assert adapters
    for adapter in adapters:
        adapter.data.normal_()
    back = zoo.read(tmp_path / "mine.safetensors", zoo.write(tmp_path / "mine", gan, {}), "cpu")
    z = gan.latents(4, seed=0)
    torch.testing.assert_close(back.sample(z=z), gan.sample(z=z), atol=1e-2, rtol=0)
    assert not next(back.discriminator.parameters()).requires_grad


def test_damage_and_unknown_names_are_one_sentence(tmp_path: Path) -> None:
    card = zoo.write(tmp_path / "mine", GAN.build("mlp", width=8, device="cpu"), {})
    data = bytearray((tmp_path / "mine.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "mine.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match="does not have the hash on its card"):
        zoo.read(tmp_path / "mine.safetensors", card)
    with pytest.raises(ValueError, match="did you mean 'mnist-dcgan'"):
        zoo.load("mnist_dcgan")


def test_a_recipe_trains_measures_and_writes_what_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = recipes.Recipe(
        title="a tiny one",
        about_data="glyphs",
        licence="MIT",
        data={"name": "glyphs:digits", "size": 28, "limit": 200, "device": "cpu"},
        gan={"network": "mlp", "size": 28, "latent_dim": 6, "width": 8, "device": "cpu"},
        train=recipes.RATES | {"steps": 3, "batch_size": 16, "progress": False},
        features="mnist-v1",
        augment="translation",
    )
    monkeypatch.setattr(recipes, "Distance", partial(Distance, n=200))  # seconds, not a minute
    monkeypatch.setitem(recipes.GANS, "tiny", tiny)
    recipes.build_gan("tiny", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.json", "tiny.safetensors"]
    card = json.loads((tmp_path / "tiny.json").read_text())
    gan = zoo.read(tmp_path / "tiny.safetensors", card, "cpu")
    assert set(gan.directions) == {"height", "slant", "stroke weight", "width"}
    assert card["distance"] > card["floor"] > 0
    assert card["recipe"]["augment"] == "translation"
    monkeypatch.setitem(recipes.GANS, "tiny", replace(tiny, ink=False))
    recipes.build_gan("tiny", tmp_path)
    card = json.loads((tmp_path / "tiny.json").read_text())
    found = zoo.read(tmp_path / "tiny.safetensors", card, "cpu").directions
    assert found
    assert all(name.startswith("direction ") for name in found)


def test_images_are_held_apart_by_the_test_split_or_by_a_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "cpu")
    recipe = recipes.GANS["letters-32"]
    drawn = recipe.data | {"limit": 50, "device": "cpu"}
    images = data.load(**drawn)
    kept, held_out = recipes.held_apart(replace(recipe, data=drawn), images)
    assert kept is images
    assert held_out.data.shape == images.data.shape
    assert not torch.equal(held_out.data, images.data)
    missing = {"name": "omniglot", "root": tmp_path, "download": False}
    kept, held_out = recipes.held_apart(replace(recipe, data=missing), images)
    assert (len(kept), len(held_out)) == (45, 5)


def test_a_smoke_run_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "smoke")
    with pytest.raises(RuntimeError, match="the budget is smoke"):
        recipes.build("mnist-dcgan", tmp_path / "out")
    assert not (tmp_path / "out").exists()
