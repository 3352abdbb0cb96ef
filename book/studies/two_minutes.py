"""What two minutes of two CPU cores come to on MNIST: a narrow network and many steps, or a wider one and fewer.

    python book/studies/two_minutes.py [--quick]

The numbers of steps are fixed, so that a run can be repeated; two cores with bf16 products make them in less than two
minutes, which "seconds" says of each run, measuring not counted. Nothing else may run beside it. Rates fall to 0 in the
second half.
"""

from __future__ import annotations

from typing import Any

import torch
from measured import limit
from study import Study, command_line

from tgan_lib import GAN, Distance, data, train

SEEDS = (0, 1, 2)
SAMPLES = 10_000
STEPS = {16: 12_000, 32: 8600}  # by the width of the networks
RATES = {16: 3e-3, 32: 2e-3}
BUILT: dict[str, Any] = {"network": "conv", "size": 28, "channels": 1, "latent_dim": 64}
TRAINED: dict[str, Any] = {
    **{"penalties": {"r1": 0.1}, "penalty_every": 4, "batch_size": 32, "betas": (0.5, 0.99)},
    **{"ema_half_life": 5000, "precision": "bf16"},
}


def make(quick: bool = False) -> Study:
    samples = 100 if quick else SAMPLES
    images, test = data.load("mnist", limit=limit()), data.load("mnist", split="test", limit=limit())
    distance = Distance(images, n=samples)

    def schedule(width: int) -> dict[str, Any]:
        steps = 8 if quick else STEPS[width]
        return {"learning_rate": (RATES[width],) * 2, "steps": steps, "rate_decay": (steps // 2, steps)}

    def compute(width: int, seed: int) -> dict[str, Any]:
        gan = GAN.build(**BUILT, width=width, seed=seed)
        history = train(gan, images, seed=seed, progress=False, **TRAINED | schedule(width))
        found = {
            "seconds": round(float(history.notes["seconds"]), 1),
            "distance": round(distance(gan), 3),
            "classes": distance.classes(gan, min(1000, samples)).tolist(),
        }
        print(f"width {width}, seed {seed}: {found['distance']} after {found['seconds']} s", flush=True)
        return found

    settings = {
        "built": BUILT,
        "trained": {str(width): TRAINED | schedule(width) for width in STEPS},
        "seeds": SEEDS,
        "samples": samples,
        "features": distance.features,
        "threads": torch.get_num_threads(),
        "data": images.name,
        "floor": round(distance.of_images(test.data[:samples]), 3),
    }
    return Study("two_minutes", {"width": tuple(STEPS), "seed": SEEDS}, settings, compute)


if __name__ == "__main__":
    command_line(make)
