"""Small portraits that people drew, in six styles, with the choices behind each: they come with the library.

    load("portraits:peeps")                       # 12 000 to train on, 64x64, in colour
    load("portraits:micah", size=32, split="test")

Parts of a face were drawn by hand and are combined at random (DiceBear 9), each choice by itself and with known odds: a
fifth of the peeps wear something on the eyes, a tenth have a beard, a twentieth a mask. What was chosen is kept, so
that what a generator makes can be counted and not only scored. `book/tools/portraits` drew them.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import check_kind, unknown_name
from .attributes import Attributes

FOLDER = Path(__file__).parent / "styles"
TEST = {"peeps": 2000}  # the last images of a style are its test part; of the others
TEST_OF_OTHERS = 1000


@dataclass(frozen=True)
class Style:
    """Who drew a style, and under which licence it may be used."""

    title: str
    author: str
    licence: str
    address: str


STYLES = {
    "peeps": Style("Open Peeps", "Pablo Stanley", "CC0 1.0", "https://www.openpeeps.com"),
    "micah": Style("Avatar Illustration System", "Micah Lanier", "CC BY 4.0", "https://www.micahlanier.com"),
    "ink": Style("Lorelei", "Lisa Wischofsky", "CC0 1.0", "https://www.instagram.com/lischi_art"),
    "toon": Style("ToonHead", "Johan Melin", "CC BY 4.0", "https://www.johanmelin.com"),
    "adventurer": Style("Adventurer", "Lisa Wischofsky", "CC BY 4.0", "https://www.instagram.com/lischi_art"),
    "pixel": Style("Pixel Art", "DiceBear", "CC0 1.0", "https://www.dicebear.com"),
}


def read_style(name: str, split: str, limit: int | None = None) -> tuple[Tensor, Attributes]:
    """Images uint8 (N, 3, 64, 64) of a style's part, and their attributes. limit: the first ones of them.

    Draws are independent of each other, so any images are as good as any others.
    """
    if name not in STYLES:
        raise unknown_name("style of portraits", name, STYLES)
    with lzma.open(FOLDER / f"{name}.npy.xz") as file:
        pixels = np.load(io.BytesIO(file.read()))
    described = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    codes = np.load(io.BytesIO(lzma.decompress(base64.b64decode(described["codes"]))))
    held_out = TEST.get(name, TEST_OF_OTHERS)
    part = slice(-held_out, None) if split == "test" else slice(None, -held_out)
    chosen = torch.from_numpy(pixels[part][:limit]).permute(0, 3, 1, 2).contiguous()
    words = {attribute: tuple(known) for attribute, known in described["attributes"].items()}
    return chosen, Attributes(torch.from_numpy(codes[part][:limit].copy()), words)


def paint(images: Tensor, how: str) -> Tensor:
    """The same portraits in another hand: uint8 (N, 3, H, W) to the like, so that only the style differs.

    "recoloured": red, green and blue change places, and what is grey, the lines among it, stays. "lines": black
    where it was dark, on white. "negative": every colour's opposite.
    """
    check_kind("images", images, Tensor, "a uint8 tensor (N, 3, H, W)")
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; uint8 (N, 3, H, W) is right"
        )
    if how not in PAINTS:
        raise unknown_name("way to paint", how, PAINTS)
    if how == "recoloured":
        return images[:, [2, 0, 1]]
    if how == "negative":
        return 255 - images
    weights = torch.tensor([0.299, 0.587, 0.114], device=images.device)[:, None, None]
    light = torch.cat([(part * weights).sum(1, keepdim=True) for part in images.split(1024)])
    ink = ((light - 40) / 50).clamp(0, 1)  # the darkest colour of a peep that is no line is at 90
    return (255 * ink).round().byte().expand(-1, 3, -1, -1).contiguous()


PAINTS = ("recoloured", "lines", "negative")
