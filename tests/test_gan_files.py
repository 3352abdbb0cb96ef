"""One's own GAN is kept in one call and taken up in one: bit for bit, with all that transfer did to it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tgan_lib import zoo
from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.networks import NETWORKS
from tgan_lib.training.checkpoint import CheckpointError
from tgan_lib.training.train import train
from tgan_lib.transfer import (
    freeze_discriminator,
    freeze_generator,
    low_rank,
    merge_low_rank,
    miner,
    scale_shift,
    start_from,
    unfreeze,
)


def small(network: str = "dcgan", seed: int = 0, **options: Any) -> GAN:
    return GAN.build(network, size=16, latent_dim=6, width=4, seed=seed, device="cpu", **options)


def stirred(gan: GAN) -> GAN:
    """With weights and statistics of its own in every network, the average too."""
    rng = torch.Generator().manual_seed(1)
    for module in gan.modules().values():
        for tensor in module.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.01 * torch.rand(tensor.shape, generator=rng))
    return gan


def assert_same(one: GAN, other: GAN) -> None:
    for name, module in one.modules().items():
        state = other.modules()[name].state_dict()
        assert module.state_dict().keys() == state.keys()
        assert all(torch.equal(t, state[key]) for key, t in module.state_dict().items()), name
    assert one.config == other.config
    assert one.methods == other.methods


@pytest.mark.parametrize("network", NETWORKS)
def test_round_trip_bit_for_bit_of_every_network(tmp_path: Path, network: str) -> None:
    gan = stirred(small(network))
    gan.directions = {"tilt": torch.arange(6.0), "a.b": torch.ones(6)}
    gan.card = {"title": "mine", "distance": np.float32(2.5), "at": Path("here")}
    assert gan.save(tmp_path / "deep" / "mine") == tmp_path / "deep" / "mine.safetensors"
    back = GAN.load(tmp_path / "deep" / "mine", device="cpu")
    assert_same(gan, back)
    assert list(back.directions) == ["tilt", "a.b"]
    assert all(torch.equal(back.directions[name], d) for name, d in gan.directions.items())
    assert back.card.items() >= {"title": "mine", "distance": 2.5, "at": "here"}.items()
    back.save(tmp_path / "again")
    assert_same(gan, GAN.load(str(tmp_path / "again.json"), device="cpu"))


METHODS: dict[str, Callable[[GAN], GAN]] = {
    "freeze_discriminator": lambda gan: freeze_discriminator(gan, 1),
    "freeze_generator": lambda gan: freeze_generator(gan, 2),
    "low_rank": lambda gan: low_rank(gan, np.int64(2), discriminator=True, seed=3),
    "low_rank then freeze": lambda gan: freeze_discriminator(low_rank(gan, 2), 1),
    "merge_low_rank": lambda gan: merge_low_rank(stirred(low_rank(gan, 2))),
    "miner": lambda gan: miner(gan, 5),
    "miner then unfreeze": lambda gan: unfreeze(miner(gan)),
    "scale_shift": scale_shift,
    "start_from": lambda gan: start_from(gan, seed=1),
    "start_from then low_rank": lambda gan: low_rank(start_from(gan, seed=1)),
}


@pytest.mark.parametrize("network", ["mlp", "dcgan", "modern"])
@pytest.mark.parametrize("method", METHODS)
def test_round_trip_bit_for_bit_with_every_method(tmp_path: Path, network: str, method: str) -> None:
    gan = stirred(METHODS[method](small(network)))
    gan.save(tmp_path / "mine")
    back = GAN.load(tmp_path / "mine", device="cpu")
    assert_same(gan, back)
    for ours, theirs in ((gan.generator, back.generator), (gan.discriminator, back.discriminator)):
        assert [p.requires_grad for p in ours.parameters()] == [p.requires_grad for p in theirs.parameters()]


@pytest.mark.parametrize("name", zoo.names())
def test_a_shipped_model_is_kept_whole(tmp_path: Path, name: str) -> None:
    gan = zoo.load(name, "cpu")
    gan.save(tmp_path / name, half=True)
    back = GAN.load(tmp_path / name, "cpu")
    assert_same(gan, back)
    assert list(back.directions) == list(gan.directions)
    assert (tmp_path / f"{name}.safetensors").read_bytes() == (
        zoo.FOLDER / f"{name}.safetensors"
    ).read_bytes()


def test_half_keeps_the_average_in_16_bits(tmp_path: Path) -> None:
    gan = stirred(small())
    gan.save(tmp_path / "whole"), gan.save(tmp_path / "half", half=True)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.45 * sizes[0]
    back = GAN.load(tmp_path / "half", "cpu")
    for key, tensor in gan.ema.state_dict().items():
        torch.testing.assert_close(back.generator.state_dict()[key], tensor, rtol=1e-3, atol=1e-4)
        assert torch.equal(back.ema.state_dict()[key], back.generator.state_dict()[key])
    next(gan.ema.parameters()).data.fill_(1e6)
    with pytest.raises(
        ValueError, match=r"generator\.net\.0\.weight cannot be kept: it holds a number beyond 65504"
    ):
        gan.save(tmp_path / "half", half=True)
    assert_same(back, GAN.load(tmp_path / "half", "cpu"))


def test_double_precision_is_kept(tmp_path: Path) -> None:
    gan = small()
    for module in gan.modules().values():
        module.double()
        next(module.parameters()).data.fill_(1 / 3)
    gan.save(tmp_path / "mine")
    assert_same(gan, GAN.load(tmp_path / "mine", "cpu"))


# Names and places


def test_names_as_people_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("cats-lr0.001", "cats-lr0.002", "v1.2.safetensors.old", "ein Name", "猫")
    for i, name in enumerate(names):
        small(seed=i).save(f"~/{name}")
    assert len(list(tmp_path.iterdir())) == 10
    for i, name in enumerate((f"{names[0]}.safetensors", f"{names[1]}.json", *names[2:])):
        assert_same(small(seed=i), GAN.load(Path("~") / name, "cpu"))


@pytest.mark.parametrize("path", ["", "  ", "a\0b", 3, None, b"bytes", "/", "~nobody-of-this-name/x"])
def test_what_is_no_path_is_one_sentence(path: Any) -> None:
    for call in (
        lambda: small().save(path),
        lambda: GAN.load(path, "cpu"),
        lambda: zoo.write(path, small(), {}),
    ):
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            call()
        assert "is right" in str(caught.value) or "home folder" in str(caught.value)


def test_a_folder_is_no_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is a folder; a name for a GAN in it, such as .*my-gan"):
        small().save(tmp_path)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", 3.5, "meta", object()])
def test_a_device_that_is_not_there_is_one_sentence(tmp_path: Path, device: Any) -> None:
    small().save(tmp_path / "mine")
    for call in (lambda: GAN.load(tmp_path / "mine", device), lambda: small().to(device)):
        with pytest.raises(ValueError, match="device is ") as caught:
            call()
        assert "\n" not in str(caught.value)


# What is damaged or something else


def test_damage_is_one_sentence(tmp_path: Path) -> None:
    small().save(tmp_path / "mine")
    weights, card = tmp_path / "mine.safetensors", tmp_path / "mine.json"
    data, said = weights.read_bytes(), json.loads(card.read_text())
    other = json.dumps(said | {"config": said["config"] | {"width": 8}})
    no_config = json.dumps({k: v for k, v in said.items() if k != "config"})
    junk = b"no tensors"
    hashed = json.dumps(said | {"sha256": hashlib.sha256(junk).hexdigest()})

    def assert_says(words: str, kind: type[Exception] = ValueError, path: str = "mine") -> None:
        with pytest.raises(kind, match=words) as caught:
            GAN.load(tmp_path / path, "cpu")
        assert "\n" not in str(caught.value)

    for contents, text, words in (
        (data[:-1] + b"x", card.read_text(), "does not have the hash on its card"),
        (data[: len(data) // 2], card.read_text(), "does not have the hash on its card"),
        (data, "{", "mine.json is not a card: it is damaged, or no JSON"),
        (data, "[1]", r"it holds \[1\]; a dictionary is right"),
        (data, "{}", "has no sha256, so it is not the card of a GAN"),
        (data, no_config, "does not say how to build its GAN .no 'config' in it"),
        (data, json.dumps(said | {"config": 3}), "does not say how to build its GAN"),
        (data, json.dumps(said | {"config": {"network": "dgcan"}}), "did you mean 'dcgan'"),
        (
            data,
            json.dumps(said | {"methods": [{"name": "low_rank", "rnak": 1}]}),
            "no setting of low_rank named",
        ),
        (data, json.dumps(said | {"methods": 5}), "methods is 5; a list"),
        (data, other, "holds other weights than this generator has: net.0.weight is of shape"),
        (junk, hashed, "is not a safetensors file"),
    ):
        weights.write_bytes(contents)
        card.write_text(text)
        assert_says(words)
    card.unlink()
    assert_says("the card .*mine.json could not be read", FileNotFoundError)
    assert_says("there are no weights at .*none.safetensors", FileNotFoundError, "none")
    (tmp_path / "model.pth").write_bytes(b"another's")
    assert_says("model.pth is no GAN: one that was saved is", path="model.pth")
    (tmp_path / "empty").mkdir()
    assert_says("is a folder without a run", FileNotFoundError, "empty")


@pytest.mark.parametrize("before", [True, False])
def test_a_save_that_is_cut_off_leaves_the_old_gan_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    old, new = small(seed=1), small(seed=2)
    old.save(tmp_path / "mine")
    replace = os.replace

    def cut(source: Any, target: Any) -> None:
        if str(target).endswith(".safetensors" if before else ".json"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(KeyboardInterrupt):
        new.save(tmp_path / "mine")
    monkeypatch.undo()
    assert_same(old if before else new, GAN.load(tmp_path / "mine", "cpu"))
    new.save(tmp_path / "mine")
    assert_same(new, GAN.load(tmp_path / "mine", "cpu"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk without room")
@pytest.mark.parametrize("part", ["mine.json.part", "mine.safetensors.part"])
def test_a_full_disk_keeps_the_old_gan(tmp_path: Path, part: str) -> None:
    old = small(seed=1)
    old.save(tmp_path / "mine")
    (tmp_path / part).symlink_to("/dev/full")
    with pytest.raises(RuntimeError, match=r"could not be written \(No space left on device\)"):
        small(seed=2).save(tmp_path / "mine")
    assert_same(old, GAN.load(tmp_path / "mine", "cpu"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]


# A run's folder


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=32, device="cpu")


OPTIONS: dict[str, Any] = {"steps": 2, "batch_size": 8, "progress": False}


@pytest.mark.parametrize("change", [lambda gan: gan, low_rank, scale_shift])
def test_a_run_folder_opens_as_a_gan_and_is_left_alone(
    digits: Images, tmp_path: Path, change: Callable[[GAN], GAN]
) -> None:
    gan = change(small())
    train(gan, digits, run_dir=tmp_path, **OPTIONS)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    back = GAN.load(tmp_path, "cpu")
    assert_same(gan, back)
    assert back.card["step"] == 2
    assert back.card["settings"]["batch_size"] == 8
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert_same(gan, GAN.load(tmp_path / "checkpoint.pt", "cpu"))
    back.save(tmp_path / "kept")
    assert_same(gan, GAN.load(tmp_path / "kept", "cpu"))
    assert (
        train(back, digits, run_dir=tmp_path, **OPTIONS | {"steps": 3}).notes["steps"] == 3
    )  # it is of this run


def test_a_damaged_run_is_one_sentence(digits: Images, tmp_path: Path) -> None:
    train(small(), digits, run_dir=tmp_path, **OPTIONS)
    shutil.copy(tmp_path / "history.jsonl", tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is not a checkpoint of tgan_lib"):
        GAN.load(tmp_path, "cpu")
