"""Feature networks by name, the shipped ones and EfficientNet, and the features that one gives for images."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ..device import device_of, pick_device
from ..errors import as_path, check_kind, one_of, whole_number
from ..inputs import Floats, as_floats, image_batch
from .efficientnet import CARD, load_efficientnet
from .efficientnet import NAME as EFFICIENTNET
from .networks import DigitNet, FeatureNet, SmallNet

FOLDER = Path(__file__).parent / "models"


def feature_networks(folder: str | Path = FOLDER) -> tuple[str, ...]:
    """Names of the feature networks in `folder`: those with a card, features-NAME.json."""
    return tuple(
        sorted(
            path.stem.removeprefix("features-") for path in as_path("path", folder).glob("features-*.json")
        )
    )


FEATURE_NETWORKS = feature_networks()  # those that are shipped


def load_features(
    name: str = "mnist-v1", device: torch.device | str | None = None, folder: str | Path = FOLDER
) -> FeatureNet:
    """A feature network, frozen and in eval mode; one and the same for each device.

    One of ours is built from its card's "config", the arguments of `SmallNet`; mnist-v1's card has none, and it is a
    `DigitNet`. `folder` is for networks of your own. "efficientnet-lite0" was trained on ImageNet by others and needs
    the extra "imagenet" (see `efficientnet`); RuntimeError, with how to go on, without it. ValueError for an unknown
    name, and for files that are damaged or do not belong together.
    """
    feature_card(name, folder)
    if name == EFFICIENTNET:
        return load_efficientnet(device=device)
    return _load(name, pick_device(device), as_path("path", folder).resolve())


@cache
def _load(name: str, device: torch.device, folder: Path) -> FeatureNet:
    card, path = feature_card(name, folder), folder / f"features-{name}.safetensors"
    try:
        net = SmallNet(**card["config"]) if "config" in card else DigitNet()
        net.load_state_dict(
            {
                key: value.float() if value.is_floating_point() else value
                for key, value in load_file(path).items()
            }
        )
    except Exception as error:  # safetensors and torch have one of their own for each kind of damage
        raise ValueError(
            f"{path} cannot be read as the weights that its card describes ({type(error).__name__}); both files "
            "as they were written are right"
        ) from error
    return net.requires_grad_(False).eval().to(device)


def feature_card(name: str = "mnist-v1", folder: str | Path = FOLDER) -> dict[str, Any]:
    """What is known of a feature network: its data, its test accuracy, how it was trained."""
    if one_of("feature network", name, (*feature_networks(folder), EFFICIENTNET)) == EFFICIENTNET:
        return dict(CARD)
    path = as_path("path", folder) / f"features-{name}.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        card.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is no card ({error}); a JSON object is right") from error
    return card


@torch.no_grad()
def extract(
    net: FeatureNet, images: Tensor, batch_size: int = 500, *, floats: Floats = "strict"
) -> tuple[Tensor, Tensor]:
    """Features (N, d) and class logits (N, k) of images (N, C, H, W): floats in [-1, 1], or uint8.

    `floats="any"` is for samples of a generator whose pixels may lie elsewhere (`inputs.image_batch`).
    """
    if not (hasattr(net, "features") and hasattr(net, "head")):
        check_kind("net", net, FeatureNet, "a FeatureNet")
    image_batch(images, floats=floats)
    both = getattr(net, "features_and_logits", None) or partial(FeatureNet.features_and_logits, net)
    parts = images.split(whole_number("batch_size", batch_size))
    features, logits = zip(*(both(as_floats(part.to(device_of(net)))) for part in parts), strict=True)
    return torch.cat(features), torch.cat(logits)
