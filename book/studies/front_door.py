"""What stands at the book's door: portraits of fixed latents while a hundred images teach them another hand.

    python book/studies/front_door.py [--quick]

The shipped peeps-64, fine-tuned with nothing held and nothing frozen, on a hundred portraits of another style. Every
fifty steps the same latents are drawn, and the distance to that style's held-out portraits is read. The latents are the
first of a seed, unpicked. Pictures go to book/_static/front/STYLE.webp, a row for each reading; the first and the last
of ink, a dozen, to the README's picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ladder_pilot import TRAINED
from measured import limit
from PIL import Image
from study import Study, command_line

from tgan_lib import GAN, Distance, data, few_shot, zoo
from tgan_lib.transfer.strategies import adapt

STATIC = Path(__file__).resolve().parents[1] / "_static"
OUT = STATIC / "front"
STYLES, SEEDS = ("ink",), (0,)
SHOWN, EVERY, STEPS = 24, 50, 500


def for_readme(rows: list[np.ndarray], columns: int = 12, gap: int = 2) -> Image.Image:
    """Rows of pictures (N, C, H, W), their first `columns` at twice their size, on white and a little apart."""
    large = [batch[:columns].transpose(0, 2, 3, 1).repeat(2, 1).repeat(2, 2) for batch in rows]
    apart = [np.pad(batch, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255) for batch in large]
    return Image.fromarray(np.concatenate([np.concatenate(list(batch), 1) for batch in apart])[:-gap, :-gap])


def make(quick: bool = False) -> Study:
    shown, every, steps, judged = (4, 2, 4, 60) if quick else (SHOWN, EVERY, STEPS, 1000)

    def compute(style: str, seed: int) -> dict[str, Any]:
        source = zoo.load("peeps-64", device="cpu")
        pool, held_out = (
            data.load(f"portraits:{style}", split=split, limit=limit()) for split in ("train", "test")
        )
        distance, z = Distance(held_out, features="portraits-v1", n=judged), source.latents(shown, seed)
        seen: list[np.ndarray] = []

        def look(gan: GAN) -> float:
            seen.append(data.to_uint8(gan.sample(z=z)).numpy())
            return distance(gan)

        first = round(look(source), 2)
        few = few_shot(pool, 100, seed=seed)
        _, history = adapt(
            source,
            few,
            "fine_tune",
            seed=seed,
            steps=steps,
            metric=look,
            metric_every=every,
            progress=False,
            **TRAINED,
        )
        if not quick:
            OUT.mkdir(parents=True, exist_ok=True)
            rows = [np.concatenate(list(batch.transpose(0, 2, 3, 1)), 1) for batch in seen]
            Image.fromarray(np.concatenate(rows)).save(OUT / f"{style}.webp", quality=92, method=6)
            if style == "ink":
                for_readme([seen[0], seen[-1]]).save(STATIC / "readme.png", optimize=True)
        return {
            "distance": [first, *(round(d, 2) for d in history["distance"])],
            "seconds": round(float(history.notes["seconds"]), 1),
        }

    settings = {
        "source": "peeps-64",
        "seeds": SEEDS,
        "images": 100,
        "steps": list(range(0, steps + 1, every)),
        "shown": shown,
        "trained": TRAINED,
        "threads": torch.get_num_threads(),
    }
    return Study("front_door", {"style": STYLES, "seed": SEEDS}, settings, compute)


if __name__ == "__main__":
    command_line(make)
