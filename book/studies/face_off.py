"""Chapter 16's face-off: twelve ways from a source to a target, on 10 to 500 images, over seeds, for two pairs.

    python book/studies/face_off.py [--pair "digits to letters"] [--steps 500] [--out FILE]

Every way makes the same number of steps with the same batches. Two numbers of each were chosen beforehand, in runs
of another seed on 100 images of the first pair, by the distance to the pool that the few images come from: its
learning rate, out of four, and then its own number, if it has one, out of two or three. What a step of each costs
is measured apart, in turns. Each run is stored when it is done, and the script can be stopped and started again.
Samples of the first seed are in a picture beside the numbers, a row for each pair, number of images and way.
"""

from __future__ import annotations

import argparse
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
    stored,
)
from PIL import Image
from stability import in_turns
from study import RESULTS, run_cells

from tgan_lib import Distance, few_shot
from tgan_lib.transfer.strategies import STRATEGIES, adapt

SEEDS = (0, 1, 2)
NUMBERS = (10, 50, 100, 500)
READINGS = 5
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


def scaled(rate: float) -> dict[str, Any]:
    """TRAINED's learning rates times `rate`."""
    g, d = TRAINED["learning_rate"]
    return {"learning_rate": (g * rate, d * rate)}


def search_cells(way: str) -> list[tuple[str, float, Any]]:
    """(way, rate, own number or None) of the search's first half: every rate."""
    own = OWN[way][1][0] if way in OWN else None
    return [(way, rate, own) for rate in RATES]


def search(pair: Pair, steps: int, found: dict[str, Any], path: Path, settings: dict[str, Any]) -> None:
    """The search, in the cells "search WAY rate R own X seed 100"; the choices are made by `choices`."""
    distance = Distance(pair.pool, features=FEATURES, n=SAMPLES)

    def compute(cell: str) -> dict[str, Any]:
        way, rate, own = known[cell]
        given = {} if own is None else {OWN[way][0]: own}
        _, result = run_way(
            pair, distance, way, SEARCH_N, SEARCH_SEED, steps, READINGS, settings=given, **scaled(rate)
        )
        print(f"{cell}: {result['distance']}", flush=True)
        return result

    for half in (0, 1):
        tried = [cell for way in STRATEGIES for cell in search_cells(way)]
        if half:
            tried = [
                (way, choices(found)[way]["rate"], own)
                for way, (_, values) in OWN.items()
                for own in values[1:]
            ]
        known = {search_name(*cell): cell for cell in tried}
        found.update(run_cells(path, "book/studies/face_off.py", settings, known, compute))


def search_name(way: str, rate: float, own: Any) -> str:
    return f"search {way} rate {rate} own {own} seed {SEARCH_SEED}"


def choices(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Strategy -> the rate and the settings that ended nearest, of those tried so far."""
    best: dict[str, dict[str, Any]] = {}
    for way in STRATEGIES:
        name, values = OWN.get(way, ("", (None,)))
        tried = [(rate, own) for rate in RATES for own in values]
        scores = {
            (rate, own): found["cells"][cell]["distance"][-1]
            for rate, own in tried
            if (cell := search_name(way, rate, own)) in found["cells"]
        }
        rate, own = min(scores, key=lambda key: scores[key])
        best[way] = {"rate": rate, "settings": {} if own is None else {name: own}}
    return best


def costs(pair: Pair, chosen: dict[str, dict[str, Any]], rounds: int = 5, steps: int = 10) -> dict[str, Any]:
    """Milliseconds a step of each way, and as a multiple of plain fine-tuning's; see `stability.in_turns`."""
    images = few_shot(pair.pool, 100, seed=0)

    def milliseconds(way: str) -> float:
        _, history = adapt(
            pair.source, images, way, settings=chosen[way]["settings"], steps=steps, progress=False, **TRAINED
        )
        return float(1000 * history.notes["seconds"] / steps)

    ways = sorted(
        STRATEGIES, key=lambda way: way != "fine_tune"
    )  # what the others are multiples of comes first
    return in_turns({way: partial(milliseconds, way) for way in ways}, rounds)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--pair", choices=tuple(PAIRS), default=None, help="do this pair only, for now")
    parser.add_argument("--out", type=Path, default=RESULTS / "face_off.json")
    arguments = parser.parse_args()
    settings = {
        "steps": [arguments.steps * r // READINGS for r in range(1, READINGS + 1)],
        "seeds": list(SEEDS),
        "numbers": list(NUMBERS),
        "ways": list(STRATEGIES),
        "pairs": list(PAIRS),
        "samples": SAMPLES,
        "features": FEATURES,
        "trained": stored(TRAINED),
        "rates": list(RATES),
        "own": {way: [name, list(values)] for way, (name, values) in OWN.items()},
        "threads": torch.get_num_threads(),
    }
    found: dict[str, Any] = {}
    pairs = {name: make() for name, make in PAIRS.items()}
    search(pairs["digits to letters"], arguments.steps, found, arguments.out, settings)
    chosen = choices(found)
    distances = {name: pair.distance() for name, pair in pairs.items()}
    order = [(pair, n, way) for pair in PAIRS for n in NUMBERS for way in STRATEGIES]

    def compute(cell: str) -> dict[str, Any]:
        if cell == "costs":
            return costs(pairs["digits to letters"], chosen)
        if (
            cell == "starts"
        ):  # where every run but those from scratch begins, and where images of the target are
            return {
                name: {
                    "source": round(found_by(pairs[name].source), 2),
                    "floor": round(found_by.of_images(pairs[name].pool.subset(range(500)).data), 2),
                }
                for name, found_by in distances.items()
            }
        pair, n, way, seed = known[cell]
        distance = distances[pair]
        picked = chosen[way]
        gan, result = run_way(
            pairs[pair], distance, way, n, seed, arguments.steps, READINGS,
            settings=picked["settings"], **scaled(picked["rate"]),
        )  # fmt: skip
        print(f"{cell}: {result['distance']}", flush=True)
        if seed == SEEDS[0]:
            store_samples(
                arguments.out.with_suffix(".png"), order.index((pair, n, way)), len(order), few_samples(gan)
            )
        return result | parameters(gan) | report(gan, pairs[pair], distance, n, seed)

    # seeds outermost: should the script be stopped, every way has been run equally often
    known = {
        f"{pair}, {n} images, {way} seed {seed}": (pair, n, way, seed)
        for seed in SEEDS
        for pair, n, way in order
        if arguments.pair in (None, pair)
    }
    run_cells(arguments.out, "book/studies/face_off.py", settings, ["costs", "starts", *known], compute)


if __name__ == "__main__":
    main()
