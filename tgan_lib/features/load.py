"""Shipped feature networks by name, and the features that one gives for images."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..device import default_device, device_of
from ..errors import unknown_name
from .networks import DigitNet, FeatureNet, SmallNet

FOLDER = Path(__file__).parent / "models"


def feature_networks(folder: str | Path = FOLDER) -> tuple[str, ...]:
    """Names of the feature networks in `folder`: those with a card, features-NAME.json."""
    return tuple(sorted(path.stem.removeprefix("features-") for path in Path(folder).glob("features-*.json")))


FEATURE_NETWORKS = feature_networks()  # those that are shipped


@cache
def load_features(
    name: str = "mnist-v1", device: torch.device | str | None = None, folder: str | Path = FOLDER
) -> FeatureNet:
    """A shipped feature network, frozen and in eval mode. `folder` is for networks of your own.

    It is built from its card's "config", the arguments of `SmallNet`; mnist-v1's card has none, and it is a
    `DigitNet`.
    """
    card = feature_card(name, folder)
    net = SmallNet(**card["config"]) if "config" in card else DigitNet()
    weights = load_file(Path(folder) / f"features-{name}.safetensors")
    net.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    )
    return net.requires_grad_(False).eval().to(device or default_device())


def feature_card(name: str = "mnist-v1", folder: str | Path = FOLDER) -> dict[str, Any]:
    """What is known of a feature network: its data, its test accuracy, how it was trained."""
    if name not in (known := feature_networks(folder)):
        raise unknown_name("feature network", name, known)
    card: dict[str, Any] = json.loads((Path(folder) / f"features-{name}.json").read_text())
    return card


@torch.no_grad()
def extract(net: FeatureNet, images: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
    """Features (N, d) and class logits (N, k) of images (N, C, H, W): floats in [-1, 1], or uint8."""
    features, logits = [], []
    for part in images.split(batch_size):
        part = part.to(device_of(net))
        f = net.features(part / 127.5 - 1 if part.dtype == torch.uint8 else part)
        features.append(f)
        logits.append(net.head(f))
    return torch.cat(features), torch.cat(logits)
