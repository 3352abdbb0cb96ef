"""Chapter 6's sets of images that have one known fault each."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from measured import labels_of
from measuring_sets import Sets, rng
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from tgan_lib.features import FeatureNet
from tgan_lib.metrics import kernel_distance, prdc

FRAUDS = (
    "test images",
    "DCGAN",
    "blurred",
    "half static",
    "five digits",
    "five digits, overlaid",
    "100 copied",
    "all copied",
    "Gaussian features",
    "static, matched",
)
STATIC_STEPS = 40
KERNEL = {"subsets": 20, "subset_size": 500}
K = 5  # neighbours


def how_many(sets: Sets) -> int:
    """Images of a set, and real images that it is compared with."""
    return min(sets.table, len(sets.test) // 5)


def real_places(sets: Sets, seed: int) -> Tensor:
    """Training images in an order: the first `how_many` are compared with, the last 100 the photocopier's."""
    return torch.randperm(len(sets.train), generator=rng(seed))


def static_with_features(net: FeatureNet, wanted: Tensor, seed: int, steps: int) -> Tensor:
    """Images that begin as faint static and are moved, pixel by pixel, until their features are `wanted`."""
    x = (0.4 * torch.rand(len(wanted), 1, 28, 28, generator=rng(seed)) - 1).requires_grad_()
    adam = torch.optim.Adam([x], lr=0.2, betas=(0.5, 0.99))
    slower = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    for _ in range(steps):
        loss = (net.features(x) - wanted).square().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
        slower.step()
        x.data.clamp_(-1, 1)
    return x.detach()


@functools.lru_cache(maxsize=16)  # two judges see one set
def fraud(sets: Sets, name: str, seed: int, steps: int = STATIC_STEPS) -> Tensor:
    """The images of the set `name`, (n, 1, 28, 28) floats in [-1, 1]; the Gaussian has none."""
    n = how_many(sets)
    order = real_places(sets, seed)
    shuffled = torch.randperm(len(sets.test), generator=rng(seed))
    tested, labels = sets.test.data[shuffled], labels_of(sets.test)[shuffled]
    five = tested[labels < 5][:n]
    overlaid = torch.maximum(tested[: n // 20], tested[n // 20 : 2 * (n // 20)])

    def floats(images: Tensor) -> Tensor:
        return images / 127.5 - 1

    def half_static() -> Tensor:
        static = torch.rand(n // 2, 1, 28, 28, generator=rng(seed)) * 2 - 1
        return torch.cat([floats(tested[: n - n // 2]), static])

    def matched() -> Tensor:
        wanted = sets.train_features[order[n : 2 * n]]
        return static_with_features(sets.net, wanted, seed, steps)

    makers: dict[str, Callable[[], Tensor]] = {
        "test images": lambda: floats(tested[:n]),
        "DCGAN": lambda: sets.gan.sample(n, seed=seed),
        "blurred": lambda: gaussian_blur(floats(tested[:n]), 7, 0.7),
        "half static": half_static,
        "five digits": lambda: floats(five),
        "five digits, overlaid": lambda: floats(torch.cat([five[: n - n // 20], overlaid])),
        "100 copied": lambda: floats(sets.train.data[order[-100:]].repeat(-(-n // 100), 1, 1, 1)[:n]),
        "all copied": lambda: floats(sets.train.data[order[:n]]),
        "static, matched": matched,
    }
    return makers[name]()


def gaussian(n: int, mean: Tensor, cov: Tensor, seed: int) -> Tensor:
    """Features (n, d) of no image: drawn from a Gaussian."""
    values, vectors = torch.linalg.eigh(cov)
    root = vectors * values.clamp(min=0).sqrt()
    noise = torch.randn(n, len(mean), generator=rng(seed), dtype=torch.float64)
    return (mean + noise @ root.T).float()


def against(real: Tensor, fake: Tensor) -> dict[str, float]:
    """The five measures of a table that compare as many real features with those of a set."""
    kernel = kernel_distance(
        real, fake, subsets=KERNEL["subsets"], subset_size=min(KERNEL["subset_size"], len(real) // 2)
    )
    shares = {key: round(value, 3) for key, value in prdc(real, fake, K)._asdict().items()}
    return {"kernel": float(f"{kernel.mean:.4g}"), **shares}
