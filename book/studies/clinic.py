"""Chapter 7's patients over seeds: a healthy training, twelve broken ones and two of their relatives, on MNIST.

    python book/studies/clinic.py [--steps 800] [--out FILE]

Digits are 16 pixels wide, so that all of it takes a quarter of an hour on one core. The critics, whose step costs
twice as much, make half the steps. "healthy again" is the healthy training with three other seeds: what differs
between the two healthy groups is no sign of any fault. Nothing is compared by time, so the machine may be busy.

Curves are stored with four digits. For seed 0 two grids of samples are stored too, as PNGs in 16 greys, which is
what the page shows; distances are measured on the unrounded images.
"""

from __future__ import annotations

import argparse
import base64
import io
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from study import RESULTS, run_cells

from tgan_lib import Distance, data
from tgan_lib.chapters import clinic

SEEDS, OTHER_SEEDS = (0, 1, 2), (3, 4, 5)
READINGS = 20
SAMPLES = 2000
HEALTHY = {"healthy": False, "healthy again": False, "healthy critic": True}  # name -> with WGAN-GP?


def picture(images: torch.Tensor) -> str:
    """Images (16, 1, s, s) in [-1, 1] as one PNG in 16 greys, 8 to a row, in base64."""
    rows, columns = 2, 8
    side = images.shape[-1]
    levels = ((images.clamp(-1, 1) + 1) * 7.5).round() * 17
    sheet = levels.reshape(rows, columns, side, side).transpose(1, 2).reshape(rows * side, columns * side)
    file = io.BytesIO()
    Image.fromarray(sheet.byte().numpy()).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def compute(cell: str, steps: int, images: data.Images, distance: Distance) -> dict[str, Any]:
    """One training: its curves, the distance of samples from new latents, and for seed 0 the pictures."""
    name, seed = cell.split(" seed ")
    fault = (clinic.FAULTS | clinic.TWINS).get(name)
    critic = HEALTHY.get(name, fault is not None and fault.critic)
    course = clinic.treat(
        images, fault, critic=critic, steps=steps // (1 + critic), seed=int(seed), readings=READINGS
    )
    z = torch.randn(SAMPLES, clinic.LATENT, generator=torch.Generator().manual_seed(distance.seed))
    found: dict[str, Any] = {
        "curves": {key: [float(f"{v:.4g}") for v in curve] for key, curve in course.curves.items()}
    }
    for key, net in (("distance", course.ema), ("latest", course.G)):
        samples = clinic.draw(net, z)
        if name == "other range":  # this G paints from 0 to 1, and the judge expects -1 to 1
            samples = samples * 2 - 1
        found[key] = round(distance.of_images(samples), 2)
    if seed == "0":
        found |= {"shown": picture(course.shown), "samples": picture(course.samples)}
    print(f"{cell}: distance {found['distance']}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--out", type=Path, default=RESULTS / "clinic.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the networks are too small for more
    images = data.load("mnist", size=clinic.SIZE, device="cpu")
    distance = Distance(images.subset(range(10_000)), n=SAMPLES)
    floor = distance.of_images(
        data.load("mnist", size=clinic.SIZE, split="test", device="cpu").data[:SAMPLES]
    )
    names = [*HEALTHY, *clinic.FAULTS, *clinic.TWINS]
    # seeds outermost: a run that is stopped has every patient at its first seeds
    cells = [
        f"{name} seed {other if name == 'healthy again' else seed}"
        for seed, other in zip(SEEDS, OTHER_SEEDS, strict=True)
        for name in names
    ]
    settings = {
        "steps": arguments.steps,
        "readings": READINGS,
        "batch": clinic.BATCH,
        "seeds": list(SEEDS),
        "other_seeds": list(OTHER_SEEDS),
        "samples": SAMPLES,
        "features": distance.features,
        "floor": round(floor, 2),
        "data": images.name,
        "size": clinic.SIZE,
        "code": clinic.fingerprint(),
    }
    run_cells(
        arguments.out,
        "book/studies/clinic.py",
        settings,
        cells,
        lambda cell: compute(cell, arguments.steps, images, distance),
    )


if __name__ == "__main__":
    main()
