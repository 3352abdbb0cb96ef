"""The explorer in JupyterLab, with a kernel: drawn in the browser, drawn by Python, and z on both sides."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator

import pytest
from lab_server import jupyterlab
from visits import ROOT, Visit

# Slow: test_jupyterlab.py moves an explorer in JupyterLab too.
pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS = [
    "import torch\nfrom tgan_lib import GAN, LatentExplorer\n"
    "gan = GAN.build('dcgan', width=8, seed=1, device='cpu')\ngan.ema.net[-2].weight *= 200\n"
    "explorer = LatentExplorer(gan)\nexplorer",
    "asked = LatentExplorer(lambda z: z[:, :1, None, None].expand(-1, 1, 8, 8).tanh(),"
    " latent_dim=3, directions=torch.eye(3))\nasked",
    "print('z0 is', round(explorer.z[0], 3), 'and', round(asked.z[0], 3)); explorer.z = [0.0] * 64",
]


@pytest.fixture(scope="module")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab with the notebook above."""
    folder = tmp_path_factory.mktemp("lab")
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [{**cell, "id": f"c{i}", "source": source} for i, source in enumerate(CELLS)],
    }
    (folder / "explore.ipynb").write_text(json.dumps(notebook))
    private = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "RUNTIME")}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, **private, "PYTHONPATH": path}
    with jupyterlab(folder, environment, tmp_path_factory.mktemp("log") / "lab.log") as address:
        yield f"{address}/lab/tree/explore.ipynb"


def test_live_in_jupyterlab(open_page: Callable[..., Visit], lab: str) -> None:
    page = open_page(lab).page
    page.get_by_text("| Idle").wait_for(timeout=60_000)

    def run(n: int) -> None:
        page.locator(".jp-Cell .cm-content").nth(n).click()
        page.keyboard.press("Shift+Enter")

    def pixels(n: int) -> list[int]:
        page.wait_for_timeout(600)
        read = "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
        found: list[int] = page.locator(".tgx canvas[role=img]").nth(n).evaluate(read)
        return found

    for n in (0, 1):
        run(n)
        page.wait_for_function(f"document.querySelectorAll('.tgx[data-ready]').length > {n}", timeout=60_000)
    for n in (0, 1):
        before = pixels(n)
        assert max(before[0::4]) > 0
        slider = page.locator(".tgx").nth(n).get_by_role("slider").first
        slider.press("End")
        assert pixels(n) != before, "a slider moves the picture"
    run(2)
    printed = page.locator(".jp-OutputArea-output pre", has_text="z0 is")
    z0, asked = map(float, re.findall(r"-?\d+\.\d+", printed.inner_text()))
    shown = pixels(1)[0]
    assert shown == pytest.approx((math.tanh(asked) + 1) * 127.5, abs=2), (
        "Python knows the latent that is shown"
    )
    page.wait_for_timeout(800)
    assert z0 != 0
    label = page.locator(".tgx canvas[role=img]").first.get_attribute("aria-label")
    assert label == "Generated picture: a latent set in Python", "and can set it"
