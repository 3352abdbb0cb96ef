"""Chapter 3's comparison over seeds: an MLP GAN, the DCGAN of 2016 and the library's own on MNIST, at equal time.

    python book/studies/image_gans.py [--quick]

Two experiments, with every seed:
  (main)    each network for the same seconds of one processor, judged on the way, and by a second judge at the end
  halves    G and D of 2016 and ours, crossed, for the same number of steps

A step's cost is measured first, in turns, in seconds of the processor; from it follows how many steps each network
makes in a time. So what else the machine does meanwhile does not decide who wins. Each run is stored when it is done,
and the script can be stopped and started again.
"""

from __future__ import annotations

import tempfile
import time
from functools import cache, partial
from typing import Any

import torch
from measured import limit, medians, pictured, trajectory
from study import Part, Study, command_line

from tgan_lib import GAN, Distance, data, train
from tgan_lib.metrics import speckle
from tgan_lib.networks import count_parameters

SEEDS = (0, 1, 2)
SECONDS = (20, 40, 80, 160, 240)  # of one processor, when the samples are judged
STEPS = 800  # of each crossed pair
SECOND, SECOND_SAMPLES = "efficientnet-lite0", 1000
PICTURED = 24  # samples of a run that are kept, of the first seed

# What `GAN.build` and `train` are given. The rates of the first two are the best of those tried in short runs with one
# seed (three for the MLP, a dozen for the DCGAN, whose published 2e-4 is far slower here); ours are of `defaults.py`.
R1: dict[str, Any] = {"penalties": {"r1": 0.1}, "penalty_every": 4}
OURS: dict[str, Any] = R1 | {"learning_rate": 2e-3, "betas": (0.5, 0.99)}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "MLP": ({"network": "mlp", "width": 256}, {"learning_rate": 5e-4, "betas": (0.5, 0.999)}),
    "DCGAN 2016": (
        {"network": "dcgan_2016", "width": 32},
        {"learning_rate": (2e-3, 1e-3), "betas": (0.5, 0.9)},
    ),
    "ours": ({"network": "conv", "width": 32}, OURS),
}
SHARED: dict[str, Any] = {"precision": "bf16", "ema_half_life": 5000, "batch_size": 64}
# The halves that are crossed; the D of 2016 without its batch norm, which a penalty forbids. All are trained as ours.
HALVES: dict[str, dict[str, Any]] = {
    "2016": {"network": "dcgan", "width": 32},
    "ours": {"network": "conv", "width": 32},
}


def built(options: dict[str, Any], seed: int) -> GAN:
    return GAN.build(**options, size=28, channels=1, latent_dim=64, seed=seed)


def crossed(generator: str, discriminator: str, seed: int) -> GAN:
    """One's G against the other's D."""
    gan = built(HALVES[generator], seed)
    gan.discriminator = built(HALVES[discriminator], seed).discriminator
    return gan


def make(quick: bool = False) -> Study:
    seconds = [s / 600 for s in SECONDS] if quick else list(SECONDS)
    steps, samples, rounds, timed = (4, 100, 1, 2) if quick else (STEPS, 10_000, 5, 16)
    images = data.load("mnist", limit=limit())
    tested = data.load("mnist", split="test", limit=limit())
    distance = Distance(images, n=samples)

    @cache
    def second() -> Distance:
        return Distance(tested, features=SECOND, n=100 if quick else SECOND_SAMPLES)

    def milliseconds(network: str) -> float:
        options, trained = NETWORKS[network]
        gan = built(options, 0)
        begun = time.process_time()
        train(gan, images, steps=timed, progress=False, log_every=None, **SHARED | trained)
        return 1000 * (time.process_time() - begun) / timed

    def cost() -> dict[str, Any]:
        found = medians({network: partial(milliseconds, network) for network in NETWORKS}, rounds)
        sizes = {}
        for network, (options, _) in NETWORKS.items():
            gan = built(options, 0)
            sizes[network] = [count_parameters(gan.generator), count_parameters(gan.discriminator)]
        return {"milliseconds": found, "parameters": sizes}

    def race(network: str, seed: int) -> dict[str, Any]:
        options, trained = NETWORKS[network]
        gan = built(options, seed)
        ms = study.found.cell("costs")["milliseconds"][network]
        found: dict[str, Any] = {"steps": [], "distance": [], "speckle": [], "classes": []}
        with tempfile.TemporaryDirectory() as folder:
            for at in seconds:  # stopped and resumed at each reading: resuming is exact, so it is one run
                found["steps"].append(max(1, round(1000 * at / ms)))
                train(
                    gan,
                    images,
                    steps=found["steps"][-1],
                    seed=seed,
                    save_every=10**9,
                    run_dir=folder,
                    progress=False,
                    **SHARED | trained,
                )
                made = gan.sample(distance.n, seed=distance.seed)
                found["distance"].append(round(distance.of_images(made), 3))
                found["speckle"].append(round(speckle(made), 4))
                found["classes"].append(distance.classes(gan, 1000 if not quick else 100).tolist())
                if seed == SEEDS[0]:
                    found.setdefault("pictures", []).append(pictured(made[:PICTURED]))
        found["second"] = round(second().of_images(made[: second().n]), 2)  # it sees the end alone
        print(f"{network}, seed {seed}: {found['distance']}, {found['second']}", flush=True)
        return found

    def half(generator: str, discriminator: str, seed: int) -> dict[str, Any]:
        gan = crossed(generator, discriminator, seed)
        found = trajectory(
            gan, images, distance, steps, 3 if not quick else 1, seed=seed, also_latest=False, **SHARED | OURS
        )
        print(f"G {generator}, D {discriminator}, seed {seed}: {found['distance']}", flush=True)
        made = gan.sample(distance.n, seed=distance.seed)
        return found | {"speckle": round(speckle(made), 4), "picture": pictured(made[:PICTURED])}

    shuffled = tested.data[torch.randperm(len(tested), generator=torch.Generator().manual_seed(0))]
    settings = {
        "seconds": seconds,
        "seeds": SEEDS,
        "steps": steps,
        "samples": distance.n,
        "judges": {distance.features: distance.n, SECOND: 100 if quick else SECOND_SAMPLES},
        "floor": round(distance.of_images(shuffled[: distance.n]), 3),
        "real_speckle": round(speckle(tested.data), 4),
        "networks": NETWORKS,
        "halves": HALVES,
        "trained": SHARED,
        "data": images.name,
        "threads": torch.get_num_threads(),
    }
    study = Study(
        "image_gans",
        {"network": tuple(NETWORKS), "seed": SEEDS},
        settings,
        race,
        before=[Part("costs", {}, cost)],
        after=[
            Part("halves", {"generator": tuple(HALVES), "discriminator": tuple(HALVES), "seed": SEEDS}, half)
        ],
        smallest={} if quick else None,
    )
    return study


if __name__ == "__main__":
    command_line(make)
