"""Chapter 5's ablation on MNIST: one small DCGAN, one change at a time, over seeds, with what each change costs.

    python book/studies/stability.py [--quick]

Every run makes the same number of steps. What a step costs is measured apart and first: a few steps of every
configuration in turns, many rounds, so that whatever else the machine does slows all of them alike. Each run is
stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from measured import costs, limit, trajectory
from study import Part, Study, command_line
from torch import nn

from tgan_lib import GAN, Distance, data
from tgan_lib.device import evaluating
from tgan_lib.losses import Loss, non_saturating_generator, softplus
from tgan_lib.penalties import gradients

SEEDS = (0, 1, 2)
STEPS = 800
READINGS = 4  # distances measured on the way, evenly in steps


def smoothed_discriminator(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """The logistic loss with the label 0.9 for reals and 0 for fakes (Salimans et al. 2016, section 3.4)."""
    real = 0.9 * softplus(-real_logits) + 0.1 * softplus(real_logits)
    return real.mean() + softplus(fake_logits).mean()


SMOOTHED = Loss("smoothed", smoothed_discriminator, non_saturating_generator)


BUILT: dict[str, Any] = {"network": "dcgan", "size": 28, "channels": 1, "latent_dim": 64, "width": 16}
TRAINED: dict[str, Any] = {"batch_size": 32, "learning_rate": (2e-3, 2e-3), "betas": (0.5, 0.9)}
# The rates are the best of three (5e-4, 1e-3, 2e-3, equal for both players), R1's weight the better of two (0.1 and
# 1), in short runs of another seed; the other numbers are those that papers and tutorials give.
# Each change: what it adds to BUILT, and what it puts into TRAINED. All but the rates change D alone.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "base": ({}, {}),
    "batch norm": ({"norm": "batch"}, {}),
    "spectral norm": ({"norm": "spectral"}, {}),
    "R1": ({}, {"penalties": {"r1": 1.0}}),
    "R1 lazy": ({}, {"penalties": {"r1": 1.0}, "penalty_every": 8}),
    "dropout": ({"dropout": 0.3}, {}),
    "soft labels": ({}, {"loss": SMOOTHED}),
    "faster D": ({}, {"learning_rate": (1e-3, 4e-3)}),
    "faster G": ({}, {"learning_rate": (4e-3, 1e-3)}),
    "residual": ({"blocks": "residual"}, {}),
    "dense": ({"blocks": "dense"}, {}),
}
# The same under stress: both rates five times the base's, half the steps.
STRESS = 5
STRESSED = ("base", "batch norm", "spectral norm", "R1")


def slopes(discriminator: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The norm of D's gradient at each image, (N, C, H, W) -> (N,), with D in eval mode."""
    with evaluating(discriminator):
        images = images.detach().clone().requires_grad_()
        return gradients(discriminator(images), images).detach().flatten(1).norm(dim=1)


def largest_stretches(discriminator: nn.Module) -> list[float]:
    """The largest singular value of each map's weight, as a matrix with one row for each output."""
    maps = [m for m in discriminator.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with evaluating(discriminator):
        return [round(float(torch.linalg.matrix_norm(m.weight.detach().flatten(1), 2)), 3) for m in maps]


def configurations() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """All of them by name, for the settings: what GAN.build is given, and what train is given."""
    found = {name: (BUILT | built, TRAINED | trained) for name, (built, trained) in CHANGES.items()}
    for name in STRESSED:
        found[f"{name}, rates x{STRESS}"] = (found[name][0], faster(found[name][1], STRESS))
    return {
        name: (built, trained | ({"loss": SMOOTHED.name} if "loss" in trained else {}))
        for name, (built, trained) in found.items()
    }


def faster(trained: dict[str, Any], factor: int) -> dict[str, Any]:
    """The same with both players' rates times `factor`."""
    return trained | {"learning_rate": tuple(factor * rate for rate in trained["learning_rate"])}


def make(quick: bool = False) -> Study:
    steps, samples, rounds = (8, 100, 1) if quick else (STEPS, 2000, 9)
    images, test = data.load("mnist", limit=limit()), data.load("mnist", split="test", limit=limit())
    distance = Distance(images, n=samples)

    def cost() -> dict[str, Any]:
        builds = {
            name: (partial(GAN.build, **BUILT | ours), TRAINED | own) for name, (ours, own) in CHANGES.items()
        }
        return costs(builds, images, rounds, steps=1 if quick else 24)

    def compute(change: str, rates: int, seed: int) -> dict[str, Any]:
        built, trained = CHANGES[change]
        gan = GAN.build(**BUILT | built, seed=seed)
        halves = 1 + (rates != 1)  # under stress half the steps
        options = faster(TRAINED | trained, rates)
        found = trajectory(gan, images, distance, steps // halves, READINGS // halves, seed=seed, **options)
        print(f"{change}, rates times {rates}, seed {seed}: {found['distance']}", flush=True)
        real, fake = test.batch(range(min(500, len(test)))), gan.sample(500, seed=distance.seed)
        return found | {
            "slope_at_reals": round(float(slopes(gan.discriminator, real).mean()), 3),
            "slope_at_fakes": round(float(slopes(gan.discriminator, fake).mean()), 3),
            "stretches": largest_stretches(gan.discriminator),
        }

    settings = {
        "steps": [steps * r // READINGS for r in range(1, READINGS + 1)],
        "seeds": SEEDS,
        "samples": distance.n,
        "features": distance.features,
        "floor": round(distance.of_images(test.data[: distance.n]), 3),
        "threads": torch.get_num_threads(),
        "stress": STRESS,
        "configurations": configurations(),
        "data": images.name,
    }
    return Study(
        "stability",
        {"change": tuple(CHANGES), "rates": (1, STRESS), "seed": SEEDS},
        settings,
        compute,
        only=lambda change, rates, seed: rates == 1 or change in STRESSED,
        before=[Part("costs", {}, cost)],
        smallest={"change": ("base", "soft labels"), "rates": (1, STRESS)} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
