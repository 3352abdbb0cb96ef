"""Chapter 6: the same frauds before a second judge, the two floors, and how near samples lie to training images.

    python book/studies/measuring_judges.py [--quick]

The main part: all six measures of chapter 6's sets, seen through mnist-v1 and through EfficientNet-Lite0. Both see the
same images, fewer than in `measuring`, for the second network is slow.

    floor      the Fréchet distance of real images, by where the real images come from, for each judge
    nearest    the distance to the nearest training image, of samples and of copies, against that of test images
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from measuring_frauds import FRAUDS, KERNEL, STATIC_STEPS, K, against, fraud, gaussian, how_many, real_places
from measuring_sets import Sets, rng, rounded
from study import Part, Study, command_line
from torch import Tensor

from tgan_lib.features import extract, load_features
from tgan_lib.metrics import frechet_between, memorisation, moments

SEEDS = (0, 1, 2)
JUDGES = ("mnist-v1", "efficientnet-lite0")
N = 300  # images of a set, and real images that it is compared with
REFERENCE = 1500  # training images that the Fréchet distance is from
FLOOR_SIZES = (1000, 5000)
DRAWS = 5
SHIFTED = "copied, a pixel to the right"
NEAREST = ("DCGAN", "100 copied", SHIFTED, "a tenth copied")


class Judged:
    """What a judge sees: each image once, for the second is slow."""

    def __init__(self, sets: Sets, judge: str) -> None:
        self.sets, self.net = sets, load_features(judge, "cpu")
        self.known: dict[bytes, Tensor] = {}
        self.places = torch.randperm(len(sets.train), generator=rng(1234))[:REFERENCE]

    def features(self, images: Tensor) -> Tensor:
        """Of floats in [-1, 1]."""
        keys = [image.numpy().tobytes() for image in images]
        new = {key: i for i, key in enumerate(keys) if key not in self.known}
        if new:
            self.known |= zip(
                new, extract(self.net, images[list(new.values())], floats="any")[0], strict=True
            )
        return torch.stack([self.known[key] for key in keys])

    @property
    def train(self) -> Tensor:
        """Of the training images that stand for all."""
        return self.features(self.sets.train.data[self.places] / 127.5 - 1)

    def table(self, name: str, seed: int, steps: int) -> dict[str, float]:
        """The six measures of the set `name`."""
        reference, real = moments(self.train), self.features(fraud(self.sets, "all copied", seed))
        if name == "Gaussian features":
            fake = gaussian(len(real), *reference, seed)
        else:
            fake = self.features(fraud(self.sets, name, seed, steps))
        found = frechet_between(*moments(fake), *reference)
        return {"frechet": rounded(found), **against(real, fake), "n": len(fake)}


def floors(train: Tensor, test: Tensor, sizes: tuple[int, ...], seed: int) -> dict[str, list[float]]:
    """The Fréchet distance of n real images, the mean over draws that share none: a value for each n.

    "a part": of training images, from all others. "held out": of test images, from all training images. "copies":
    of training images, from all, these among them. "fitted": of a Gaussian with the mean and covariance of all.
    """
    order, tests = (torch.randperm(len(x), generator=rng(seed)) for x in (train, test))
    whole = moments(train)
    found: dict[str, list[float]] = {name: [] for name in ("a part", "held out", "copies", "fitted")}

    def mean(draws: list[float]) -> float:
        return rounded(np.mean(draws))

    for n in sizes:
        draws = min(DRAWS, len(test) // n)
        parts, others = order[: n * draws].split(n), tests[: n * draws].split(n)
        rests = [torch.cat([order[: i * n], order[(i + 1) * n :]]) for i in range(draws)]
        found["a part"].append(
            mean(
                [
                    frechet_between(*moments(train[p]), *moments(train[r]))
                    for p, r in zip(parts, rests, strict=True)
                ]
            )
        )
        found["held out"].append(mean([frechet_between(*moments(test[p]), *whole) for p in others]))
        found["copies"].append(mean([frechet_between(*moments(train[p]), *whole) for p in parts]))
        drawn = [gaussian(n, *whole, DRAWS * seed + i) for i in range(draws)]
        found["fitted"].append(mean([frechet_between(*moments(x), *whole) for x in drawn]))
    return found


def copied(sets: Sets, name: str, seed: int) -> Tensor:
    """Images with more or less of the training set in them, floats (n, 1, 28, 28)."""
    n, order = how_many(sets), real_places(sets, seed)
    if name == SHIFTED:
        return (sets.train.data[order[:n]] / 127.5 - 1).roll(1, 3)
    if name == "a tenth copied":
        made = fraud(sets, "DCGAN", seed).clone()
        made[: n // 10] = sets.train.data[order[: n // 10]] / 127.5 - 1
        return made
    return fraud(sets, name, seed)


def nearest(sets: Sets, name: str, seed: int, pixels: bool = False) -> dict[str, float]:
    """`metrics.memorisation` of a set, against as many test images, by features or by pixels."""
    images = copied(sets, name, seed)
    new = sets.test.data[torch.randperm(len(sets.test), generator=rng(seed))[: len(images)]]
    if pixels:
        whole = sets.train.data / 127.5 - 1
        ours, train, held = (x.flatten(1) for x in (images, whole, new / 127.5 - 1))
    else:
        ours, train, held = sets.features(images), sets.train_features, sets.features(new)
    return {key: round(value, 3) for key, value in memorisation(ours, train, held)._asdict().items()}


def make(quick: bool = False) -> Study:
    torch.set_num_threads(1)
    sets = Sets(60 if quick else None, N)
    nets = {judge: Judged(sets, judge) for judge in (JUDGES[:1] if quick else JUDGES)}
    steps = 2 if quick else STATIC_STEPS
    sizes = (10,) if quick else FLOOR_SIZES

    def floor(judge: str, seed: int) -> dict[str, Any]:
        if judge == JUDGES[0]:
            return floors(sets.train_features, sets.test_features, sizes, seed)
        places = torch.randperm(len(sets.test), generator=rng(1234))[: 2 * N]
        tests = nets[judge].features(sets.test.data[places] / 127.5 - 1)
        return floors(nets[judge].train, tests, (N,), seed)

    settings = {
        "seeds": SEEDS,
        "judges": JUDGES,
        "n": N,
        "reference": REFERENCE,
        "kernel": KERNEL,
        "k": K,
        "static_steps": STATIC_STEPS,
        "floor_sizes": FLOOR_SIZES,
        "draws": DRAWS,
    }
    return Study(
        "measuring_judges",
        {"judge": JUDGES, "set": FRAUDS, "seed": SEEDS},
        settings,
        lambda **at: nets[at["judge"]].table(at["set"], at["seed"], steps),
        before=[
            Part(
                "nearest", {"set": NEAREST, "seed": SEEDS}, lambda **at: nearest(sets, at["set"], at["seed"])
            ),
        ],
        after=[
            Part("floor", {"judge": JUDGES, "seed": SEEDS}, floor),
            Part(
                "pixels",
                {"set": (SHIFTED,), "seed": SEEDS},
                lambda **at: nearest(sets, at["set"], at["seed"], pixels=True),
            ),
        ],
        smallest={"judge": JUDGES[:1], "set": ("a tenth copied", "DCGAN")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
