"""Chapter 12's study: how many layers of D, or of G, to freeze, from which end, with 100 images and with 10.

    python book/studies/freezing.py [--steps 500] [--long 1500] [--every 125] [--samples 1000] [--out FILE]

A shipped GAN of digits goes on with letters; all runs make the same steps, and plain fine-tuning and FreezeD with one
layer go on for three times as long, so that overfitting has time to come. What a step costs is measured apart and
first, in turns. Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from adaptation import (
    FEATURES,
    SAMPLES,
    TRAINED,
    Pair,
    digits_to_letters,
    parameters,
    run_way,
    spread,
    stored,
)
from stability import costs
from study import RESULTS, run_cells

from tgan_lib import GAN, Distance, few_shot
from tgan_lib.features import extract
from tgan_lib.metrics import (
    discriminator_overfitting,
    frechet_between,
    judge,
    membership_auc,
    memorisation,
    moments,
)
from tgan_lib.networks import layers as layers_of
from tgan_lib.transfer import freeze_generator, start_from
from tgan_lib.transfer.strategies import STRATEGIES, Strategy

SEEDS = (0, 1, 2)
JUDGED = 500  # samples whose logits are taken


def freeze_g(source: GAN, seed: int, layers: int = 1) -> Strategy:
    """Fine-tuning with the `layers` layers of G nearest the latent frozen."""
    return freeze_generator(start_from(source, seed=seed), layers), {}


def freeze_logit_end(gan: GAN, count: int) -> GAN:
    """The `count` layers of D nearest the *logit* stop training: the wrong end, as a control."""
    every = layers_of(gan.discriminator)
    for layer in every[len(every) - count :]:
        for child in layer:
            child.requires_grad_(False)
    return gan


def freeze_d_logit_end(source: GAN, seed: int, layers: int = 1) -> Strategy:
    """Fine-tuning with the `layers` layers of D nearest the logit frozen."""
    return freeze_logit_end(start_from(source, seed=seed), layers), {}


STRATEGIES["freeze_g"] = freeze_g
STRATEGIES["freeze_d_logit_end"] = freeze_d_logit_end

# The study's names: a way, and its settings. "D 2" is FreezeD with two layers.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("fine_tune", {}),
    "D 1": ("freeze_d", {"layers": 1}),
    "D 2": ("freeze_d", {"layers": 2}),
    "G 1": ("freeze_g", {"layers": 1}),
    "G 2": ("freeze_g", {"layers": 2}),
    "D 1, logit end": ("freeze_d_logit_end", {"layers": 1}),
    "D 2, logit end": ("freeze_d_logit_end", {"layers": 2}),
    "scratch": ("scratch", {}),
}
LONG = ("plain", "D 1")  # at 100 images
FEWER = ("plain", "D 1", "D 2")  # these also at 10 images


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
        fake = extract(self.distance.net, samples)[0]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--long", type=int, default=1500, help="steps of the runs that go on")
    parser.add_argument("--every", type=int, default=125, help="steps from one reading to the next")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--rounds", type=int, default=7, help="of measuring what a step costs")
    parser.add_argument("--out", type=Path, default=RESULTS / "freezing.json")
    arguments = parser.parse_args()
    pair = digits_to_letters()
    distance = pair.distance(arguments.samples)

    def compute(cell: str) -> dict[str, Any]:
        if cell == "costs":
            builds = {
                name: (partial(build, pair.source, way, given), TRAINED)
                for name, (way, given) in RUNS.items()
                if name != "scratch"
            }
            return costs(builds, few_shot(pair.pool, 100, seed=0), arguments.rounds, steps=12)
        name, n, seed = known[cell]
        way, given = RUNS[name]
        reader = Reader(pair, distance, n, seed)
        steps = arguments.long if name in LONG and n == 100 else arguments.steps
        gan, _ = run_way(pair, reader, way, n, seed, steps, steps // arguments.every, settings=given)
        print(f"{cell}: {reader.found['distance']}", flush=True)
        return reader.found | parameters(gan)

    settings = {
        "steps": list(range(arguments.every, arguments.steps + 1, arguments.every)),
        "long_steps": list(range(arguments.every, arguments.long + 1, arguments.every)),
        "long": list(LONG),
        "seeds": list(SEEDS),
        "samples": distance.n,
        "features": FEATURES,
        "runs": {name: [way, given] for name, (way, given) in RUNS.items()},
        "fewer": list(FEWER),
        "source_distance": round(distance(pair.source), 3),
        "floor": round(distance.of_images(pair.pool.data), 3),
        "trained": stored(TRAINED),
        "threads": torch.get_num_threads(),
        "data": pair.pool.name,
    }
    # the long runs first; should the script be stopped, every group before that place is whole
    groups = [(LONG, 100), (tuple(name for name in RUNS if name not in LONG), 100), (FEWER, 10)]
    known = {
        f"{name}, {n} images seed {seed}": (name, n, seed)
        for names, n in groups
        for seed in SEEDS
        for name in names
    }
    run_cells(arguments.out, "book/studies/freezing.py", settings, ["costs", *known], compute)


def build(source: GAN, way: str, given: dict[str, Any]) -> GAN:
    """A GAN made ready as the way wants it."""
    return STRATEGIES[way](source, 0, **given)[0]


if __name__ == "__main__":
    main()
