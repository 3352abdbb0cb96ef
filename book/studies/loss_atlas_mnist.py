"""Chapter 4's study on MNIST: nine recipes of loss, penalty and clipping on one MLP GAN, at equal measured cost.

    python book/studies/loss_atlas_mnist.py [--quick]

As in `loss_atlas.py`: first the cost of a step of each recipe, recipes taking turns; then one run at each learning
rate, with a seed of its own; then three seeds of each recipe at its best rate, each with as many steps as have the
same cost. The runs that choose a rate are as long as the others: shorter ones choose rates that are too large. The
distance is read four times on the way, so that best and last can both be reported.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from loss_atlas import BASE, BETAS, RECIPES, TUNING_SEED
from measured import limit, medians
from study import Part, Study, command_line

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
MNIST = {
    name: recipe | CHANGES.get(name, {}) for name, recipe in RECIPES.items() if "optimiser" not in recipe
}  # `train` has Adam alone
SEEDS = (0, 1, 2)
STEPS = 2000  # of the cheapest loss
RATES = (1.5e-3, 4.5e-3, 1.35e-2)
NETWORK: dict[str, Any] = {"network": "mlp", "size": 28, "channels": 1, "latent_dim": 64, "width": 64}
READINGS = 4


def costs(images: data.Images, rounds: int, steps: int) -> dict[str, float]:
    """Milliseconds of a step of each recipe: the median of `rounds`, in each of which all take their turn."""
    runs = {}
    for name, recipe in MNIST.items():
        settings = Settings(learning_rates=(1e-4, 1e-4), betas=BETAS, **recipe)
        runs[name] = Run(GAN.build(**NETWORK), images, settings)

    def milliseconds(one: Run) -> float:
        began = time.process_time()
        for _ in range(steps):
            one.one_step()
        return 1000 * (time.process_time() - began) / steps

    return medians({name: partial(milliseconds, one) for name, one in runs.items()}, rounds)


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


def make(quick: bool = False) -> Study:
    steps, rounds, samples = (8, 1, 100) if quick else (STEPS, 8, 2500)
    images = data.load("mnist", limit=limit())
    distance = Distance(images, n=samples)
    settings = {
        "recipes": MNIST, "seeds": SEEDS, "tuning_seed": TUNING_SEED, "rates": RATES,
        "network": NETWORK, "steps": steps, "readings": READINGS, "batch": 64,
        "betas": BETAS, "samples": distance.n, "features": distance.features, "base": BASE,
        "floor": round(distance.of_images(data.load("mnist", split="test", limit=limit()).data), 3),
    }  # fmt: skip

    def of_equal_cost(recipe: str) -> int:
        cost = study.found.cell("costs")
        return round(cost[BASE] / cost[recipe] * steps)

    def tune(recipe: str, rate: float, seed: int) -> dict[str, Any]:
        return run(recipe, rate, seed, of_equal_cost(recipe), images, distance)

    def compute(recipe: str, seed: int) -> dict[str, Any]:
        tried = [c for c in study.found.cells if c.part == "rates" and c.at["recipe"] == recipe]
        best = min(tried, key=lambda cell: cell.found.get("distance", [float("inf")])[-1])
        return run(recipe, best.at["rate"], seed, of_equal_cost(recipe), images, distance)

    study = Study(
        "loss_atlas_mnist",
        {"recipe": tuple(MNIST), "seed": SEEDS},
        settings,
        compute,
        before=[
            Part("costs", {}, lambda: costs(images, rounds, 2 if quick else 6)),
            Part("rates", {"recipe": tuple(MNIST), "rate": RATES, "seed": (TUNING_SEED,)}, tune),
        ],
        smallest={"recipe": ("minimax", "Wasserstein, clipped"), "rate": RATES[:2]} if quick else None,
    )
    return study


if __name__ == "__main__":
    command_line(make)
