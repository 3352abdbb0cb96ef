"""Chapter 6: the Fréchet distance after a mistake in reading, scaling or reducing the images, which nothing reports."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measuring_sets import TABLE, Sets, rng, rounded
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from tgan_lib import data
from tgan_lib.data import resize
from tgan_lib.features import FeatureNet, extract, load_features
from tgan_lib.metrics import frechet_distance


def by_way_of(images: Tensor, size: int, antialias: bool) -> Tensor:
    """Enlarged to `size` and back to 28 pixels, both bilinear."""
    larger = interpolate(images, (size, size), mode="bilinear")
    return interpolate(larger, (28, 28), mode="bilinear", antialias=antialias)


def as_jpeg(images: Tensor, quality: int) -> Tensor:
    """Floats (n, 1, H, W) in [-1, 1], written as JPEG and read again."""
    read = []
    for picture in ((images[:, 0] + 1) * 127.5).round().to(torch.uint8).numpy():
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        read.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(read))[:, None] / 127.5 - 1


@torch.no_grad()
def features_in_train_mode(net: FeatureNet, images: Tensor, batch_size: int = 100) -> Tensor:
    """Batch normalisation then uses each batch's own mean and variance. A copy: they would be kept, too."""
    net = copy.deepcopy(net).train()
    return torch.cat([net.features(part) for part in images.split(batch_size)])


def silent(sets: Sets, seed: int) -> dict[str, Any]:
    """Fréchet distances to all training images: {mistake: [of test images, of samples]}; and of resizing."""
    n = min(TABLE, len(sets.test) // 2)
    order = torch.randperm(len(sets.test), generator=rng(seed))
    images = [sets.test.data[order[:n]] / 127.5 - 1, sets.gan.sample(n, seed=seed)]
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        "none": lambda x: x,
        "bytes cut off, not rounded": lambda x: ((x + 1) * 127.5).to(torch.uint8) / 127.5 - 1,
        "JPEG, quality 90": lambda x: as_jpeg(x, 90),
        "JPEG, quality 75": lambda x: as_jpeg(x, 75),
        "by way of 32 pixels": lambda x: by_way_of(x, 32, True),
        "by way of 32, aliased": lambda x: by_way_of(x, 32, False),
        "shifted by a pixel": lambda x: x.roll(1, 3),
        "range 0 to 1": lambda x: (x + 1) / 2,
    }
    found: dict[str, Any] = {
        name: [rounded(sets.frechet(sets.features(change(x)))) for x in images]
        for name, change in changes.items()
    }
    trained = [features_in_train_mode(sets.net, x) for x in images]
    found["features in train mode"] = [rounded(sets.frechet(x)) for x in trained]
    few = [sets.features(x[: n // 4]) for x in images]
    found["a quarter of the images"] = [rounded(sets.frechet(x)) for x in few]
    # the same two mistakes on one side or on both: against n training images only, so that these can be made too
    real = sets.train.data[torch.randperm(len(sets.train), generator=rng(seed))[:n]] / 127.5 - 1
    plain = [sets.features(x) for x in (real, *images)]
    wrong = {
        "JPEG, quality 75": [sets.features(as_jpeg(x, 75)) for x in (real, *images)],
        "features in train mode": [features_in_train_mode(sets.net, real), *trained],
    }
    for name, (reference, *others) in wrong.items():
        pairs = {"neither": plain, "generated": [plain[0], *others], "both": [reference, *others]}
        found[f"{name}, by side"] = {
            side: [rounded(frechet_distance(one, first)) for one in rest]
            for side, (first, *rest) in pairs.items()
        }
    return found


def resizing(seed: int, limit: int = 2000) -> dict[str, float]:
    """Omniglot's drawings at 28 pixels: the distance of other ways to reduce them to `pixels.resize`."""
    net = load_features("mnist-v1", "cpu")
    drawn = data.load("omniglot", limit=limit, device="cpu").data
    drawn = drawn[torch.randperm(len(drawn), generator=rng(seed))[: len(drawn) // 2]]
    right, floats = extract(net, resize(drawn, 28))[0], drawn / 127.5 - 1

    def distance(mode: str, **options: bool) -> float:
        small = interpolate(floats, (28, 28), mode=mode, **options).clamp(-1, 1)  # bicubic overshoots
        return rounded(frechet_distance(extract(net, small)[0], right))

    return {
        "bilinear, antialiased": distance("bilinear", antialias=True),
        "bilinear": distance("bilinear", antialias=False),
        "bicubic": distance("bicubic", antialias=False),
        "nearest": distance("nearest"),
    }
