"""Chapter 6's images and features, which its studies share."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from tgan_lib import GAN, data, zoo
from tgan_lib.features import FeatureNet, extract, load_features
from tgan_lib.metrics import frechet_between, moments

TABLE = 1000  # images on each side in the table of doctored sets


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rounded(value: float | np.floating, digits: int = 4) -> float:
    """To so many significant digits."""
    return float(f"{value:.{digits}g}")


class Sets:
    """Real and generated images and their features, each computed when it is first asked for."""

    def __init__(self, limit: int | None = None, table: int = TABLE) -> None:
        self.table = table
        self.net: FeatureNet = load_features("mnist-v1", "cpu")
        self.train = data.load("mnist", limit=limit, device="cpu")
        self.test = data.load("mnist", split="test", limit=limit, device="cpu")
        self.gan: GAN = zoo.load("mnist-dcgan", "cpu")

    def features(self, images: Tensor) -> Tensor:
        """Of images in whatever range: some are made wrong on purpose."""
        return extract(self.net, images, floats="any")[0]

    @functools.cached_property
    def train_features(self) -> Tensor:
        return self.features(self.train.data)

    @functools.cached_property
    def test_features(self) -> Tensor:
        return self.features(self.test.data)

    @functools.cached_property
    def reference(self) -> tuple[Tensor, Tensor]:
        """Mean and covariance of all training images."""
        return moments(self.train_features)

    def frechet(self, features: Tensor) -> float:
        return frechet_between(*moments(features), *self.reference)

    def sampled(self, n: int, seed: int, truncation: float = 1.0) -> Tensor:
        return self.features(self.gan.sample(n, seed=seed, truncation=truncation))
