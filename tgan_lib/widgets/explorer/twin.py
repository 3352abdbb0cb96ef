"""What stands in a stored notebook for a live explorer: a still picture of its grid, and its state as JSON.

A notebook without a kernel, and a page without scripts, show the picture. The book's site finds the state and
makes the picture move, with weights of its own. Nothing heavy is in it.
"""

from __future__ import annotations

import base64
import io
import json
import math
from html import escape
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

# The preview is part of every saved notebook.
MOST_PREVIEW_BYTES = 20_000
PREVIEW_SIDE = 240  # px on the page


def mulberry32(n: int, seed: int) -> np.ndarray:
    """`n` numbers in (0, 1), float64, from T. Ettinger's 32-bit generator, as engine.js draws them."""
    one = np.uint64(0xFFFFFFFF)
    counts = np.arange(1, n + 1, dtype=np.uint64)
    state = (np.uint64(seed) + counts * np.uint64(0x6D2B79F5)) & one
    t = ((state ^ (state >> np.uint64(15))) * (state | np.uint64(1))) & one
    t ^= (t + (((t ^ (t >> np.uint64(7))) * (t | np.uint64(61))) & one)) & one
    t = (t ^ (t >> np.uint64(14))) & one
    drawn: np.ndarray = (t.astype(np.float64) + 0.5) / 4294967296
    return drawn


def seeded_latents(n: int, latent_dim: int, seed: int) -> np.ndarray:
    """The `n` latents (n, latent_dim), float32, that the explorer's grid shows for a seed (Box and Muller,
    1958).

    They are the explorer's own: `gan.latents(n, seed)` draws others.
    """
    uniform = mulberry32(2 * n * latent_dim, seed).reshape(-1, 2)
    normal = np.sqrt(-2 * np.log(uniform[:, 0])) * np.cos(2 * math.pi * uniform[:, 1])
    return normal.astype(np.float32).reshape(n, latent_dim)


def to_bytes(images: Tensor) -> np.ndarray:
    """Images in [-1, 1] as uint8 of the same shape (N, C, H, W), on the CPU."""
    pixels: np.ndarray = ((images.float() + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()
    return pixels


def preview_png(images: Tensor, columns: int) -> tuple[bytes, int]:
    """A PNG of at most 20 KB with as many of the images as fit, in rows of `columns`; and how many those are.

    Pictures above 64 px are shrunk, colours reduced to 64; then rows and columns are left out until it is
    small enough.
    """
    pixels, stride, rows = to_bytes(images), columns, len(images) // columns
    while True:
        png = draw_grid(pixels, rows, columns, stride)
        if len(png) <= MOST_PREVIEW_BYTES or rows == columns == 1:
            return png, rows * columns
        rows, columns = (rows - 1, columns) if rows > columns else (min(rows, columns - 1), columns - 1)


def draw_grid(pixels: np.ndarray, rows: int, columns: int, stride: int) -> bytes:
    """A PNG of the top left `rows` by `columns` of pictures that lie `stride` to a row."""
    _, channels, height, width = pixels.shape
    mode = "L" if channels == 1 else "RGB"
    shrink = max(1, math.ceil(max(height, width) / 64))
    side = (max(1, width // shrink), max(1, height // shrink))
    sheet = Image.new(mode, (columns * (side[0] + 1) - 1, rows * (side[1] + 1) - 1), "white")
    for row in range(rows):
        for column in range(columns):
            tile = Image.fromarray(pixels[row * stride + column].transpose(1, 2, 0).squeeze())
            sheet.paste(tile.resize(side), (column * (side[0] + 1), row * (side[1] + 1)))
    if channels == 3:
        sheet = sheet.quantize(64)
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def twin_html(images: Tensor, columns: int, subject: str, state: dict[str, Any] | None) -> str:
    """The still twin: `images` (N, C, H, W) of the grid, with `state` where the site can make it move, else
    None.
    """
    png, shown = preview_png(images, columns)
    alt = f"{shown} samples of {subject}, in a grid"
    if state is None:
        data, hint = "", "A still picture: running this notebook makes it move."
    else:
        data = f' data-explorer="{escape(json.dumps(state, separators=(",", ":")))}"'
        hint = "A still picture: run this cell, or open the book's page with scripts allowed, and it moves."
    return (
        f'<div class="tgan-explorer"{data}>'
        f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" '
        f'alt="{escape(alt)}" width="{PREVIEW_SIDE}" '
        f'style="max-width: 100%; image-rendering: pixelated; border-radius: 6px">'
        f'<p style="max-width: 34em; font-size: 0.9em">{escape(hint)}</p></div>'
    )
