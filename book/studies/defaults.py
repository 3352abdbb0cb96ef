"""The search for what a GAN is built from and trained with by default, at 28 px: MNIST, by its own judge.

    python book/studies/defaults.py [--quick]

One change at a time from a first guess, then the changes that helped together. One seed and one number of steps for
all: it finds what is clearly better and cannot tell what is nearly as good. What was tried and lost is in the file.
Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

from typing import Any

import torch
from measured import limit, trajectory
from study import Study, command_line

from tgan_lib import GAN, Distance, data
from tgan_lib.networks import count_parameters

SEED = 0
STEPS = 3000
READINGS = 6
SAMPLES = 10_000
BUILT: dict[str, Any] = {"network": "conv", "size": 28, "channels": 1, "latent_dim": 64, "width": 32}
TRAINED: dict[str, Any] = {
    "loss": "non_saturating",
    "penalties": {"r1": 0.1},
    "penalty_every": 4,
    "learning_rate": (5e-4, 5e-4),
    "betas": (0.5, 0.99),
    "ema_half_life": 20_000,
    "batch_size": 64,
}
# A way: what it changes in BUILT, and what in TRAINED.
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "first guess": ({}, {}),
    "D ends in a linear map": ({"head": "linear"}, {}),
    "smallest maps 7x7": ({"start": 7}, {}),
    "both, as in 2016": ({"start": 7, "head": "linear"}, {}),
    "rates 1e-3": ({}, {"learning_rate": (1e-3, 1e-3)}),
    "rates 2e-3 and 1e-3": ({}, {"learning_rate": (2e-3, 1e-3)}),
    "rates 2e-4": ({}, {"learning_rate": (2e-4, 2e-4)}),
    "R1 of 0.01": ({}, {"penalties": {"r1": 0.01}}),
    "R1 of 1": ({}, {"penalties": {"r1": 1.0}}),
    "no penalty": ({}, {"penalties": {}}),
    "relativistic, R1 and R2": ({}, {"loss": "relativistic", "penalties": {"r1": 0.1, "r2": 0.1}}),
    "rates fall from the half": ({}, {"rate_decay": (STEPS // 2, STEPS)}),
    "rates 1e-3 that fall": ({}, {"learning_rate": (1e-3, 1e-3), "rate_decay": (STEPS // 2, STEPS)}),
    "batches of 32": ({}, {"batch_size": 32}),
    "batches of 128": ({}, {"batch_size": 128}),
    "beta1 of 0": ({}, {"betas": (0.0, 0.99)}),
    "beta2 of 0.999": ({}, {"betas": (0.5, 0.999)}),
    "upsampling by the nearest": ({"upsampling": "nearest"}, {}),
    "residual D": ({"blocks": "residual"}, {}),
    "width 24": ({"width": 24}, {}),
    "width 48": ({"width": 48}, {}),
    "PyTorch's own start": ({"init": "default"}, {}),
}


def make(quick: bool = False) -> Study:
    steps, samples = (6, 100) if quick else (STEPS, SAMPLES)
    images = data.load("mnist", limit=limit())
    held_out = data.load("mnist", split="test", limit=limit())
    distance = Distance(images, n=samples)
    known = {way: (BUILT | built, TRAINED | trained) for way, (built, trained) in WAYS.items()}

    def compute(way: str, seed: int) -> dict[str, Any]:
        built, trained = known[way]
        gan = GAN.build(**built, seed=seed)
        found = trajectory(gan, images, distance, steps, READINGS, seed=seed, also_latest=False, **trained)
        print(f"{way}: {found['distance']}", flush=True)
        return found | {
            "classes": distance.classes(gan, min(1000, samples)).tolist(),
            "parameters": [count_parameters(gan.generator), count_parameters(gan.discriminator)],
        }

    settings = {
        "steps": [steps * r // READINGS for r in range(1, READINGS + 1)],
        "samples": distance.n,
        "features": distance.features,
        "floor": round(distance.of_images(held_out.data[: distance.n]), 3),
        "threads": torch.get_num_threads(),
        "configurations": known,
        "data": images.name,
    }
    smallest = {"way": ("first guess", "relativistic, R1 and R2")} if quick else None
    return Study("defaults", {"way": tuple(WAYS), "seed": (SEED,)}, settings, compute, smallest=smallest)


if __name__ == "__main__":
    command_line(make)
