"""The pilot's samples as pictures, one for each rung: rows are ways, six samples after 10 images and six after 100.

    python book/studies/ladder_pilot_pictures.py

It reads what `ladder_pilot.py` kept and writes book/_static/ladder/RUNG.webp. Samples are of the last seed, the same
six latents in every row, not picked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ladder_pilot import NUMBERS, ROWS, RUNGS, SHOWN
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont
from study import CACHE

OUT = Path(__file__).resolve().parents[1] / "_static" / "ladder"
SIDE, GAP, LABEL, HEAD = 64, 4, 150, 36  # pixels; a sample is shown at twice its size
GROUP = 16  # between the two numbers of images
FONT = font_manager.findfont("DejaVu Sans")


def strip(samples: np.ndarray) -> Image.Image:
    """Uint8 samples (k, 3, 32, 32) side by side."""
    picture = Image.new("RGB", (len(samples) * (SIDE + GAP) - GAP, SIDE), "white")
    for i, sample in enumerate(samples):
        one = Image.fromarray(sample.transpose(1, 2, 0)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        picture.paste(one, (i * (SIDE + GAP), 0))
    return picture


def sheet(held: dict[str, np.ndarray], rung: str) -> Image.Image:
    """A rung's picture: a head, then real images, then a row for each way that was run."""
    rows = [row for row in ("source", "picks", *ROWS) if f"{rung} {NUMBERS[0]} {row}" in held]
    across = SHOWN * (SIDE + GAP)
    picture = Image.new("RGB", (LABEL + 2 * across + GROUP, HEAD + (1 + len(rows)) * (SIDE + GAP)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, 18)
    for i, n in enumerate(NUMBERS):
        draw.text((LABEL + i * (across + GROUP), 8), f"after {n} images", fill="black", font=font)
    for y, row in enumerate(["real images", *rows]):
        top = HEAD + y * (SIDE + GAP)
        draw.text((6, top + SIDE // 2 - 11), row, fill="black", font=font)
        for i, n in enumerate(NUMBERS):
            key = f"{rung} real" if row == "real images" else f"{rung} {n} {row}"
            if key in held and not (row == "real images" and i):
                picture.paste(strip(held[key]), (LABEL + i * (across + GROUP), top))
    return picture


def main() -> None:
    held = dict(np.load(CACHE / "ladder_pilot.npz"))
    OUT.mkdir(parents=True, exist_ok=True)
    for rung in RUNGS:
        if f"{rung} real" in held:
            sheet(held, rung).save(OUT / f"{rung}.webp", quality=75, method=6)


if __name__ == "__main__":
    main()
