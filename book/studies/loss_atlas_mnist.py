"""Chapter 4's study on MNIST: nine recipes of loss, penalty and clipping on one MLP GAN, at equal measured cost.

    python book/studies/loss_atlas_mnist.py [--quick --out FILE]

As in `loss_atlas.py`: first the cost of a step of each recipe, recipes taking turns; then one run at each learning
rate, with a seed of its own; then three seeds of each recipe at its best rate, each with as many steps as have the
same cost. The runs that choose a rate are as long as the others: shorter ones choose rates that are too large. The
distance is read four times on the way, so that best and last can both be reported.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from loss_atlas import BASE, BETAS, RECIPES, TUNING_SEED
from study import RESULTS, run_cells

from tgan_lib import GAN, Distance, data, train
from tgan_lib.metrics import speckle
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import Run

# What differs from the mixtures: pixels are many, so a gradient's norm is another, and so is what bounds it.
# WGAN-GP's weight is the published one.
CHANGES: dict[str, dict[str, Any]] = {
    "non-saturating, R1": {"penalties": {"r1": 1.0}},
    "Wasserstein, clipped": {"clip": 0.03},
    "Wasserstein, GP": {"penalties": {"wgan_gp": 10.0}},
    "relativistic, R1 + R2": {"penalties": {"r1": 1.0, "r2": 1.0}},
}
MNIST = {name: recipe | CHANGES.get(name, {}) for name, recipe in RECIPES.items()}
SEEDS = (0, 1, 2)
RATES = (1.5e-3, 4.5e-3, 1.35e-2)
NETWORK = {"network": "mlp", "size": 28, "channels": 1, "latent_dim": 64, "width": 64}
READINGS = 4


def costs(images: data.Images, rounds: int, steps: int) -> dict[str, float]:
    """Milliseconds of a step of each recipe: the median of `rounds`, in each of which all take their turn."""
    runs = {}
    for name, recipe in MNIST.items():
        settings = Settings(learning_rates=(1e-4, 1e-4), betas=BETAS, **recipe)
        runs[name] = Run(GAN.build(**NETWORK), images, settings)
    seen: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, one in runs.items():
            began = time.process_time()
            for _ in range(steps):
                one.one_step()
            seen[name].append(1000 * (time.process_time() - began) / steps)
    # the first round warms up
    return {name: round(statistics.median(times[1:]), 4) for name, times in seen.items()}


def run(
    name: str, rate: float, seed: int, steps: int, images: data.Images, distance: Distance
) -> dict[str, Any]:
    """One run: the distances on the way, or the step at which a number stopped being finite."""
    gan = GAN.build(**NETWORK, seed=seed)
    options = MNIST[name] | {"learning_rate": rate, "betas": BETAS, "seed": seed, "steps": steps}
    every = -(-steps // READINGS)
    try:
        history = train(gan, images, **options, metric=distance, metric_every=every, progress=False)
    except FloatingPointError as error:
        return {"rate": rate, "failed": str(error)}
    found = {"rate": rate, "steps": history.steps("distance")}
    found["distance"] = [round(d, 3) for d in history["distance"]]
    found["speckle"] = round(speckle(gan.sample(distance.n, seed=distance.seed)), 3)
    found["classes"] = distance.classes(gan, 1000).tolist()
    print(f"{name}, rate {rate:g}, seed {seed}: {found['distance']}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, to try the script")
    parser.add_argument("--out", type=Path, default=RESULTS / "loss_atlas_mnist.json")
    arguments = parser.parse_args()
    steps, rounds = (40, 2) if arguments.quick else (2000, 8)
    images = data.load("mnist")
    distance = Distance(images, n=1000 if arguments.quick else 2500)
    settings = {
        "recipes": MNIST, "seeds": list(SEEDS), "tuning_seed": TUNING_SEED, "rates": list(RATES),
        "network": NETWORK, "steps": steps, "readings": READINGS, "batch": 64,
        "betas": list(BETAS), "samples": distance.n, "features": distance.features, "base": BASE,
        "floor": round(distance.of_images(data.load("mnist", split="test").data), 3),
    }  # fmt: skip

    def stored(cells: list[str], compute: Any) -> dict[str, Any]:
        found = run_cells(arguments.out, "book/studies/loss_atlas_mnist.py", settings, cells, compute)
        cells_by_name: dict[str, Any] = found["cells"]
        return cells_by_name

    costs_cell = f"costs seed {TUNING_SEED}"
    cost = stored([costs_cell], lambda cell: costs(images, rounds, 6))[costs_cell]
    share = {name: cost[BASE] / cost[name] for name in MNIST}  # of the cheapest loss's steps
    trials = {f"{name}, rate {rate:g} seed {TUNING_SEED}": (name, rate) for name in MNIST for rate in RATES}

    def tune(cell: str) -> dict[str, Any]:
        name, rate = trials[cell]
        return run(name, rate, TUNING_SEED, round(share[name] * steps), images, distance)

    found = stored(list(trials), tune)

    def of_rate(name: str, rate: float) -> float:
        return found[f"{name}, rate {rate:g} seed {TUNING_SEED}"].get("distance", [float("inf")])[-1]

    best = {name: min(RATES, key=lambda rate, name=name: of_rate(name, rate)) for name in MNIST}
    runs = {f"{name} seed {seed}": (name, seed) for seed in SEEDS for name in MNIST}

    def compute(cell: str) -> dict[str, Any]:
        name, seed = runs[cell]
        return run(name, best[name], seed, round(share[name] * steps), images, distance)

    stored(list(runs), compute)


if __name__ == "__main__":
    main()
