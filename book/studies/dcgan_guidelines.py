"""Chapter 3's second study: the guidelines of DCGAN (Radford et al. 2016), each taken out alone, on MNIST.

    python book/studies/dcgan_guidelines.py [--quick]

The DCGAN is chapter 3's at half the width and with half the batch, so that a run is short, and every run makes
the same number of steps; what a step costs is measured apart, in turns. Not varied: "no fully connected hidden
layers", for which the networks have no option. Each run is stored when it is done, and the script can be stopped
and started again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from image_gans import DCGAN
from measured import costs, limit, trajectory
from study import Part, Study, command_line
from torch import nn

from tgan_lib import GAN, Distance, data
from tgan_lib.metrics import speckle

SEEDS = (0, 1, 2)
STEPS = 640
READINGS = 4  # distances measured on the way, evenly in steps

BUILT: dict[str, Any] = {"network": "dcgan", "size": 28, "channels": 1, "latent_dim": 64, "width": 16}
TRAINED = DCGAN | {"batch_size": 32}
# What takes each guideline out: options of GAN.build, options of train. "ReLU in D" is neither: see `build`.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "DCGAN": ({}, {}),
    "pooling in D": ({"pooling": True}, {}),
    "fixed upsampling in G": ({"upsampling": "nearest"}, {}),
    "no norm in G": ({"generator_norm": "none"}, {}),
    "batch norm in D": ({"norm": "batch"}, {}),
    "leaky ReLU in G": ({"generator_activation": "leaky"}, {}),
    "ReLU in D": ({}, {}),
    "linear output": ({"output": "linear"}, {}),
    "sigmoid output": ({"output": "sigmoid"}, {}),
    "beta1 0.9": ({}, {"betas": (0.9, DCGAN["betas"][1])}),
    "default init": ({"init": "default"}, {}),
}


def build(name: str, seed: int = 0) -> GAN:
    """The GAN of a row. D's activation has no option, so the slope of its leaky ReLUs is set to 0."""
    gan = GAN.build(**BUILT | CHANGES[name][0], seed=seed)
    if name == "ReLU in D":
        for module in gan.discriminator.modules():
            if isinstance(module, nn.LeakyReLU):
                module.negative_slope = 0.0
    return gan


def make(quick: bool = False) -> Study:
    steps, samples, rounds = (4, 100, 1) if quick else (STEPS, 2000, 7)
    images = data.load("mnist", limit=limit())
    distance = Distance(images, n=samples)
    known = {name: (BUILT | built, TRAINED | trained) for name, (built, trained) in CHANGES.items()}

    def cost() -> dict[str, Any]:
        ours = {name: (partial(build, name), known[name][1]) for name in CHANGES}
        return costs(ours, images, rounds, steps=1 if quick else 12)

    def compute(change: str, seed: int) -> dict[str, Any]:
        gan = build(change, seed)
        found = trajectory(gan, images, distance, steps, READINGS, seed=seed, **known[change][1])
        print(f"{change}, seed {seed}: {found['distance']}", flush=True)
        return found | {
            "speckle": round(speckle(gan.sample(distance.n, seed=distance.seed)), 4),
            "classes": distance.classes(gan, 200).tolist(),
        }

    settings = {
        "steps": [steps * r // READINGS for r in range(1, READINGS + 1)],
        "seeds": SEEDS,
        "samples": distance.n,
        "features": distance.features,
        "floor": round(
            distance.of_images(data.load("mnist", split="test", limit=limit()).data[: distance.n]), 3
        ),
        "threads": torch.get_num_threads(),
        "configurations": known,
        "data": images.name,
    }
    return Study(
        "dcgan_guidelines",
        {"change": tuple(CHANGES), "seed": SEEDS},
        settings,
        compute,
        before=[Part("costs", {}, cost)],
        smallest={"change": ("DCGAN", "ReLU in D")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
