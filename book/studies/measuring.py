"""Chapter 6's studies: how six measures depend on the number of images, and what each of them does not see.

    python book/studies/measuring.py [--quick]

All at features mnist-v1 and for every seed. The main part: all six measures of sets that have one known fault each.

    bias              Fréchet and kernel distance of n images to the training images, n from 100 to 10 000
    silent, resizing  the Fréchet distance after a mistake in reading, scaling or reducing the images
    cost, memory      seconds and mebibytes of each measure
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from measuring_costs import cost, memory
from measuring_frauds import FRAUDS, KERNEL, STATIC_STEPS, K, against, fraud, gaussian, how_many, real_places
from measuring_mistakes import resizing, silent
from measuring_sets import TABLE, Sets, rng, rounded
from study import Part, Study, command_line

from tgan_lib.metrics import frechet_between, kernel_distance, moments

SEEDS = (0, 1, 2)
SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)
KERNEL_SIZES = (100, 200, 500, 1000, 2000)
DRAWS = 10  # at most, from one seed: draws share no image
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


def doctored(sets: Sets, name: str, seed: int, steps: int = STATIC_STEPS) -> dict[str, float]:
    """The six measures of the set `name`, and how many images it has."""
    n = how_many(sets)
    real = sets.train_features[real_places(sets, seed)[:n]]
    if name == "Gaussian features":
        fake = gaussian(n, *sets.reference, seed)
    else:
        fake = sets.features(fraud(sets, name, seed, steps))
    return {"frechet": rounded(sets.frechet(fake)), **against(real, fake), "n": len(fake)}


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
        "doctored": FRAUDS,
    }
    steps = 2 if quick else STATIC_STEPS
    every_seed = {"seed": SEEDS}
    return Study(
        "measuring",
        {"set": FRAUDS, "seed": SEEDS},
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
