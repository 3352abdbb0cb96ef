"""Chapter 3's comparison over seeds: an MLP GAN and two DCGANs on MNIST, equal seconds of training.

    python book/studies/image_gans.py [--quick]

Nine runs; each is stored when it is done and the script can be stopped and started again. Give the machine
nothing else to do meanwhile: what is compared is how far each gets in a given time.
"""

from __future__ import annotations

import tempfile
from typing import Any

from measured import limit
from study import Study, command_line

from tgan_lib import GAN, Distance, data, train
from tgan_lib.metrics import speckle

SEEDS = (0, 1, 2)
SECONDS = 120.0
# Each network has the settings that did best among those we tried in short runs with one seed: three rates for
# the MLP, a dozen settings for the DCGANs.
DCGAN = {"learning_rate": (2e-3, 1e-3), "betas": (0.5, 0.9)}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "MLP": ({"network": "mlp", "width": 256}, {"learning_rate": 5e-4, "betas": (0.5, 0.999)}),
    "DCGAN": ({"network": "dcgan", "width": 32}, DCGAN),
    "DCGAN 2016": ({"network": "dcgan_2016", "width": 32}, DCGAN),
}
READINGS = 6  # distances measured on the way, evenly in time


def run(network: str, seed: int, seconds: float, images: data.Images, distance: Distance) -> dict[str, Any]:
    """One run: the distance of its samples after each sixth of the time, and the steps it got to."""
    built, options = NETWORKS[network]
    gan = GAN.build(**built, size=28, channels=1, latent_dim=64, seed=seed)
    distances: list[float] = []
    steps: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        # the run is stopped and resumed at each reading: resuming is exact, so it is one run
        for reading in range(1, READINGS + 1):
            history = train(
                gan,
                images,
                steps=10**9,
                seconds=seconds * reading / READINGS,
                seed=seed,
                metric=distance,
                metric_every=10**9,
                save_every=10**9,
                run_dir=folder,
                progress=False,
                **options,
            )
            distances.append(round(history.last("distance"), 3))
            steps.append(history.notes["steps"])
    print(f"{network}, seed {seed}: {steps[-1]} steps, distance {distances[-1]}", flush=True)
    return {
        "distance": distances,
        "steps": steps,
        "classes": distance.classes(gan, 200).tolist(),
        "speckle": round(speckle(gan.sample(distance.n, seed=distance.seed)), 4),
    }


def make(quick: bool = False) -> Study:
    seconds = 0.1 if quick else SECONDS
    images = data.load("mnist", limit=limit())
    distance = Distance(images, n=100) if quick else Distance(images)
    settings = {
        "seconds": [round(seconds * r / READINGS, 3) for r in range(1, READINGS + 1)],
        "seeds": SEEDS,
        "samples": distance.n,
        "features": distance.features,
        "floor": round(distance.of_images(data.load("mnist", split="test", limit=limit()).data), 3),
        "real_speckle": round(speckle(images.data), 4),
        "networks": NETWORKS,
        "data": images.name,
    }
    return Study(
        "image_gans",
        {"network": tuple(NETWORKS), "seed": SEEDS},
        settings,
        lambda network, seed: run(network, seed, seconds, images, distance),
        smallest={} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
