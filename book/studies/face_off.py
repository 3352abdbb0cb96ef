"""Chapter 16's face-off: twelve ways from a source to a target, on 10 to 500 images, over seeds, for two pairs.

    python book/studies/face_off.py [--quick] [--only pair="digits to letters"]

Every way makes the same number of steps with the same batches. Two numbers of each were chosen beforehand, in runs
of another seed on 100 images of the first pair, by the distance to the pool that the few images come from: its
learning rate, out of four, and then its own number, if it has one, out of two or three. What a step of each costs
is measured apart, in turns. Each run is stored when it is done, and the script can be stopped and started again.
Samples of the first seed are in a picture beside the numbers, a row for each pair, number of images and way.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adaptation import (
    FEATURES,
    PAIRS,
    SAMPLES,
    TRAINED,
    Pair,
    few_samples,
    parameters,
    report,
    run_way,
)
from measured import relative
from PIL import Image
from study import RESULTS, Part, Study, command_line

from tgan_lib import Distance, few_shot
from tgan_lib.results import Results
from tgan_lib.transfer.strategies import adapt

WAYS = (
    "scratch",
    "fine_tune",
    "freeze_d",
    "scale_shift",
    "low_rank",
    "miner",
    "l2sp",
    "ewc",
    "correspondence",
    "diff_augment",
    "ada",
    "freeze_d_diff_augment",
)  # what is compared; the library may have learnt more since
SEEDS = (0, 1, 2)
NUMBERS = (10, 50, 100, 500)
STEPS, READINGS = 500, 5
SEARCH_SEED, SEARCH_N = 100, 100
RATES = (0.3, 1.0, 3.0, 10.0)  # times TRAINED's
# The number of its own that each way has, and the values tried; the first is tried with every rate.
OWN: dict[str, tuple[str, tuple[Any, ...]]] = {
    "freeze_d": ("layers", (1, 2)),
    "low_rank": ("rank", (4, 1, 16)),
    "l2sp": ("weight", (0.1, 0.01, 1.0)),
    "ewc": ("strength", (0.1, 0.01, 1.0)),
    "correspondence": ("weight", (1000.0, 100.0, 10_000.0)),
    "diff_augment": (
        "policy",
        ("color,translation,cutout", "translation,cutout", "translation"),
    ),
    "ada": ("images_to_one", (10_000, 2000, 100_000)),
    "freeze_d_diff_augment": ("policy", ("color,translation,cutout", "translation,cutout", "translation")),
}


SMALLEST = {"way": ("fine_tune", "low_rank"), "rate": (3.0,), "own": (None, *OWN["low_rank"][1])}


def scaled(rate: float) -> dict[str, Any]:
    """TRAINED's learning rates times `rate`."""
    g, d = TRAINED["learning_rate"]
    return {"learning_rate": (g * rate, d * rate)}


def first_own(way: str) -> Any:
    """The value of a way's own number that is tried with every rate; None for a way that has none."""
    return OWN[way][1][0] if way in OWN else None


def choices(found: Results) -> dict[str, dict[str, Any]]:
    """Way -> the rate and the settings that ended nearest, of those tried so far."""
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for cell in found.cells:
        way, own = cell.at.get("way", ""), cell.at.get("own")
        if cell.part == "search" and (way not in best or cell.found["distance"][-1] < best[way][0]):
            settings = {} if own is None else {OWN[way][0]: own}
            best[way] = cell.found["distance"][-1], {"rate": cell.at["rate"], "settings": settings}
    return {way: choice for way, (_, choice) in best.items()}


def costs(pair: Pair, chosen: dict[str, dict[str, Any]], rounds: int = 5, steps: int = 10) -> dict[str, Any]:
    """Milliseconds a step of each way, and as a multiple of plain fine-tuning's; see `measured.relative`."""
    images = few_shot(pair.pool, 100, seed=0)

    def milliseconds(way: str) -> float:
        _, history = adapt(
            pair.source, images, way, settings=chosen[way]["settings"], steps=steps, progress=False, **TRAINED
        )
        return float(1000 * history.notes["seconds"] / steps)

    ways = sorted(chosen, key=lambda way: way != "fine_tune")  # what the others are multiples of comes first
    return relative({way: partial(milliseconds, way) for way in ways}, rounds)


def store_samples(path: Path, cell: int, cells: int, samples: torch.Tensor) -> None:
    """Put (16, 1, H, W) samples into row `cell` of the picture at `path`, which is made if there is none.

    In 16 shades of grey, which halves the file.
    """
    row = samples[:, 0].permute(1, 0, 2).flatten(1).numpy() // 16 * 17
    sheet = (
        np.array(Image.open(path)) if path.exists() else np.zeros((cells * len(row), row.shape[1]), np.uint8)
    )
    sheet[cell * len(row) : (cell + 1) * len(row)] = row
    Image.fromarray(sheet).save(path, optimize=True)


def make(quick: bool = False) -> Study:
    steps, samples, per_run = (5, 100, 1) if quick else (STEPS, SAMPLES, READINGS)
    pairs = {name: make_pair() for name, make_pair in PAIRS.items()}
    first, distances = (
        pairs["digits to letters"],
        {name: pair.distance(samples) for name, pair in pairs.items()},
    )
    to_pool = Distance(first.pool, features=FEATURES, n=samples)
    picture = Path(tempfile.mkdtemp()) / "face_off.png" if quick else RESULTS / "face_off.png"
    order = [(pair, n, way) for pair in PAIRS for n in NUMBERS for way in WAYS]

    def search(way: str, rate: float, own: Any, seed: int) -> dict[str, Any]:
        given = {} if own is None else {OWN[way][0]: own}
        options = scaled(rate)
        _, result = run_way(first, to_pool, way, SEARCH_N, seed, steps, per_run, settings=given, **options)
        print(f"{way}, rate {rate}, own {own}: {result['distance']}", flush=True)
        return result

    def at_best_rate(way: str, rate: float, own: Any, seed: int) -> bool:
        """The search's second half: other values of a way's own number, with the rate that did best."""
        return own in OWN.get(way, ("", ()))[1][1:] and rate == choices(study.found)[way]["rate"]

    def starts() -> dict[str, Any]:
        """Where every run but those from scratch begins, and where images of the target are."""
        return {
            name: {
                "source": round(distance(pairs[name].source), 2),
                "floor": round(distance.of_images(pairs[name].pool.data[:500]), 2),
            }
            for name, distance in distances.items()
        }

    def compute(pair: str, n: int, way: str, seed: int) -> dict[str, Any]:
        chosen = choices(study.found)[way]
        options = {"settings": chosen["settings"], **scaled(chosen["rate"])}
        gan, result = run_way(pairs[pair], distances[pair], way, n, seed, steps, per_run, **options)
        print(f"{pair}, {n} images, {way}, seed {seed}: {result['distance']}", flush=True)
        if seed == SEEDS[0]:
            store_samples(picture, order.index((pair, n, way)), len(order), few_samples(gan))
        return result | parameters(gan) | report(gan, pairs[pair], distances[pair], n, seed)

    settings = {
        "steps": [steps * r // per_run for r in range(1, per_run + 1)],
        "seeds": SEEDS,
        "numbers": NUMBERS,
        "ways": WAYS,
        "pairs": tuple(PAIRS),
        "samples": samples,
        "features": FEATURES,
        "trained": TRAINED,
        "rates": RATES,
        "own": OWN,
        "threads": torch.get_num_threads(),
    }
    owns = list(dict.fromkeys([None, *(value for _, values in OWN.values() for value in values)]))
    tried = {"way": WAYS, "rate": RATES, "own": owns, "seed": (SEARCH_SEED,)}
    study = Study(
        "face_off",
        {"pair": tuple(PAIRS), "n": NUMBERS, "way": WAYS, "seed": SEEDS},
        settings,
        compute,
        before=[
            Part("search", tried, search, lambda way, rate, own, seed: own == first_own(way)),
            Part("search", tried, search, at_best_rate),
            Part(
                "costs",
                {},
                lambda: costs(first, choices(study.found), **({"rounds": 1, "steps": 1} if quick else {})),
            ),
            Part("starts", {}, starts),
        ],
        smallest=SMALLEST if quick else None,
    )
    return study


if __name__ == "__main__":
    command_line(make)
