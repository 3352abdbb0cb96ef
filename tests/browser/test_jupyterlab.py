"""A plain notebook in JupyterLab, as a reader with a laptop runs it: its look, all cells, the explorer's sliders."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from lab_server import jupyterlab
from visits import ROOT, Visit

pytestmark = pytest.mark.browser

CHAPTER = ROOT / "notebooks" / "03_image_gans.ipynb"
RUN_LIMIT = 120_000  # ms, for all cells at the smallest budget on two busy cores
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # The default keeps cells that are out of view out of the page; we want to see them all.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


OUTPUTS = """
from tgan_lib import Frames, predict, reveal
import matplotlib.pyplot as plt, numpy as np
predict("few", "How many of six?", slider=(0, 6, 1))
---
figure, ax = plt.subplots(figsize=(5, 2))
ax.barh(["copies", "honest"], [5, 1])
reveal("few", figure, answer=5, alt="Two bars.")
---
predict("ways", "In which order?", order=["a", "b", "c"])
---
Frames(np.zeros((3, 8, 8), np.uint8), {"step": ["0", "1", "2"]}, alt="Black.", captions=["a", "b", "c"])
"""  # a notebook of four cells


@pytest.fixture
def lab(chromium: str, tmp_path: Path) -> Iterator[str]:
    """JupyterLab's address, with a copy of the chapter in its folder and settings of its own."""
    home, work = tmp_path / "jupyter", tmp_path / "work"
    work.mkdir()
    shutil.copy(CHAPTER, work / CHAPTER.name)
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in OUTPUTS.split("---")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), work / "outputs.ipynb")
    for name, settings in SETTINGS.items():
        file = home / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))
    folders = {
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
    }
    environment = os.environ | {"TGAN_BUDGET": "smoke"} | {key: str(path) for key, path in folders.items()}
    with jupyterlab(work, environment, tmp_path / "lab.log") as address:
        yield address


def picture(canvas: Any) -> str:
    return str(canvas.evaluate("canvas => canvas.toDataURL()"))


def wait_for_change(visit: Visit, canvas: Any, before: str) -> str:
    """The canvas's picture once it differs from `before`."""
    visit.page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas.element_handle(), before]
    )
    return picture(canvas)


def look_at(visit: Visit, notebook: dict[str, Any]) -> None:
    """The notebook before it is run: its prose as a reader sees it, and what is folded."""
    page = visit.page
    kinds = [cell["cell_type"] for cell in notebook["cells"]]
    page.wait_for_function(
        "n => document.querySelectorAll('.jp-MarkdownOutput > *').length >= n", arg=kinds.count("markdown")
    )
    prose = "\n".join(page.locator(".jp-MarkdownOutput").all_inner_texts())
    assert "This chapter" in prose
    assert "Exercise 1: can it compare?" in prose
    raw = re.findall(r"\{[\w:-]+\}`?|:::.*|\[[^\]]*\]\(.*", prose)
    assert raw == [], "MyST or Markdown that JupyterLab shows as it is written"
    folds = page.locator(".jp-MarkdownOutput details")
    assert folds.count() >= 1
    assert folds.first.get_attribute("open") is None
    cells = page.locator(".jp-Notebook .jp-Cell")
    assert cells.count() == len(kinds)
    for i, cell in enumerate(notebook["cells"]):
        if "solution" in cell["metadata"].get("tags", []):
            assert cells.nth(i).locator(".cm-content").count() == 0, "a solution that stands open"
            assert cells.nth(i).locator(".jp-OutputArea-output:visible").count() == 0
            assert "Solution." in cells.nth(i - 1).inner_text()


def test_the_chapter_runs_and_its_explorer_moves(open_page: Callable[..., Visit], lab: str) -> None:
    notebook = json.loads(CHAPTER.read_text(encoding="utf-8"))
    visit = open_page(f"{lab}/lab/tree/{CHAPTER.name}")
    page = visit.page
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.first.wait_for()
    # Run too early, it would ask which kernel to use.
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)
    look_at(visit, notebook)
    # What was stored must not pass for what was run.
    page.get_by_role("menuitem", name="Edit", exact=True).click()
    page.get_by_role("menuitem", name="Clear Outputs of All Cells", exact=True).click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # A folded solution shows no prompt; it has run when a cell after it has.
    prompts = [
        cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and not cell["metadata"].get("jupyter", {}).get("source_hidden")
    ]
    page.wait_for_function(
        r"""expected => expected === [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')]
            .filter(prompt => /\[\d+\]/.test(prompt.textContent)).length""",
        arg=len(prompts),
        timeout=RUN_LIMIT,
    )
    errors = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.count() == 0, errors.all_inner_texts()

    explorer = page.locator(".jp-OutputArea .tgx").first
    explorer.scroll_into_view_if_needed()
    page.locator(".jp-OutputArea .tgx[data-ms]").first.wait_for()
    canvas = explorer.locator("canvas.tgx-picture")
    slider = explorer.locator(".tgx-slider input[type=range]").first
    shown = picture(canvas)

    # JupyterLab takes keys for itself unless the element with the focus asks it not to.
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    shown = wait_for_change(visit, canvas, shown)
    explorer.locator(".tgx-cell").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    shown = wait_for_change(visit, canvas, shown)

    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, middle, steps=5)
    page.mouse.up()
    wait_for_change(visit, canvas, shown)
    assert visit.outside == []


@pytest.mark.slow
def test_predictions_and_frames_work_in_outputs(open_page: Callable[..., Visit], lab: str) -> None:
    visit = open_page(f"{lab}/lab/tree/outputs.ipynb")
    page = visit.page
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    result = page.locator('.jp-OutputArea [data-reveal="few"]')
    result.get_by_text("behind this veil").wait_for(timeout=RUN_LIMIT)
    assert not result.locator("svg").first.is_visible()
    asked = page.locator('.jp-OutputArea [data-predict="few"]')
    asked.locator("input").focus()
    page.keyboard.press("End")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert asked.locator(".tgan-mine").inner_text() == "6"
    assert result.locator("[role=status]").inner_text() == "You said 6; it is 5: 1 less than you thought."
    assert result.locator("svg .tgan-guess text").is_visible()
    assert page.locator(".jp-OutputArea-output img").count() == 0, "the figure is shown once"

    order = page.locator('.jp-OutputArea [data-predict="ways"]')
    order.get_by_role("button", name="Move c up").focus()
    page.keyboard.press("ArrowUp")
    assert [item.get_attribute("data-value") for item in order.locator("li").all()] == ["a", "c", "b"]

    frames = page.locator(".jp-OutputArea .tgan-frames")
    frames.locator("input").focus()
    page.keyboard.press("ArrowRight")
    assert frames.locator("[aria-live]").inner_text() == "b"
    assert visit.outside == []
