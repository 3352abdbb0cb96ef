"""What the studies of Part III share: sources and targets, one run of one way, and all that is measured after it.

A target's images are two parts: a pool, from which the few are drawn, and images held out, against which everything
is measured. All distances are through one feature network, so that they may stand in one table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from measured import limit
from torch import Tensor

from tgan_lib import GAN, Distance, data, few_shot, zoo
from tgan_lib.features import extract
from tgan_lib.metrics import (
    discriminator_overfitting,
    frechet_between,
    frechet_distance,
    judge,
    kernel_distance,
    membership_auc,
    memorisation,
    moments,
    prdc,
)
from tgan_lib.transfer import trainable
from tgan_lib.transfer.strategies import Strategy, adapt

FEATURES = "mnist-v1"
SAMPLES = 1000
JUDGED = 500  # samples whose logits are taken on the way
# What every way is trained with, unless a study says otherwise. The batch is as small as the sets are.
TRAINED: dict[str, Any] = {
    "batch_size": 16,
    "learning_rate": (1e-3, 5e-4),
    "betas": (0.5, 0.9),
    "ema_half_life": 1000,
    "penalties": {"r1": 0.1},
    "penalty_every": 4,
}


@dataclass(frozen=True)
class Pair:
    """A source GAN, and a target's images in two parts that share none."""

    source: GAN
    pool: data.Images
    held_out: data.Images

    def distance(self, n: int = SAMPLES) -> Distance:
        return Distance(self.held_out, features=FEATURES, n=n)


def digits_to_letters() -> Pair:
    """From MNIST's digits to Omniglot's Latin and Greek letters, 20 drawings of each of 50."""
    letters = data.load("omniglot:Latin,Greek", size=28, limit=limit())
    return Pair(zoo.load("mnist-dcgan"), *data.split(letters, 0.5))


def letters_to_digits() -> Pair:
    """From Omniglot's characters to MNIST's digits; 2,000 of the 10,000 test images are held out."""
    return Pair(
        zoo.load("omniglot-dcgan"),
        data.load("mnist", limit=limit()),
        data.load("mnist", split="test", limit=limit(2000)),
    )


PAIRS: dict[str, Callable[[], Pair]] = {
    "digits to letters": digits_to_letters,
    "letters to digits": letters_to_digits,
}


def spread(features: Tensor) -> float:
    """The mean distance between two of (n, d) features: what falls when samples grow alike."""
    return float(torch.pdist(features.double()).mean())


def run_way(
    pair: Pair,
    distance: Distance,
    way: str | Strategy,
    n: int,
    seed: int,
    steps: int,
    readings: int,
    *,
    settings: dict[str, Any] | None = None,
    **trained: Any,
) -> tuple[GAN, dict[str, Any]]:
    """Adapt to `n` images drawn with `seed`; the GAN, and its distance `readings` times on the way, evenly in steps."""
    images = few_shot(pair.pool, n, seed=seed)
    gan, history = adapt(
        pair.source,
        images,
        way,
        settings=settings,
        seed=seed,
        steps=steps,
        metric=distance,
        metric_every=steps // readings,
        progress=False,
        **(TRAINED | trained),
    )
    return gan, {"distance": [round(d, 2) for d in history["distance"]]}


class Reader:
    """What is read of a GAN on its way: its distance, which is returned, and what says that it overfits.

    `found` holds a list for each: distance; train, held_out and fake, D's mean logits; r_t; auc, how well logits
    tell the few images from those held out; copied, the share of samples nearer to the few images than all but 5 %
    of the images held out; spread, of the samples' features, as a multiple of that of the images held out.
    """

    def __init__(self, pair: Pair, distance: Distance, n: int, seed: int) -> None:
        self.pair, self.distance = pair, distance
        self.images = few_shot(pair.pool, n, seed=seed)
        self.shots = extract(distance.net, self.images.data)[0]
        self.found: dict[str, list[float]] = {}

    def __call__(self, gan: GAN) -> float:
        samples = gan.sample(self.distance.n, seed=self.distance.seed)
        fake = extract(self.distance.net, samples, floats="any")[0]
        distance = frechet_between(*moments(fake), self.distance.mean, self.distance.cov)
        train, held_out, judged = (judge(gan, x) for x in (self.images, self.pair.held_out, samples[:JUDGED]))
        read = {
            "distance": distance,
            "train": float(train.mean()),
            "held_out": float(held_out.mean()),
            "fake": float(judged.mean()),
            "r_t": discriminator_overfitting(train, held_out, judged).r_t,
            "auc": membership_auc(train, held_out),
            "copied": memorisation(fake, self.shots, self.distance.real).share,
            "spread": spread(fake) / spread(self.distance.real),
        }
        for name, value in read.items():
            self.found.setdefault(name, []).append(round(value, 3))
        return distance


def report(gan: GAN, pair: Pair, distance: Distance, n: int, seed: int) -> dict[str, float]:
    """What a table says of a GAN adapted to the `n` images of `seed`, by name, from one set of samples.

    frechet, kernel (times 1000), precision, recall, density, coverage (k = 3, as many samples as images held out, at
    most 1000); spread, of the samples' features as a multiple of that of the images held out; copied, the share of
    samples nearer to the n images than all but 5 % of the images held out are, and copy_z, its score; auc, how well
    D's logits tell the n images from those held out; r_t and r_v.
    """
    images = few_shot(pair.pool, n, seed=seed)
    fake = distance.sampled(gan)
    shots = extract(distance.net, images.data)[0]
    real = distance.real[: len(fake)]
    m = min(len(real), len(fake))
    found = prdc(real[:m], fake[:m], 3)._asdict()
    copied = memorisation(fake, shots, real)
    kernel = kernel_distance(real, fake, subsets=50, subset_size=min(500, m))
    logits = [judge(gan, x) for x in (images, pair.held_out.subset(range(m)), gan.sample(m, seed=1))]
    over = discriminator_overfitting(*logits)
    return {
        name: round(float(value), 4)
        for name, value in {
            "frechet": frechet_distance(fake, extract(distance.net, pair.held_out.data)[0]),
            "kernel": 1000 * kernel.mean,
            **found,
            "spread": spread(fake) / spread(real),
            "copied": copied.share,
            "copy_z": copied.z,
            "auc": membership_auc(logits[0], logits[1]),
            "r_t": over.r_t,
            "r_v": over.r_v,
        }.items()
    }


def parameters(gan: GAN) -> dict[str, int]:
    """How many parameters of G and of D train."""
    return {name: count["trainable"] for name, count in trainable(gan).items()}


def few_samples(gan: GAN, n: int = 16) -> Tensor:
    """The same `n` latents' samples, uint8 (n, C, H, W)."""
    return data.to_uint8(gan.sample(n, seed=3))
