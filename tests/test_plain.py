"""The plain notebooks: made from the chapters, the same code, and nothing raw in their text."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import re
import statistics
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from notebooks import ROOT, caption, code_cells, code_sha256, images, read, setup_cell, tags
from PIL import Image
from plain import SOLUTION, chapters, glued_values, plain_code, plain_notebook, plain_path, write_all
from plain_links import FOLDER, Index

from tgan_lib.widgets.frames import Frames

CHAPTERS = chapters()
# What only our site understands: roles, directives, substitutions, labels.
RAW = re.compile(r"\{[\w:+.-]+\}`|^ *:::|^ *`{3,}\{|\{\{ *\w+ *\}\}|^\([\w-]+\)=$|^:[\w-]+: ", re.M)


def by_pixels(nb: Any) -> str:
    """A notebook as text, its pictures by what they show: two versions of Pillow write one picture in two ways."""

    def pixels(found: re.Match[str]) -> str:
        image = Image.open(io.BytesIO(base64.b64decode(found[1])))
        return hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest()

    return re.sub(r"data:image/png;base64,([\w+/=]+)", pixels, json.dumps(nb, sort_keys=True))


# --- what is in notebooks/ ---


def test_every_chapter_has_a_plain_notebook_and_nothing_else_is_there() -> None:
    assert len(CHAPTERS) >= 16
    assert sorted((ROOT / FOLDER).rglob("*.ipynb")) == [plain_path(path) for path in CHAPTERS]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_plain_notebook_is_what_the_chapter_makes(path: Path) -> None:
    made = by_pixels(plain_notebook(path, Index.read()))
    assert by_pixels(read(plain_path(path))) == made, "run make notebooks"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_its_code_is_the_chapters_and_so_needs_no_run_of_its_own(path: Path) -> None:
    source, made = read(path), read(plain_path(path))
    nbformat.validate(made)
    assert [code.source for code in code_cells(made)] == [code.source for code in code_cells(source)]
    assert made.metadata.tgan.code_sha256 == code_sha256(source)
    assert made.metadata.tgan.source == path.relative_to(ROOT).as_posix()
    assert code_cells(made)[0].source == setup_cell()
    assert sum(map(images, code_cells(made))) == sum(map(images, code_cells(source)))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_nothing_raw_is_left_in_its_text(path: Path) -> None:
    made = read(plain_path(path))
    texts = [code.source for code in made.cells if code.cell_type == "markdown"]
    texts += [
        output.data["text/markdown"]
        for code in code_cells(made)
        for output in code.outputs
        if "text/markdown" in output.get("data", {})
    ]
    listings = re.compile(r"^(`{3,})\w+\n.*?^\1$", re.M | re.S)
    found = [match[0] for text in texts for match in RAW.finditer(listings.sub("", text))]
    assert found == []
    assert "tgan-frames" not in json.dumps(made), "a figure that is dead in Jupyter until it is run"
    assert "papermill" not in json.dumps(made), "a value that VS Code says it cannot show"


@pytest.mark.parametrize(
    "raw", ["{term}`logit`", ":::{note}", "```{note}", "{{ repository }}", "(here)=", ":class: a"]
)
def test_the_scan_sees_what_is_raw(raw: str) -> None:
    assert RAW.search(f"text\n{raw}\ntext")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_solution_is_folded_and_announced(path: Path) -> None:
    made = read(plain_path(path))
    solutions = [i for i, code in enumerate(made.cells) if "solution" in tags(code)]
    assert len(solutions) >= 2
    for i in solutions:
        folded = made.cells[i].metadata
        assert folded.jupyter == {"source_hidden": True, "outputs_hidden": True}
        assert (folded.collapsed, folded.cellView) == (True, "form")
        assert made.cells[i - 1].source == SOLUTION
        assert "exercise" in tags(made.cells[i - 2])


def test_they_are_no_larger_than_the_chapters() -> None:
    sizes = [[file.stat().st_size for file in files] for files in (CHAPTERS, map(plain_path, CHAPTERS))]
    assert statistics.median(sizes[1]) <= statistics.median(sizes[0])


def test_pytest_runs_the_code_once() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert FOLDER not in re.findall(r"^testpaths = (.*)$", settings, re.M)[0]


def test_the_theme_the_badge_and_the_lab_open_them() -> None:
    assert f"/blob/main/{FOLDER}/03_image_gans.ipynb" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"default_url=/lab/tree/{FOLDER}" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_a_chapter_that_is_gone_takes_its_notebook_with_it(tmp_path: Path) -> None:
    for name in (
        "_config.yml",
        "book/references.bib",
        "book/reference/glossary.md",
        "book/loss/02_saturation.ipynb",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    times = tmp_path / "book" / "reference" / "times.md"
    times.write_text("# Measured times\n")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "00_old.ipynb").touch()
    assert write_all(tmp_path) == [tmp_path / FOLDER / "02_saturation.ipynb"]
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["02_saturation.ipynb"]


def test_a_published_chapter_says_where_its_page_is() -> None:
    made = plain_notebook(CHAPTERS[2], Index.read(url="https://github.com/Ada/book"))
    assert "(https://ada.github.io/book/book/loss/03_image_gans.html)" in made.cells[0].source.splitlines()[2]
    assert "-owner-" not in "".join(text.source for text in made.cells if text.cell_type == "markdown")


# --- code cells ---


@pytest.mark.parametrize(
    ("tag", "source", "outputs"),
    [
        ("hide-input", True, False),
        ("hide-cell", True, True),
        ("hide-output", False, True),
        ("exercise", False, False),
    ],
)
def test_what_the_page_folds_is_folded(tag: str, source: bool, outputs: bool) -> None:
    made = plain_code(new_code_cell("x = 1", metadata={"tags": [tag], "mystnb": {"a": "b"}}))
    folded = made.metadata.get("jupyter", {})
    assert (folded.get("source_hidden", False), folded.get("outputs_hidden", False)) == (source, outputs)
    assert ("cellView" in made.metadata, "collapsed" in made.metadata) == (source, outputs)
    assert made.metadata.tags == [tag]
    assert "mystnb" not in made.metadata


def test_frames_become_the_picture_that_they_start_at() -> None:
    import numpy as np

    shades = np.arange(12, dtype=np.uint8).reshape(3, 4)[..., None, None] * np.full((5, 7), 20, np.uint8)
    frames = Frames(
        shades,
        {"row": ["a", "b", "c"], "column": list("0123")},
        alt="A <shade>.",
        captions=[f"shade {i}" for i in range(12)],
        start={"row": 2, "column": 1},
    )
    old = new_code_cell("frames", outputs=[new_output("display_data", {"text/html": frames._repr_html_()})])
    shown = plain_code(old).outputs[0].data["text/html"]
    png = re.search(r'src="data:image/png;base64,([^"]+)"', shown)
    assert png
    tile = Image.open(io.BytesIO(base64.b64decode(png[1]))).convert("L")
    assert tile.size == (7, 5)
    assert tile.getextrema() == (180, 180)
    assert 'alt="A &lt;shade&gt;."' in shown
    assert "shade 9. A still picture" in shown
    assert "script" not in shown


def test_predictions_and_comparisons_become_words_and_pictures() -> None:
    import matplotlib.pyplot as plt
    import numpy as np

    from tgan_lib import Compare, predict, reveal

    figure, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 6], [0, 1], color="#7d8590")
    parts = [
        predict("few", "How many < 7?", slider=(0, 6, 1)),
        reveal("few", figure, answer=5, alt="A <line>.", caption="Five of six."),
        Compare(
            {"way": ["a", "b"]},
            {"far": [1, 2], "seen": [2, 1]},
            alt="Dots.",
            samples=np.zeros((2, 4, 4), np.uint8),
        ),
    ]
    outputs = [new_output("display_data", {"text/html": part._repr_html_()}) for part in parts]
    asked, told, compared = (
        out.data["text/html"] for out in plain_code(new_code_cell("", outputs=outputs)).outputs
    )
    for text in (asked, told, compared):
        assert not re.search(r"<script|<style|<svg|data-sheet|currentColor", text)
    assert "How many &lt; 7?" in asked
    picture = re.search(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="A &lt;line&gt;."', told)
    assert picture
    assert b"#7d8590" in base64.b64decode(picture[1])
    assert "It is 5." in told
    assert compared.count("<img") == 2
    assert "<table>" in compared


def test_a_caption_stands_under_its_figure_with_its_numbers() -> None:
    path, index = CHAPTERS[9], Index.read()
    chapter, made = read(path), plain_notebook(path, index).cells
    asked = {old.id: caption(old) for old in code_cells(chapter) if caption(old)}
    under = {above.id: below for above, below in itertools.pairwise(made) if below.id.endswith("-caption")}
    assert list(under) == list(asked)
    known, found = glued_values(chapter), 0
    for above, below in under.items():
        assert (below.source[0], below.source[-1]) == ("*", "*")
        for name in re.findall(r"\{glue:text\}`([^`]+)`", asked[above]):
            assert known[name]["text/plain"].strip("'") in below.source
            found += 1
    assert found


def test_outputs_keep_what_jupyter_shows() -> None:
    record = {"scrapbook": {"name": "n", "mime_prefix": "application/papermill.record/"}}
    old = new_code_cell(
        "x",
        metadata={"mystnb": {"image": {"alt": "Bars."}}},
        outputs=[
            new_output("display_data", {"application/papermill.record/text/plain": "'1'"}, metadata=record),
            new_output("stream", name="stdout", text="said"),
            new_output("display_data", {"image/png": "AAAA"}, metadata={"needs_background": "dark"}),
        ],
    )
    said, drawn = plain_code(old).outputs
    assert said.text == "said"
    assert drawn.metadata == {"image/png": {"alt": "Bars."}}
    assert len(old.outputs) == 3
    assert old.outputs[2].metadata == {"needs_background": "dark"}, "the source was changed"
