"""Packs the portraits that draw.mjs drew into the library's own files.

    python book/tools/portraits/pack.py FOLDER [--out tgan_lib/data/styles]

STYLE.npy.xz holds the images, uint8 (N, 64, 64, 3), and STYLE.json who drew them, and their attributes: names, words,
and the numbers of the words for each image, as xz in base64. One xz stream for a whole style: flat colours take 70 to
424 bytes an image.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import lzma
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tgan_lib.data.portraits import STYLES

ROOT = Path(__file__).parents[3]
PLAIN = {  # DiceBear's names, which differ from style to style, as ours
    "accessories": "glasses",
    "baseColor": "skin",
    "clothingColor": "clothes",
    "clothesColor": "clothes",
    "facialHair": "beard",
    "head": "hair",
    "headContrastColor": "hair_colour",
    "primaryBackgroundColor": "background",
    "shirtColor": "clothes",
    "skinColor": "skin",
}
OWN = {  # where a style's words mean something else
    "ink": {"head": "head"},
    "pixel": {"accessories": "earrings"},
    "toon": {"clothes": "garment"},
}


def plain_name(style: str, name: str) -> str:
    """An attribute's name in words that hold for every style: "headContrastColor" -> "hair_colour"."""
    known = PLAIN | OWN.get(style, {})
    snake = re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), name)
    return known.get(name, snake.replace("color", "colour"))


def word(choice: object) -> str:
    """A choice as one word; "" where there is nothing, as with those who wear no glasses."""
    if isinstance(choice, list):
        choice = choice[0] if choice else ""
    return "" if choice is None else str(choice)


def attributes(style: str, choices: list[dict[str, object]]) -> tuple[dict[str, list[str]], np.ndarray]:
    """(name -> its words in order, codes (N, A) uint8). An attribute of a single word says nothing and is left out."""
    found: dict[str, list[str]] = {}
    columns = []
    for name in sorted({name for choice in choices for name in choice}):
        words = [word(choice.get(name)) for choice in choices]
        known = sorted(set(words))
        if len(known) > 1:
            found[plain_name(style, name)] = known
            columns.append([known.index(each) for each in words])
    return found, np.array(columns, np.uint8).T


def packed(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return lzma.compress(file.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def pack(folder: Path, style: str, out: Path) -> None:
    """Write one style's two files."""
    choices = json.loads((folder / f"{style}.choices.json").read_text())
    images = np.fromfile(folder / f"{style}.raw", np.uint8).reshape(len(choices), 64, 64, 3)
    names, codes = attributes(style, choices)
    (out / f"{style}.npy.xz").write_bytes(packed(images))
    described = asdict(STYLES[style]) | {
        "attributes": names,
        "codes": base64.b64encode(packed(codes)).decode(),
    }
    (out / f"{style}.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    size = sum((out / f"{style}{end}").stat().st_size for end in (".npy.xz", ".json"))
    print(f"{style}: {len(images)} images, {size:,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Pack drawn portraits into the library's files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "tgan_lib" / "data" / "styles")
    arguments = parser.parse_args()
    for path in sorted(arguments.folder.glob("*.raw")):
        pack(arguments.folder, path.stem, arguments.out)
