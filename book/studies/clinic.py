"""Chapter 7's patients over seeds: healthy trainings, broken ones, and some that die of a choice, on MNIST.

    python book/studies/clinic.py [--quick]

Digits are 16 pixels wide, so that all of it takes half an hour on one core. The critics, whose step costs twice as
much, make half the steps. "healthy again" is the healthy training with three other seeds: what differs between the
two healthy groups is no sign of any fault. Nothing is compared by time, so the machine may be busy.

Curves are stored with four digits, null where a number is none. For seed 0 two grids of samples are stored too, as PNGs
in 16 greys, which is what the page shows; distances are measured on the unrounded images. "classes": how many of the
averaged generator's samples a classifier takes for each of the ten digits.
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import torch
from measured import limit
from PIL import Image
from study import Study, command_line

from tgan_lib import Distance, data
from tgan_lib.chapters import clinic
from tgan_lib.features import extract
from tgan_lib.metrics import frechet_between, moments

SEEDS, OTHER_SEEDS = (0, 1, 2), (3, 4, 5)
STEPS, READINGS = 800, 20
SAMPLES = 2000
HEALTHY = {"healthy": False, "healthy again": False, "healthy critic": True}  # name -> with WGAN-GP?


def picture(images: torch.Tensor) -> str:
    """Images (16, 1, s, s) in [-1, 1] as one PNG in 16 greys, 8 to a row, in base64; mid-grey where no number is."""
    rows, columns = 2, 8
    side = images.shape[-1]
    levels = ((images.nan_to_num(0.0).clamp(-1, 1) + 1) * 7.5).round() * 17
    sheet = levels.reshape(rows, columns, side, side).transpose(1, 2).reshape(rows * side, columns * side)
    file = io.BytesIO()
    Image.fromarray(sheet.byte().numpy()).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def judged(samples: torch.Tensor, distance: Distance) -> tuple[float | None, list[int] | None]:
    """The distance of samples whose pixels may lie outside [-1, 1], and how many are of which class."""
    if not samples.isfinite().all():
        return None, None
    features, logits = extract(distance.net, samples, floats="any")
    found = frechet_between(*moments(features), distance.mean, distance.cov)
    return round(found, 2), torch.bincount(logits.argmax(1), minlength=logits.shape[1]).tolist()


def run(patient: str, seed: int, steps: int, images: data.Images, distance: Distance) -> dict[str, Any]:
    """One training: its curves, the distance of samples from new latents, and for seed 0 the pictures."""
    fault = clinic.EVERY.get(patient)
    critic = HEALTHY.get(patient, fault is not None and fault.critic)
    course = clinic.treat(
        images, fault, critic=critic, steps=steps // (1 + critic), seed=seed, readings=READINGS
    )
    z = torch.randn(distance.n, clinic.LATENT, generator=torch.Generator().manual_seed(distance.seed))
    found: dict[str, Any] = {
        "curves": {
            key: [float(f"{v:.4g}") if math.isfinite(v) else None for v in curve]
            for key, curve in course.curves.items()
        },
        "died": course.died,
    }
    for key, net in (("latest", course.G), ("distance", course.ema)):
        samples = clinic.draw(net, z.to(next(net.parameters()).dtype)).float()
        if patient == "other range":  # this G paints from 0 to 1, and the judge expects -1 to 1
            samples = samples * 2 - 1
        found[key], found["classes"] = judged(samples, distance)
    if seed == 0:
        found |= {"shown": picture(course.shown), "samples": picture(course.samples)}
    print(f"{patient}, seed {seed}: distance {found['distance']}", flush=True)
    return found


def make(quick: bool = False) -> Study:
    torch.set_num_threads(1)  # the networks are too small for more
    steps, samples = (40, 100) if quick else (STEPS, SAMPLES)
    images = data.load("mnist", size=clinic.SIZE, device="cpu", limit=limit())
    distance = Distance(images.subset(range(min(10_000, len(images)))), n=samples)
    test = data.load("mnist", size=clinic.SIZE, split="test", device="cpu", limit=limit()).data
    order = torch.randperm(
        len(test), generator=torch.Generator().manual_seed(0)
    )  # they are ordered by writer
    floor = distance.of_images(test[order[:samples]])
    settings = {
        "steps": steps,
        "readings": READINGS,
        "batch": clinic.BATCH,
        "seeds": SEEDS,
        "other_seeds": OTHER_SEEDS,
        "samples": samples,
        "features": distance.features,
        "floor": round(floor, 2),
        "data": images.name,
        "size": clinic.SIZE,
        "code": clinic.fingerprint(),
    }
    return Study(
        "clinic",
        {"patient": (*HEALTHY, *clinic.EVERY), "seed": SEEDS + OTHER_SEEDS},
        settings,
        lambda patient, seed: run(patient, seed, steps, images, distance),
        only=lambda patient, seed: (seed in OTHER_SEEDS) == (patient == "healthy again"),
        smallest={"patient": ("healthy", "half", "other range")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
