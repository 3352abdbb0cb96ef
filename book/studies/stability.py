"""Chapter 5's run that dies, its remedies one at a time, and two of them for 20 000 steps: portraits of 32 px.

    python book/studies/stability.py [--quick]

A small convolutional GAN with Adam as PyTorch sets it dies; with half the momentum the same GAN lives, the positive
control. Each change of D, of its loss or of the rates is tried with either momentum. The part "long" asks of momentum
and R1 alone what 20 000 steps make of them. Short and long runs are judged by two networks, and the shares of
attributes are counted. What a step costs is measured first, in turns. Each run is stored when it is done, and the
script can be stopped and started again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from measured import costs, limit, pictured, trajectory
from study import Part, Study, command_line
from torch import nn

from tgan_lib import GAN, Distance, data
from tgan_lib.device import evaluating
from tgan_lib.losses import Loss, non_saturating_generator, softplus
from tgan_lib.metrics.counting import name_attributes, total_variation
from tgan_lib.penalties import gradients

SEEDS = (0, 1, 2)
MOMENTA = (0.9, 0.5)  # Adam's first beta: PyTorch's own, and DCGAN's
STEPS, READINGS = 1600, 2
LONG, LONG_READINGS = 20_000, 10
SAMPLES = 1000
SECOND, SECOND_SAMPLES = "efficientnet-lite0", 500
PICTURED, LEVELS = 8, 32  # samples of seed 0 that are kept, and the levels of their colours


def smoothed_discriminator(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """The logistic loss with the label 0.9 for reals and 0 for fakes (Salimans et al. 2016, section 3.4)."""
    real = 0.9 * softplus(-real_logits) + 0.1 * softplus(real_logits)
    return real.mean() + softplus(fake_logits).mean()


SMOOTHED = Loss("smoothed", smoothed_discriminator, non_saturating_generator)


BUILT: dict[str, Any] = {"network": "conv", "size": 32, "channels": 3, "latent_dim": 64, "width": 16}
RATE = 1e-3  # Adam's own in PyTorch, as is the second beta
TRAINED: dict[str, Any] = {"batch_size": 32, "learning_rate": (RATE, RATE), "ema_half_life": 5000}
SECOND_BETA = 0.999
# Each change: what it adds to BUILT, and what it puts into TRAINED. All but the rates change D alone. The numbers are
# those that papers and tutorials give, and none was tuned here; R1 has two weights, since the game of two numbers
# says that little of it is too little.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "base": ({}, {}),
    "batch norm": ({"norm": "batch"}, {}),
    "spectral norm": ({"norm": "spectral"}, {}),
    "R1": ({}, {"penalties": {"r1": 1.0}}),
    "R1 times 10": ({}, {"penalties": {"r1": 10.0}}),
    "R1 lazy": ({}, {"penalties": {"r1": 1.0}, "penalty_every": 8}),
    "dropout": ({"dropout": 0.3}, {}),
    "soft labels": ({}, {"loss": SMOOTHED}),
    "faster D": ({}, {"learning_rate": (RATE / 2, 2 * RATE)}),
    "faster G": ({}, {"learning_rate": (2 * RATE, RATE / 2)}),
    "slower": ({}, {"learning_rate": (RATE / 4, RATE / 4)}),
    "residual": ({"blocks": "residual"}, {}),
    "dense": ({"blocks": "dense"}, {}),
}
LASTING = ("base", "R1")  # the changes of the long runs


def slopes(discriminator: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The norm of D's gradient at each image, (N, C, H, W) -> (N,), with D in eval mode."""
    with evaluating(discriminator):
        images = images.detach().clone().requires_grad_()
        return gradients(discriminator(images), images).detach().flatten(1).norm(dim=1)


def configurations() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """All of them by name, for the settings: what GAN.build is given, and what train is given."""
    return {
        name: (BUILT | built, TRAINED | trained | ({"loss": SMOOTHED.name} if "loss" in trained else {}))
        for name, (built, trained) in CHANGES.items()
    }


def make(quick: bool = False) -> Study:
    steps, long, samples, rounds = (8, 20, 60, 1) if quick else (STEPS, LONG, SAMPLES, 9)
    second_samples = samples if quick else SECOND_SAMPLES
    portraits = partial(data.load, "portraits:peeps", size=BUILT["size"], limit=limit())
    images, test = portraits(), portraits(split="test")
    test = test.subset(torch.randperm(len(test), generator=torch.Generator().manual_seed(0)))
    distance = Distance(images, features="portraits-v1", n=samples)
    held_out = min(second_samples, len(test) // 4)  # for its floor; the second judge compares with the rest
    second = Distance(test.subset(range(held_out, len(test))), features=SECOND, n=second_samples)
    named = name_attributes(test)

    def cost() -> dict[str, Any]:
        builds = {
            name: (partial(GAN.build, **BUILT | ours), TRAINED | own) for name, (ours, own) in CHANGES.items()
        }
        return costs(builds, images, rounds, steps=1 if quick else 16)

    def judged(change: str, momentum: float, seed: int, steps: int, readings: int) -> dict[str, Any]:
        built, trained = CHANGES[change]
        gan = GAN.build(**BUILT | built, seed=seed)
        options = TRAINED | trained | {"betas": (momentum, SECOND_BETA)}
        found = trajectory(gan, images, distance, steps, readings, seed=seed, **options)
        made = gan.sample(distance.n, seed=distance.seed)
        real, moved = test.batch(range(min(500, len(test)))), total_variation(name_attributes(made), named)
        found |= {
            "second": round(second.of_images(made[: second.n]), 2),
            "total_variation": {name: round(value, 3) for name, value in moved.items()},
            "slope_at_reals": round(float(slopes(gan.discriminator, real).mean()), 3),
            "slope_at_fakes": round(float(slopes(gan.discriminator, made[:500]).mean()), 3),
        }
        with evaluating(gan.discriminator), torch.no_grad():
            logits = {"real": gan.discriminator(real), "fake": gan.discriminator(made[:500])}
        found |= {f"{kind}_logit": round(float(value.mean()), 3) for kind, value in logits.items()}
        print(
            f"{change}, momentum {momentum}, seed {seed}: {found['distance']}, {found['second']}", flush=True
        )
        return found | ({"picture": pictured(made[:PICTURED], LEVELS)} if seed == SEEDS[0] else {})

    def short(change: str, momentum: float, seed: int) -> dict[str, Any]:
        return judged(change, momentum, seed, steps, READINGS)

    def lasting(change: str, momentum: float, seed: int) -> dict[str, Any]:
        return judged(change, momentum, seed, long, LONG_READINGS)

    settings = {
        "steps": [steps * r // READINGS for r in range(1, READINGS + 1)],
        "long_steps": [long * r // LONG_READINGS for r in range(1, LONG_READINGS + 1)],
        "seeds": SEEDS,
        "judges": {distance.features: distance.n, SECOND: second.n},
        "floors": {
            distance.features: round(distance.of_images(test.data[:samples]), 2),
            SECOND: round(second.of_images(test.data[:held_out]), 2),
        },
        "threads": torch.get_num_threads(),
        "second_beta": SECOND_BETA,
        "configurations": configurations(),
        "data": images.name,
    }
    axes = {"change": tuple(CHANGES), "momentum": MOMENTA, "seed": SEEDS}
    return Study(
        "stability",
        axes,
        settings,
        short,
        before=[Part("costs", {}, cost)],
        after=[Part("long", axes | {"change": LASTING}, lasting)],
        smallest={"change": ("base", "soft labels"), "momentum": MOMENTA} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
