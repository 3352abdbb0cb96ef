"""Shipped models: weights as safetensors, a JSON card beside them, and a hash that is checked before use.

    gan = zoo.load("mnist-dcgan")
    gan.card["distance"], gan.directions

A card says what the model is, what it was trained on and under which licence, with which budget and settings,
how far its samples are from the data, and how to train it again (`python -m tgan_lib zoo build NAME`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from ..device import default_device
from ..errors import unknown_name
from ..gan import GAN
from ..transfer.methods import apply_methods

FOLDER = Path(__file__).parent / "models"


def names() -> list[str]:
    """The models that `load` knows."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def card(name: str) -> dict[str, Any]:
    """What is known of a shipped model."""
    if name not in names():
        raise unknown_name("model in the zoo", name, names())
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def load(name: str, device: torch.device | str | None = None) -> GAN:
    """A shipped GAN with its discriminator, its directions and its card, on the GPU if there is one.

    The generator and its average are the same weights: what was shipped is the average.
    """
    return read(FOLDER / f"{name}.safetensors", card(name), device)


def read(path: str | Path, described: dict[str, Any], device: torch.device | str | None = None) -> GAN:
    """A GAN from a weights file and its card. ValueError if the file is not the one the card describes."""
    path = Path(path)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != described["sha256"]:
        raise ValueError(
            f"{path.name} does not have the hash on its card; the file is damaged or from another version"
        )
    try:
        tensors = safetensors.load(data)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is not a safetensors file") from error
    gan = apply_methods(GAN.build(**described["config"], device="cpu"), described.get("methods", []))
    for part in ("generator", "discriminator"):
        weights = {
            key.removeprefix(part + "."): t for key, t in tensors.items() if key.startswith(part + ".")
        }
        # load_state_dict copies into float32, whatever the file holds
        getattr(gan, part).load_state_dict(weights)
    gan.ema.load_state_dict(gan.generator.state_dict())
    # sorted: a safetensors file has no order of its own
    named = sorted(key for key in tensors if key.startswith("direction."))
    gan.directions = {key.removeprefix("direction."): tensors[key].float() for key in named}
    gan.card = described
    return gan.to(device or default_device())


def write(path: str | Path, gan: GAN, described: dict[str, Any]) -> dict[str, Any]:
    """Write `gan` (its averaged generator, its discriminator, its directions) as fp16 safetensors with a card beside.

    Returns the card, completed with the config and the hash.
    """
    path = Path(path)
    tensors: dict[str, Tensor] = {f"direction.{name}": d for name, d in gan.directions.items()}
    for part, module in (("generator", gan.ema), ("discriminator", gan.discriminator)):
        tensors |= {f"{part}.{key}": t for key, t in module.state_dict().items()}
    data = safetensors.save({key: half(t) for key, t in tensors.items()})
    described = described | {
        "config": gan.config.as_dict(),
        "methods": gan.methods,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    path.with_suffix(".safetensors").write_bytes(data)
    path.with_suffix(".json").write_text(json.dumps(described, indent=2) + "\n")
    return described


def half(tensor: Tensor) -> Tensor:
    """A copy on the CPU, floats as fp16."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() else tensor
