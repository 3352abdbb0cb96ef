"""Chapter 6's studies: how six measures depend on the number of images, and what each of them does not see.

    python book/studies/measuring.py [--quick]

All at features mnist-v1 and for every seed. The main part: all six measures of sets that have one known fault each.

    bias              Fréchet and kernel distance of n images to the training images, n from 100 to 10 000
    silent, resizing  the Fréchet distance after a mistake in reading, scaling or reducing the images
    cost, memory      seconds and mebibytes of each measure
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from measured import labels_of
from measuring_costs import cost, memory
from measuring_mistakes import resizing, silent
from measuring_sets import TABLE, Sets, rng, rounded
from study import Part, Study, command_line
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from tgan_lib.features import FeatureNet
from tgan_lib.metrics import frechet_between, kernel_distance, moments, prdc

SEEDS = (0, 1, 2)
SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)
KERNEL_SIZES = (100, 200, 500, 1000, 2000)
DRAWS = 10  # at most, from one seed: draws share no image
KERNEL = {"subsets": 20, "subset_size": 500}
STATIC_STEPS = 40
K = 5  # neighbours
COSTS = (1000, 2000, 5000, 10_000)


def bias(sets: Sets, seed: int) -> dict[str, Any]:
    """Means over draws, for each kind of images and each n; for the kernel distance their spread too."""
    most = min(SIZES[-1], len(sets.test), len(sets.train) // 2)
    order = torch.randperm(len(sets.train), generator=rng(seed))
    fresh, rest = sets.train_features[order[:most]], sets.train_features[order[most:]]
    tested = sets.test_features[torch.randperm(len(sets.test), generator=rng(seed))[:most]]
    generated = sets.sampled(most, seed)
    kinds = {
        "training images": (fresh, moments(rest)),
        "test images": (tested, sets.reference),
        "DCGAN": (generated, sets.reference),
    }
    found: dict[str, Any] = {}
    for name, (features, reference) in kinds.items():
        curve = []
        for n in (n for n in SIZES if n <= most):
            parts = features[: n * min(DRAWS, most // n)].split(n)
            curve.append(rounded(np.mean([frechet_between(*moments(part), *reference) for part in parts])))
        found[f"{name}, frechet"] = curve
        if name == "training images":
            continue
        means, spreads = [], []
        for n in (n for n in KERNEL_SIZES if n <= most):
            parts = features[: n * min(DRAWS, most // n)].split(n)
            real = rest.split(n)  # as many others of the training images
            estimates = [
                kernel_distance(a, b, subsets=1, subset_size=n).mean
                for a, b in zip(real, parts, strict=False)
            ]
            means.append(rounded(np.mean(estimates)))
            spreads.append(rounded(np.std(estimates, ddof=1)) if len(estimates) > 1 else 0.0)
        found |= {f"{name}, kernel": means, f"{name}, kernel_std": spreads}
    return found


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


def doctored(sets: Sets, name: str, seed: int, steps: int = STATIC_STEPS) -> dict[str, float]:
    """The six measures of the set `name`, and how many images it has."""
    n = min(TABLE, len(sets.test) // 5)
    order = torch.randperm(len(sets.train), generator=rng(seed))
    real = sets.train_features[order[:n]]
    shuffled = torch.randperm(len(sets.test), generator=rng(seed))
    tested, labels = sets.test.data[shuffled], labels_of(sets.test)[shuffled]
    pixels = tested[:n] / 127.5 - 1
    five = sets.test_features[shuffled][labels < 5][:n]
    static = torch.rand(n // 2, 1, 28, 28, generator=rng(seed)) * 2 - 1
    overlaid = torch.maximum(tested[: n // 20], tested[n // 20 : 2 * (n // 20)])

    def gaussian() -> Tensor:
        mean, cov = sets.reference
        values, vectors = torch.linalg.eigh(cov)
        root = vectors * values.clamp(min=0).sqrt()
        noise = torch.randn(n, len(mean), generator=rng(seed), dtype=torch.float64)
        return (mean + noise @ root.T).float()

    def matched() -> Tensor:
        wanted = sets.train_features[order[n : 2 * n]]
        return sets.features(static_with_features(sets.net, wanted, seed, steps))

    makers: dict[str, Callable[[], Tensor]] = {
        "test images": lambda: sets.features(tested[:n]),
        "DCGAN": lambda: sets.sampled(n, seed),
        "blurred": lambda: sets.features(gaussian_blur(pixels, 7, 0.7)),
        "half static": lambda: sets.features(torch.cat([pixels[: n - n // 2], static])),
        "five digits": lambda: five,
        "five digits, overlaid": lambda: torch.cat([five[: n - n // 20], sets.features(overlaid)]),
        "100 copied": lambda: sets.train_features[order[-100:]].repeat(-(-n // 100), 1)[:n],
        "all copied": lambda: real.clone(),
        "Gaussian features": gaussian,
        "static, matched": matched,
    }
    fake = makers[name]()
    kernel = kernel_distance(
        real, fake, subsets=KERNEL["subsets"], subset_size=min(KERNEL["subset_size"], n // 2)
    )
    shares = {key: round(value, 3) for key, value in prdc(real, fake, K)._asdict().items()}
    return {"frechet": rounded(sets.frechet(fake)), "kernel": rounded(kernel.mean), **shares, "n": len(fake)}


DOCTORED = (
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


def make(quick: bool = False) -> Study:
    torch.set_num_threads(1)
    sets = Sets(500 if quick else None)
    sizes = (100,) if quick else COSTS
    settings = {
        "seeds": SEEDS,
        "features": "mnist-v1",
        "sizes": SIZES,
        "kernel_sizes": KERNEL_SIZES,
        "draws": DRAWS,
        "table": TABLE,
        "kernel": KERNEL,
        "k": K,
        "static_steps": STATIC_STEPS,
        "cost_sizes": sizes,
        "doctored": DOCTORED,
    }
    steps = 2 if quick else STATIC_STEPS
    every_seed = {"seed": SEEDS}
    return Study(
        "measuring",
        {"set": DOCTORED, "seed": SEEDS},
        settings,
        lambda **at: doctored(sets, at["set"], at["seed"], steps),  # "set" is Python's own name
        before=[Part("bias", every_seed, lambda seed: bias(sets, seed))],
        after=[
            Part("silent", every_seed, lambda seed: silent(sets, seed)),
            Part("resizing", every_seed, lambda seed: resizing(seed, 100 if quick else 2 * TABLE)),
            Part("cost", every_seed, lambda seed: cost(sets, seed, sizes)),
            Part("memory", {}, lambda: {} if quick else memory(sizes[-1:])),
        ],
        smallest={"set": ("DCGAN", "five digits, overlaid", "static, matched")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
