"""Shipped models: weights as safetensors, a JSON card beside them, and a hash that is checked before use.

    gan = zoo.load("peeps-64")
    gan.card["distance"], gan.directions

A card says what the model is, what it was trained on and under which licence, with which budget and settings,
how far its samples are from the data by two judges, whether they copy it, and how to train it again (`python -m
tgan_lib zoo build NAME`). A card with "former" is of a model that is kept for the sake of what was made with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import as_path, check_kind, one_of, true_or_false
from ..files import read_card, read_pair, write_pair
from ..gan import GAN

FOLDER = Path(__file__).parent / "models"


def names(*, former: bool = True) -> list[str]:
    """The models that `load` knows, by name, those of today first.

    former: with False, without those that are kept only for what was made with them; the card of such a model says
    in "former" why it was kept, and what to use in its place.
    """
    found = {path.stem: bool(read_card(path).get("former")) for path in sorted(FOLDER.glob("*.json"))}
    kept = true_or_false("former", former)
    return sorted((name for name, old in found.items() if kept or not old), key=lambda name: found[name])


def card(name: str) -> dict[str, Any]:
    """What is known of a shipped model."""
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    return read_card(FOLDER / f"{one_of('model in the zoo', name, known)}.json")


def load(name: str, device: torch.device | str | None = None) -> GAN:
    """A shipped GAN with its discriminator, its directions and its card, on the GPU if there is one.

    The generator and its average are the same weights: what was shipped is the average.
    """
    return read(FOLDER / f"{name}.safetensors", card(name), device)


def read(
    path: str | os.PathLike[str],
    described: dict[str, Any] | None = None,
    device: torch.device | str | None = None,
) -> GAN:
    """A GAN from a weights file and its card, by default the one beside it (`GAN.load` takes run folders too).

    ValueError if the file is not the one the card describes.
    """
    if described is not None:
        check_kind("described", described, Mapping, "a card (dict), as `write` returns it,")
    return GAN.rebuilt(*read_pair(path, described), as_path("path", path).name, device)


def write(path: str | os.PathLike[str], gan: GAN, described: dict[str, Any]) -> dict[str, Any]:
    """Write `gan` (its averaged generator, its discriminator, its directions) as fp16 safetensors with a card beside.

    As `gan.save(path, half=True)`, with `described` for what else the card says. Returns the card, completed with the
    config and the hash.
    """
    check_kind("gan", gan, GAN, "a GAN")
    check_kind("described", described, Mapping, "a dictionary of what the card is to say")
    return write_pair(path, *gan.kept(described, half=True))
