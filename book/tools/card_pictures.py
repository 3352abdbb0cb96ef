"""Draws the pictures on the landing page's cards: of each chapter the figure of its cell that is tagged `card-picture`.

    python book/tools/card_pictures.py [NUMBER ...]

It reads the stored outputs, renders them in a headless Chromium and writes book/_static/cards/NN.webp. Run it when a
chapter's figure has changed.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image

BOOK = Path(__file__).resolve().parents[1]
OUT = BOOK / "_static" / "cards"
TAG = "card-picture"
SIZE = (480, 270)  # twice as large as a card on a laptop
PAGE = '<body style="margin: 0; background: white; width: 720px">{}</body>'


def notebooks() -> dict[int, Path]:
    """The chapters by number."""
    return {int(path.name[:2]): path for path in sorted(BOOK.glob("*/[0-9][0-9]_*.ipynb"))}


def tagged(notebook: Path) -> list[Any]:
    """The cells of a chapter that carry the tag: one, and a test says so."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell for cell in cells if TAG in cell.metadata.get("tags", [])]


def shown(cell: Any) -> str:
    """A cell's figure as HTML without scripts, a PNG as an image. ValueError for a cell without one."""
    for output in cell.get("outputs", []):
        content = output.get("data", {})
        if "image/png" in content:
            return f'<img src="data:image/png;base64,{content["image/png"].strip()}">'
        if re.search("<svg|data:image", found := content.get("text/html", "")):
            return re.sub(r"<script.*?</script>", "", found, flags=re.DOTALL)
    raise ValueError("the cell has no stored figure")


def card(screenshot: bytes) -> Image.Image:
    """A figure on white, as large as fits into SIZE."""
    figure = Image.open(io.BytesIO(screenshot)).convert("RGB")
    figure.thumbnail((SIZE[0] - 16, SIZE[1] - 16), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", SIZE, "white")
    whole.paste(figure, tuple((a - b) // 2 for a, b in zip(SIZE, figure.size, strict=True)))  # type: ignore[arg-type]
    return whole


def main(numbers: Sequence[str]) -> None:
    sys.path.insert(0, str(BOOK.parent / "tests" / "browser"))
    from playwright.sync_api import sync_playwright
    from visits import FLAGS, find_chromium

    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(device_scale_factor=2)
        for number, path in notebooks().items():
            if numbers and str(number) not in numbers:
                continue
            [cell] = tagged(path)
            page.set_content(PAGE.format(shown(cell)))
            figure = page.locator("figure.tgan-figure > div, [role=img]")  # all panels, without the caption
            found = figure if figure.count() else page.locator("svg, img")
            card(found.first.screenshot()).save(OUT / f"{number:02d}.webp", quality=70, method=6)


if __name__ == "__main__":
    main(sys.argv[1:])
