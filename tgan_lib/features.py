"""Feature networks: what turns an image into the numbers that a distance between image sets compares.

`mnist-v1` is a small classifier of handwritten digits that we trained and ship. Its 64 features are its last
hidden layer, which is what the Fréchet distance of Heusel et al. (2017) takes from Inception. A distance means
nothing outside its network: never put numbers from two feature networks in one table.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .errors import unknown_name
from .gan import default_device
from .networks import device_of

FOLDER = Path(__file__).parent / "models"
FEATURE_NETWORKS = ("mnist-v1",)


class DigitNet(nn.Module):
    """Convolutional classifier of 28x28 grey digits: images in [-1, 1] -> 64 features -> 10 logits."""

    size, channels, n_features, n_classes = 28, 1, 64, 10

    def __init__(self) -> None:
        super().__init__()
        widths = [1, 16, 32, 64, 64]
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths, widths[1:], (1, 2, 1, 2), strict=False):
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        layers += [nn.Flatten(), nn.Linear(64 * 7 * 7, self.n_features), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(self.n_features, self.n_classes)

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 64). Other sizes are resized to 28 px, colours averaged to grey."""
        if images.shape[1] != self.channels:
            images = images.mean(1, keepdim=True)
        if images.shape[-1] != self.size:
            # antialiased, as Parmar et al. (2022) ask: without it the resizing itself moves the distance
            images = interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        features: Tensor = self.body(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits


@cache
def load_features(name: str = "mnist-v1", device: torch.device | str | None = None) -> DigitNet:
    """A shipped feature network, frozen and in eval mode."""
    if name not in FEATURE_NETWORKS:
        raise unknown_name("feature network", name, FEATURE_NETWORKS)
    net = DigitNet()
    weights = load_file(FOLDER / f"features-{name}.safetensors")
    net.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in weights.items()}
    )
    return net.requires_grad_(False).eval().to(device or default_device())


def feature_card(name: str = "mnist-v1") -> dict[str, Any]:
    """What is known of a shipped feature network: its data, its test accuracy, how it was trained."""
    card: dict[str, Any] = json.loads((FOLDER / f"features-{name}.json").read_text())
    return card


@torch.no_grad()
def extract(net: DigitNet, images: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
    """Features (N, d) and class logits (N, k) of images (N, C, H, W): floats in [-1, 1], or uint8."""
    features, logits = [], []
    for part in images.split(batch_size):
        part = part.to(device_of(net))
        f = net.features(part / 127.5 - 1 if part.dtype == torch.uint8 else part)
        features.append(f)
        logits.append(net.head(f))
    return torch.cat(features), torch.cat(logits)
