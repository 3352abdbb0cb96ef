"""A small site with one explorer, made of the pieces that the book is made of, and what its picture shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from visits import Visit

from tgan_lib.gan import GAN
from tgan_lib.widgets.explorer import STATE, LatentExplorer, assets, pack
from tgan_lib.widgets.explorer.twin import seeded_latents, twin_html

NAME = "mnist-dcgan"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Explorer</title> <meta
name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"> <style>:root {{
color-scheme: light dark }} body {{ background: Canvas; color: CanvasText; margin: 16px }}</style> <script
defer src="_static/explorer/loader.js"></script></head>
<body><main><h1>Explorer</h1>{twins}</main></body></html>"""
# The main picture's first channel, as numbers from 0 to 255.
PIXELS = """() => {
    const canvas = document.querySelector('canvas[role=img]'), { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    return Array.from(data).filter((_, i) => i % 4 === 0);
}"""


def write_site(folder: Path, gan: GAN) -> None:
    """index.html with one explorer, stale.html with one of another version of the model."""
    explorer = LatentExplorer(gan, name=NAME)
    state = {key: getattr(explorer, key) for key in STATE} | {"sha256": "ab12"}
    images = gan.sample(z=torch.from_numpy(seeded_latents(16, 64, 0)))
    assets.write_site(folder / "_static" / "explorer", {NAME: ("ab12", pack(gan.ema))})
    for page, version in (("index", "ab12"), ("stale", "old")):
        twin = twin_html(images, 4, NAME, state | {"sha256": version})
        (folder / f"{page}.html").write_text(PAGE.format(twins=twin), encoding="utf-8")


def shown(visit: Visit) -> np.ndarray:
    """What the main picture shows now, at rest, in [-1, 1]."""
    visit.page.wait_for_timeout(120)
    return np.array(visit.page.evaluate(PIXELS)) / 127.5 - 1


def drawn(gan: GAN, z: np.ndarray) -> np.ndarray:
    """The same of torch, for one latent."""
    return gan.sample(z=torch.from_numpy(z[None]).float()).flatten().numpy()


def differ(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


CLOSE = 0.03 + 1 / 255  # the engine's error and a byte's rounding


def label(visit: Visit) -> str:
    """What a screen reader is told of the picture, once the news has settled."""
    visit.page.wait_for_timeout(800)
    return visit.page.get_attribute("canvas[role=img]", "aria-label")
