"""The plain notebooks: made from the chapters, the same code, and nothing raw in their text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_output
from notebooks import ROOT, code_cells, code_sha256, images, read, setup_cell, tags
from PIL import Image
from plain import SOLUTION, chapters, plain_code, plain_notebook, plain_path, write_all
from plain_links import FOLDER, Index
from plain_markdown import DIRECTIVES, ROLES, Page, cell

from tgan_lib.widgets.frames import Frames

URL = "https://github.com/Ada/book"
CHAPTERS = chapters()
# What only our site understands: roles, directives, substitutions, labels.
RAW = re.compile(r"\{[\w:+.-]+\}`|^ *:::|^ *`{3,}\{|\{\{ *\w+ *\}\}|^\([\w-]+\)=$|^:[\w-]+: ", re.M)


@pytest.fixture(scope="module")
def index() -> Index:
    """As long as the book has no address."""
    return Index.read(url="https://github.com/-owner-/book")


@pytest.fixture(scope="module")
def published() -> Index:
    """As if the book were published."""
    return Index.read(url=URL)


def page(text: str, index: Index, **known: Any) -> Page:
    return Page.of(text, ROOT / "book" / "loss" / "03_image_gans.ipynb", index, **known)


def plain(text: str, index: Index, **known: Any) -> str:
    return cell(text, page(text, index, **known))


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


# --- text ---

GLUED = {"n": {"text/plain": "'0.1234'"}, "bar": {"text/plain": "'a|b_c'"}, "drawn": {"image/png": "AAAA\n"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{glue:text}`n` and {glue:text}`n:.2f`", "0.1234 and 0.12"),
        ("{glue:text}`bar`", r"a\|b\_c"),
        (
            "```{glue:figure} drawn\nWords {glue:text}`n`.\n```",
            "![drawn](data:image/png;base64,AAAA)\n\nWords 0.1234.",
        ),
        ("{measured}`run`", "2 min on CPU"),
        ("A {term}`GAN` has {term}`logits <logit>`.", "A *GAN* has *logits*."),
        ("{cite:t}`goodfellow2014gan`", "[Goodfellow et al. (2014)](https://arxiv.org/abs/1406.2661)"),
        ("{cite:t}`maaten2008tsne`", "[van der Maaten and Hinton (2008)](../book/reference/bibliography.md)"),
        ("[measured](../reference/times.md)", "[measured](../book/reference/times.md)"),
        (
            "[](06_measuring) {doc}`06_measuring`",
            "[Measuring](06_measuring.ipynb) [Measuring](06_measuring.ipynb)",
        ),
        (
            "[budgets](#budgets) {ref}`budgets`",
            "[budgets](../book/start/how_to_use.md) [Three budgets](../book/start/how_to_use.md)",
        ),
        ("[above](#two-players)", "above"),
        ("[web](https://a.org/b_(c))", "[web](https://a.org/b_(c))"),
        ("[a $[0, 1]$ {term}`GAN`](https://a.org)", "[a $[0, 1]$ *GAN*](https://a.org)"),
        ("$a`{x}`$ and `{term}`", "$a`{x}`$ and `{term}`"),
        ("$$\nx\n$$ (one)\n\n{eq}`one`", "$$\nx \\tag{1}\n$$\n\n(1)"),
        ("```{math}\n:label: two\ny\n```\n\nsee {eq}`two`", "$$\ny \\tag{1}\n$$\n\nsee (1)"),
        ("\\begin{align}a &= b\\end{align}", "$$\\begin{aligned}\na &= b\n\\end{aligned}$$"),
        (
            "One[^a].\n\n[^a]: A note\n    on {term}`GAN`.\n",
            "One<sup>1</sup>.\n\n<sup>1</sup> A note\n    on *GAN*.",
        ),
        ("term\n: what it is", "- **term**: what it is"),
        ("(here)=\n% unseen\n{.wide}\n# Title", "# Title"),
        ("[word]{.small} `code`{l=python}", "word `code`"),
        ("Line.\n\n% unseen\n\nLine with 5 %\nof it.", "Line.\n\n\nLine with 5 %\nof it."),
        ("{{ repository }}", "[github.com/-owner-/book](https://github.com/-owner-/book)"),
        ("```python\n{term}`x`\n```", "```python\n{term}`x`\n```"),
        (
            ":::{admonition} Chapter $n$\n:class: card-chapter\n\nA {term}`GAN`:\n- $a\n  b$ and\n- c\n:::",
            "> **Chapter $n$**\n>\n> A *GAN*:\n> - $a b$ and\n> - c",
        ),
        (":::{note}\nMind it.\n:::", "> **Note**\n>\n> Mind it."),
        (
            "Before.\n:::{admonition} Predict\n:class: predict\nWhat?\n:::\nAfter.",
            "Before.\n\n---\n\n**Predict**\n\nWhat?\n\n---\n\nAfter.",
        ),
        (
            ":::{admonition} Open\n:class: open-question\nWhy?\n"
            "```{admonition} A <b> & c\n:class: dropdown\nSo.\n```\n:::",
            "---\n\n**Open**\n\nWhy?\n\n<details>\n<summary>A &lt;b&gt; &amp; c</summary>\n\nSo.\n\n</details>",
        ),
    ],
)
def test_markup_made_plain(text: str, expected: str, index: Index) -> None:
    assert plain(text, index, glued=GLUED, record={"seconds": 120.0, "device": "CPU"}) == expected
    assert not RAW.search(re.sub(r"```python.*?```|`[^`]*`", "", expected, flags=re.S))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{term}`Logits <logit>`",
            "[Logits](https://ada.github.io/book/book/reference/glossary.html#term-logit)",
        ),
        ("{term}`gan`", "[gan](https://ada.github.io/book/book/reference/glossary.html#term-GAN)"),
        ("[](06_measuring)", "[Measuring](https://ada.github.io/book/book/loss/06_measuring.html)"),
        ("{ref}`budgets`", "[Three budgets](https://ada.github.io/book/book/start/how_to_use.html#budgets)"),
        ("[above](#two)", "[above](https://ada.github.io/book/book/loss/03_image_gans.html#two)"),
    ],
)
def test_links_lead_to_the_site_once_there_is_one(text: str, expected: str, published: Index) -> None:
    assert plain(text, published) == expected


def test_a_published_chapter_says_where_its_page_is(published: Index) -> None:
    made = plain_notebook(CHAPTERS[2], published)
    assert "(https://ada.github.io/book/book/loss/03_image_gans.html)" in made.cells[0].source.splitlines()[2]
    assert "-owner-" not in "".join(text.source for text in made.cells if text.cell_type == "markdown")


def test_an_image_travels_with_the_notebook(index: Index) -> None:
    made = plain("![Digits](../_static/readme.png){width=50%}", index)
    data = re.fullmatch(r'<img src="data:image/png;base64,([\w+/=]+)" alt="Digits" width="50%">', made)
    assert data
    assert base64.b64decode(data[1]) == (ROOT / "book" / "_static" / "readme.png").read_bytes()
    figure = plain("```{figure} ../_static/readme.png\n:alt: Digits\n\nSome *digits*.\n```", index)
    assert re.fullmatch(r"!\[Digits\]\(data:image/png;base64,[\w+/=]+\)\n\nSome \*digits\*\.", figure)


def test_the_stored_benchmark_is_quoted_as_on_its_page(index: Index) -> None:
    made = plain("On {bench}`machine`.\n\n```{bench} steps\n```", index).split("\n")
    assert re.match(r"On .+ \(\d+ threads; .+\)\.", made[0])
    assert made[2].startswith("| Network | Batch |")
    assert len({line.count("|") for line in made[2:]}) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{strange}`x`", "no plain form of a role named 'strange'"),
        (":::{strange}\nx\n:::", "no plain form of a directive named 'strange'"),
        ("{glue:text}`missing`", "no value glued in the run named 'missing'"),
        ("{term}`missing`", "no term named 'missing'"),
        ("{cite:t}`missing`", "no entry of references.bib named 'missing'"),
        ("{eq}`missing`", "no equation named 'missing'"),
        ("[](missing.md)", "'missing.md', which is no page of the book"),
        ("{{ missing }}", "no substitution named 'missing'"),
    ],
)
def test_what_has_no_plain_form_is_refused_by_name(text: str, message: str, index: Index) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        plain(text, index)


def test_every_role_and_directive_of_the_book_has_a_plain_form() -> None:
    texts = [code.source for path in CHAPTERS for code in read(path).cells if code.cell_type == "markdown"]
    used = re.findall(r"^ *(?:`{3,}|:{3,})\{([\w:-]+)\}", "\n".join(texts), re.M)
    assert set(used) <= set(DIRECTIVES)
    assert set(re.findall(r"\{([\w:+.-]+)\}`[^`]", "\n".join(texts))) <= set(ROLES)
