"""Chapter 5's ablation on MNIST: one small DCGAN, one change at a time, over seeds, with what each change costs.

    python book/studies/stability.py [--steps 800] [--samples 2000] [--out FILE]

Every run makes the same number of steps. What a step costs is measured apart and first: a few steps of every
configuration in turns, many rounds, so that whatever else the machine does slows all of them alike. Each run is
stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from study import RESULTS, run_cells
from torch import nn

from tgan_lib import GAN, Distance, data, train
from tgan_lib.device import evaluating
from tgan_lib.losses import LOSSES, Loss, non_saturating_generator, softplus
from tgan_lib.penalties import gradients

SEEDS = (0, 1, 2)
READINGS = 4  # distances measured on the way, evenly in steps

BUILT = {"network": "dcgan", "size": 28, "channels": 1, "latent_dim": 64, "width": 16}
TRAINED = {"batch_size": 32, "learning_rate": (2e-3, 2e-3), "betas": (0.5, 0.9)}
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
    "soft labels": ({}, {"loss": "smoothed"}),
    "faster D": ({}, {"learning_rate": (1e-3, 4e-3)}),
    "faster G": ({}, {"learning_rate": (4e-3, 1e-3)}),
    "residual": ({"blocks": "residual"}, {}),
    "dense": ({"blocks": "dense"}, {}),
}
# The same under stress: both rates five times the base's, half the steps.
STRESS = 5
STRESSED = ("base", "batch norm", "spectral norm", "R1")


def smoothed_discriminator(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """The logistic loss with the label 0.9 for reals and 0 for fakes (Salimans et al. 2016, section 3.4)."""
    real = 0.9 * softplus(-real_logits) + 0.1 * softplus(real_logits)
    return real.mean() + softplus(fake_logits).mean()


LOSSES["smoothed"] = Loss("smoothed", smoothed_discriminator, non_saturating_generator)


def costs(
    configurations: Mapping[str, tuple[Callable[[], GAN], dict[str, Any]]],
    images: data.Images,
    rounds: int = 9,
    steps: int = 24,
) -> dict[str, dict[str, float]]:
    """Milliseconds a step of each configuration (what builds its GAN, what `train` is given), measured in turns,
    and as a multiple of the first one's.

    Medians over the rounds; a multiple is taken within a round, between runs that were neighbours in time.
    """

    def milliseconds(build: Callable[[], GAN], trained: dict[str, Any]) -> float:
        history = train(build(), images, steps=steps, progress=False, **trained)
        return float(1000 * history.notes["seconds"] / steps)

    return in_turns({name: partial(milliseconds, *what) for name, what in configurations.items()}, rounds)


def in_turns(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, dict[str, float]]:
    """What each of `runs` returns, milliseconds, as `costs` gives it: all in turns, `rounds` times after a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            taken[name].append(run())
    first = next(iter(taken.values()))[1:]
    found = {}
    for name, times in taken.items():
        ratios = [t / base for t, base in zip(times[1:], first, strict=True)]  # the first round warms up
        found[name] = {
            "ms": round(statistics.median(times[1:]), 2),
            "relative": round(statistics.median(ratios), 3),
        }
    return found


def trajectory(
    gan: GAN,
    images: data.Images,
    distance: Distance,
    steps: int,
    readings: int,
    *,
    also_latest: bool = True,
    **options: Any,
) -> dict[str, list[float]]:
    """Train, and measure `readings` times on the way: the averaged generator's distance, and the latest one's."""
    latest: list[float] = []

    def measure(gan: GAN) -> float:
        if also_latest:
            latest.append(distance.of_images(gan.sample(distance.n, seed=distance.seed, ema=False)))
        return distance(gan)

    history = train(
        gan, images, steps=steps, metric=measure, metric_every=steps // readings, progress=False, **options
    )
    found = {"distance": [round(d, 3) for d in history["distance"]]}
    return found | ({"distance_without_average": [round(d, 3) for d in latest]} if also_latest else {})


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
    """All of them by name: what GAN.build is given, and what train is given."""
    found = {name: (BUILT | built, TRAINED | trained) for name, (built, trained) in CHANGES.items()}
    for name in STRESSED:
        built, trained = found[name]
        rates = tuple(STRESS * rate for rate in trained["learning_rate"])
        found[f"{name}, rates x{STRESS}"] = (built, trained | {"learning_rate": rates})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9, help="of measuring what a step costs")
    parser.add_argument("--out", type=Path, default=RESULTS / "stability.json")
    arguments = parser.parse_args()
    images, test = data.load("mnist"), data.load("mnist", split="test")
    distance = Distance(images, n=arguments.samples)
    known = configurations()

    def compute(cell: str) -> dict[str, Any]:
        if cell.startswith("cost"):
            return costs(
                {name: (partial(GAN.build, **known[name][0]), known[name][1]) for name in CHANGES},
                images,
                arguments.rounds,
            )
        name, seed = cell.split(" seed ")
        built, trained = known[name]
        stressed = name not in CHANGES
        gan = GAN.build(**built, seed=int(seed))
        found = trajectory(
            gan,
            images,
            distance,
            arguments.steps // (1 + stressed),
            READINGS // (1 + stressed),
            seed=int(seed),
            **trained,
        )
        print(f"{cell}: {found['distance']}", flush=True)
        real, fake = test.batch(range(500)), gan.sample(500, seed=distance.seed)
        return found | {
            "slope_at_reals": round(float(slopes(gan.discriminator, real).mean()), 3),
            "slope_at_fakes": round(float(slopes(gan.discriminator, fake).mean()), 3),
            "stretches": largest_stretches(gan.discriminator),
        }

    settings = {
        "steps": [arguments.steps * r // READINGS for r in range(1, READINGS + 1)],
        "seeds": list(SEEDS),
        "samples": distance.n,
        "features": distance.features,
        "floor": round(distance.of_images(test.data[: distance.n]), 3),
        "threads": torch.get_num_threads(),
        "stress": STRESS,
        "configurations": json.loads(json.dumps(known)),  # tuples become lists, as they will be when read
        "data": images.name,
    }
    # seeds outermost: should the script be stopped, every configuration has been run equally often
    cells = ["costs", *(f"{name} seed {seed}" for seed in SEEDS for name in known)]
    run_cells(arguments.out, "book/studies/stability.py", settings, cells, compute)


if __name__ == "__main__":
    main()
