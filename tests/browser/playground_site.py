"""A small site with playgrounds, made of the pieces that the site is made of, and what tests ask of its pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tgan_lib.widgets.playground import Playground, assets

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Playground</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>:root {{ color-scheme: light dark }} body {{ background: Canvas; color: CanvasText; margin: 16px }}</style>
<script defer src="_static/playground/loader.js"></script></head>
<body><main><h1>Playground</h1>{twin}<p style="height: 1200px">Below</p></main></body></html>"""
PLANE = "document.querySelector('.tgp-plane').toDataURL()"
RUNS_AWAY = Playground("ring", "wasserstein", (1e9, 1e9), penalty="none", optimiser="sgd", controls=True)
STOPPED = "document.querySelector('[role=status]').textContent.startsWith('Stopped at step')"


def write_site(folder: Path) -> None:
    """index.html with open controls, folded.html as pages show it, runaway.html with one that blows up at once."""
    assets.write_site(folder / "_static" / "playground")
    still = assets.still("_static/playground/still.svg")
    pages = {"index": Playground(controls=True), "folded": Playground(), "runaway": RUNS_AWAY}
    for page, playground in pages.items():
        twin = playground.twin().replace("<p ", f"{still}<p ", 1)
        (folder / f"{page}.html").write_text(PAGE.format(twin=twin), encoding="utf-8")


def steps(page: Any) -> int:
    """The step number, once what is shown has caught up."""
    page.wait_for_timeout(300)
    return int(page.inner_text(".tgp-value >> nth=0"))


def wait_for_step(page: Any, step: int) -> None:
    page.wait_for_function(f"Number(document.querySelector('.tgp-value').textContent) >= {step}")


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)
