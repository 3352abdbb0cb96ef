"""Chapter 15's study: what D is shown. DiffAugment and ADA on 100 letters and on 10, and leaks made on purpose.

    python book/studies/augmentation.py [--quick]

Two experiments, both from the shipped GAN of digits. To letters: plain fine-tuning, DiffAugment with three policies,
ADA, and the classical mistake of changing the real images alone. To mirrored digits: the probability p of a random
x-flip is fixed, and the share of samples that are still the right way round is measured; at p = 1 nothing tells D
which way round is wanted. Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from adaptation import FEATURES, SAMPLES, TRAINED, Pair, Reader, digits_to_letters, run_way
from measured import costs, limit
from study import Part, Study, command_line
from torch import Tensor

from tgan_lib import ADA, GAN, DiffAugment, data, few_shot
from tgan_lib.augment import Augment, leaks
from tgan_lib.transfer import start_from

SEEDS = (0, 1, 2)
STEPS, EVERY = 500, 100  # from one reading to the next
ALL_THREE = "color,translation,cutout"
# The authors' 500 000 images (100 000 when transferring) are more than the 8 000 of a run here, so that p would hardly
# leave 0: this pace is 20 times that of transferring.
IMAGES_TO_ONE = 5000
LOG_EVERY = 25  # steps over which r_t is averaged


class RealsOnly(DiffAugment):
    """DiffAugment of the real images alone, as a data loader would do it: the classical mistake.

    `train` asks for three batches a step: D's reals, D's fakes, G's fakes. The first of them is changed.
    """

    calls = 0

    def change(self, images: Tensor, rng: torch.Generator | None) -> Tensor:
        self.calls += 1
        return super().change(images, rng) if self.calls % 3 == 1 else images


class Watched(Augment):
    """Another augmentation, or none, that notes r_t, the mean sign of D's logits of the real images it is shown.

    r_t and p hold one number for each record of the run's history, over the steps since the record before.
    """

    def __init__(self, inner: Augment | None = None) -> None:
        self.inner = inner
        self.every = 1 if inner is None else inner.every
        self.signs: list[Tensor] = []
        self.r_t: list[float] = []
        self.p: list[float] = []

    def change(self, images: Tensor, rng: torch.Generator | None) -> Tensor:
        return images if self.inner is None else self.inner.change(images, rng)

    def observe(self, real_logits: Tensor) -> None:
        self.signs.append(real_logits.sign().mean())
        if self.inner is not None:
            self.inner.observe(real_logits)

    def adjust(self, batch_size: int) -> None:
        if self.inner is not None:
            self.inner.adjust(batch_size)

    def readings(self) -> dict[str, float]:
        self.r_t.append(round(float(torch.stack(self.signs).mean()), 3))
        self.signs.clear()
        if isinstance(self.inner, ADA):
            self.p.append(round(float(self.inner.p), 4))
        return {"r_t": self.r_t[-1]}

    def to(self, device: torch.device | str) -> Augment:
        if self.inner is not None:
            self.inner.to(device)
        return self

    def settings(self) -> dict[str, Any]:
        return {"name": "watched", "inner": None if self.inner is None else self.inner.settings()}


RUNS: dict[str, Callable[[], Augment | None]] = {
    "plain": lambda: None,
    "colour": lambda: DiffAugment("color"),
    "translation": lambda: DiffAugment("translation"),
    "all three": lambda: DiffAugment(ALL_THREE),
    "ADA": lambda: ADA(images_to_one=IMAGES_TO_ONE),
    "reals only": lambda: RealsOnly(ALL_THREE),
}
FEWER = ("plain", "all three", "ADA")  # these also with 10 images
MIRRORS = (0.0, 0.5, 1.0)  # p of the random x-flip
MIRRORED = 500  # mirrored digits to learn from


def mirrored(images: data.Images) -> data.Images:
    """Every image left to right."""
    return replace(images, data=images.data.flip(3).contiguous())


def digits_to_mirrored_digits() -> Pair:
    """From MNIST's digits to their mirror images."""
    test = data.load("mnist", split="test", limit=limit())
    test = few_shot(test, min(2000, len(test)), seed=0)
    return Pair(digits_to_letters().source, mirrored(data.load("mnist", limit=limit())), mirrored(test))


class MirrorReader:
    """The share of a GAN's samples that are still the right way round, though the target is mirrored."""

    def __init__(self, pair: Pair, samples: int) -> None:
        self.real, self.samples = pair.held_out.batch(range(len(pair.held_out))), samples
        self.share: list[float] = []

    def __call__(self, gan: GAN) -> float:
        self.share.append(round(leaks(gan.sample(self.samples, seed=1), self.real, lambda x: x.flip(3)), 3))
        return self.share[-1]


def leak(gan: GAN, pair: Pair, augment: Augment, samples: int) -> float:
    """The share of a GAN's samples that look as if `augment` had changed them."""
    real = pair.held_out.batch(range(len(pair.held_out)))
    transform = lambda x: augment(x, torch.Generator().manual_seed(0))  # noqa: E731
    return round(leaks(gan.sample(samples, seed=1), real, transform), 3)


def make(quick: bool = False) -> Study:
    whole, every, samples, log_every = (5, 4, 100, 1) if quick else (STEPS, EVERY, SAMPLES, LOG_EVERY)
    # with 10 images overfitting comes sooner
    lengths = {"mirrored": whole * 4 // 5, 100: whole, 10: whole * 3 // 5}
    pair, mirrors = digits_to_letters(), digits_to_mirrored_digits()
    distance = pair.distance(samples)

    def cost() -> dict[str, Any]:
        given = {
            name: (lambda: start_from(pair.source), TRAINED | {"augment": make_augmentation()})
            for name, make_augmentation in RUNS.items()
            if name != "reals only"
        }
        return costs(
            given, few_shot(pair.pool, 100, seed=0), rounds=1 if quick else 5, steps=1 if quick else 8
        )

    def flip(p: float, seed: int) -> dict[str, Any]:
        mirror, steps = MirrorReader(mirrors, samples), lengths["mirrored"]
        n = min(MIRRORED, len(mirrors.pool))  # a quick run has fewer
        chosen = ADA("xflip", images_to_one=None, p=p)
        run_way(mirrors, mirror, "fine_tune", n, seed, steps, steps // every, augment=chosen)
        print(f"flips with p {p}, seed {seed}: {mirror.share}", flush=True)
        return {"share": mirror.share}

    def compute(run: str, n: int, seed: int) -> dict[str, Any]:
        watched, read = Watched(RUNS[run]()), Reader(pair, distance, n, seed)
        steps = lengths[n]
        shown: dict[str, Any] = {"augment": watched, "log_every": log_every}
        gan, _ = run_way(pair, read, "fine_tune", n, seed, steps, steps // every, **shown)
        print(f"{run}, {n} images, seed {seed}: {read.found['distance']}", flush=True)
        return read.found | {
            "seen_r_t": watched.r_t,
            "p": watched.p,
            "leak_all_three": leak(gan, pair, DiffAugment(ALL_THREE), samples),
            "leak_ada": leak(gan, pair, ADA(images_to_one=None, p=1), samples),
        }

    settings = {
        "steps": list(range(every, lengths[100] + 1, every)),
        "mirrored_steps": list(range(every, lengths["mirrored"] + 1, every)),
        "logged": list(range(log_every, lengths[100] + 1, log_every)),
        "seeds": SEEDS,
        "samples": distance.n,
        "features": FEATURES,
        "runs": tuple(RUNS),
        "fewer": FEWER,
        "images_to_one": IMAGES_TO_ONE,
        "mirrors": MIRRORS,
        "mirrored": MIRRORED,
        "source_share": MirrorReader(mirrors, samples)(mirrors.source),
        "source_distance": round(distance(pair.source), 3),
        "source_leak": leak(pair.source, pair, DiffAugment(ALL_THREE), samples),
        "floor": round(distance.of_images(pair.pool.data), 3),
        "trained": TRAINED,
        "threads": torch.get_num_threads(),
        "data": pair.pool.name,
    }
    return Study(
        "augmentation",
        {"run": tuple(RUNS), "n": (100, 10), "seed": SEEDS},
        settings,
        compute,
        only=lambda run, n, seed: n == 100 or run in FEWER,
        before=[Part("costs", {}, cost), Part("mirror", {"p": MIRRORS, "seed": SEEDS}, flip)],
        smallest={"run": ("ADA", "reals only"), "p": (0.5,)} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
