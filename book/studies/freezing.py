"""Chapter 12's study: how many layers of D, or of G, to freeze, from which end, with 100 images and with 10.

    python book/studies/freezing.py [--quick]

A shipped GAN of digits goes on with letters; all runs make the same steps, and plain fine-tuning and FreezeD with one
layer go on for three times as long, so that overfitting has time to come. What a step costs is measured apart and
first, in turns. Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from adaptation import (
    FEATURES,
    SAMPLES,
    TRAINED,
    Reader,
    digits_to_letters,
    parameters,
    run_way,
)
from measured import costs
from study import Part, Study, command_line

from tgan_lib import GAN, few_shot
from tgan_lib.networks import layers as layers_of
from tgan_lib.transfer import freeze_generator, start_from
from tgan_lib.transfer.strategies import STRATEGIES, Plan, Strategy

SEEDS = (0, 1, 2)


def freeze_g(source: GAN, seed: int, layers: int = 1) -> Plan:
    """Fine-tuning with the `layers` layers of G nearest the latent frozen."""
    return freeze_generator(start_from(source, seed=seed), layers), {}


def freeze_logit_end(gan: GAN, count: int) -> GAN:
    """The `count` layers of D nearest the *logit* stop training: the wrong end, as a control."""
    every = layers_of(gan.discriminator)
    for layer in every[len(every) - count :]:
        for child in layer:
            child.requires_grad_(False)
    return gan


def freeze_d_logit_end(source: GAN, seed: int, layers: int = 1) -> Plan:
    """Fine-tuning with the `layers` layers of D nearest the logit frozen."""
    return freeze_logit_end(start_from(source, seed=seed), layers), {}


WAYS: dict[str, Strategy] = STRATEGIES | {"freeze_g": freeze_g, "freeze_d_logit_end": freeze_d_logit_end}
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
STEPS, LONG_STEPS, EVERY = 500, 1500, 125  # from one reading to the next
LONG = ("plain", "D 1")  # at 100 images
FEWER = ("plain", "D 1", "D 2")  # these also at 10 images


def make(quick: bool = False) -> Study:
    steps, long, every, samples, rounds = (
        (2, 4, 1, 100, 1) if quick else (STEPS, LONG_STEPS, EVERY, SAMPLES, 7)
    )
    pair = digits_to_letters()
    distance = pair.distance(samples)

    def build(way: str, own: dict[str, Any]) -> GAN:
        """A GAN made ready as the way wants it."""
        return WAYS[way](pair.source, 0, **own)[0]

    def cost() -> dict[str, Any]:
        builds = {
            name: (partial(build, way, own), TRAINED)
            for name, (way, own) in RUNS.items()
            if name != "scratch"
        }
        return costs(builds, few_shot(pair.pool, 100, seed=0), rounds, steps=1 if quick else 12)

    def compute(run: str, n: int, seed: int) -> dict[str, Any]:
        way, own = RUNS[run]
        read = Reader(pair, distance, n, seed)
        length = long if run in LONG and n == 100 else steps
        gan, _ = run_way(pair, read, WAYS[way], n, seed, length, length // every, settings=own)
        print(f"{run}, {n} images, seed {seed}: {read.found['distance']}", flush=True)
        return read.found | parameters(gan)

    settings = {
        "steps": list(range(every, steps + 1, every)),
        "long_steps": list(range(every, long + 1, every)),
        "long": LONG,
        "seeds": SEEDS,
        "samples": distance.n,
        "features": FEATURES,
        "runs": RUNS,
        "fewer": FEWER,
        "source_distance": round(distance(pair.source), 3),
        "floor": round(distance.of_images(pair.pool.data), 3),
        "trained": TRAINED,
        "threads": torch.get_num_threads(),
        "data": pair.pool.name,
    }
    return Study(
        "freezing",
        {"run": tuple(RUNS), "n": (100, 10), "seed": SEEDS},
        settings,
        compute,
        only=lambda run, n, seed: n == 100 or run in FEWER,
        before=[Part("costs", {}, cost)],
        smallest={"run": ("D 1", "D 1, logit end")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
