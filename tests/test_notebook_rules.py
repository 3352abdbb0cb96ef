"""Every notebook of the book keeps the rules, and every rule finds what it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import execute
import nbformat
import numpy as np
import pytest
from exercises import BEGIN
from good_notebook import (
    A_BOOK,
    SETUP,
    captioned,
    cell,
    edit,
    good,
    html,
    picture,
    printed,
    say,
    shows,
    without,
)
from hygiene import MOST_TEXT_BYTES, RULES, Book, defined_twice, problems
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebooks import (
    ROOT,
    code_cells,
    notebook_paths,
    read,
    setup_cell,
)

from tgan_lib.widgets.frames import Frames

NOTEBOOKS = [str(path.relative_to(ROOT)) for path in notebook_paths()]

# --- the book's own notebooks ---


def test_the_book_has_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_keeps_the_rule(name: str, rule: str) -> None:
    complaints = RULES[rule](read(ROOT / name), Book.read())
    assert not complaints, "\n".join([f"{name}:", *complaints])


def test_no_function_is_defined_in_two_notebooks() -> None:
    assert not defined_twice({name: read(ROOT / name) for name in NOTEBOOKS})


def test_what_the_notebooks_are_held_against_is_read() -> None:
    book = Book.read()
    assert "generator" in book.terms
    assert "goodfellow2014gan" in book.citations
    assert "update_ema" in book.exercises
    assert book.setup == setup_cell()
    assert "git+https://" in book.setup


def test_the_good_notebook_is_good() -> None:
    nb = good()
    nbformat.validate(nb)
    assert problems(nb, A_BOOK) == []


BAD: list[tuple[str, Callable[[], Any], str]] = [
    ("was_run", edit(lambda nb: cell(nb, 2).update(execution_count=None)), "run as [1, 2, None"),
    ("was_run", edit(lambda nb: cell(nb, 2).update(execution_count=9)), "run as [1, 2, 9"),
    ("was_run", edit(lambda nb: cell(nb, 2).update(source=" "), seal=True), "nothing in it"),
    ("record_fits", edit(lambda nb: nb.metadata.pop("tgan")), "no record"),
    ("record_fits", edit(lambda nb: nb.metadata.tgan.pop("device")), "no record of the stored run (device)"),
    ("record_fits", edit(lambda nb: cell(nb, 1).update(source="show(2)")), "the code has changed"),
    ("record_fits", edit(lambda nb: nb.metadata.tgan.update(budget="smoke")), "'smoke'"),
    ("figures_have_words", edit(lambda nb: cell(nb, 1).metadata.clear()), "alternative text of 0"),
    (
        "figures_have_words",
        edit(lambda nb: cell(nb, 1).metadata.mystnb.image.update(alt="A figure")),
        "text of 8",
    ),
    ("figures_have_words", edit(lambda nb: shows(nb, picture())), "2 pictures"),
    ("figures_have_words", edit(lambda nb: shows(nb, html("<img src='x.png' alt=''>"))), "<img> without alt"),
    (
        "setup_is_shared",
        edit(lambda nb: cell(nb, 0).update(source=SETUP + " "), seal=True),
        "not the book's setup",
    ),
    ("setup_is_shared", edit(lambda nb: nb.cells.remove(cell(nb, 0)), seal=True), "not the book's setup"),
    ("cells_are_short", edit(lambda nb: cell(nb, 1).update(source="a = 1\n" * 41)), "41 lines"),
    ("cells_are_short", edit(lambda nb: [c.update(source="a = 1\n" * 13) for c in code_cells(nb)]), "median"),
    (
        "file_is_small",
        edit(lambda nb: shows(nb, picture(**{"image/jpeg": "A" * 1_500_000}))),
        "at most 1,500,000",
    ),
    ("no_errors", edit(lambda nb: shows(nb, new_output("error", ename="KeyError"))), "ended in KeyError"),
    ("no_absolute_paths", edit(lambda nb: say(nb, "See /home/me/x:")), "Markdown: See /home/me"),
    ("no_absolute_paths", edit(lambda nb: cell(nb, 1).update(source="load('/tmp/a')")), "load('/tmp/a')"),
    ("no_absolute_paths", edit(lambda nb: shows(nb, printed("saved in C:\\runs"))), "C:\\runs"),
    ("no_absolute_paths", edit(lambda nb: shows(nb, html('<a href="file:///root/x">'))), "file:///root/x"),
    ("nothing_heavy_stored", edit(lambda nb: nb.metadata.update(widgets={})), "widget state"),
    (
        "nothing_heavy_stored",
        edit(lambda nb: shows(nb, html("A" * 100_001))),
        "100,001 characters of text/html",
    ),
    (
        "nothing_heavy_stored",
        edit(lambda nb: shows(nb, html('<img alt="a" src="data:image/png;base64,' + "A" * 100_001 + '">'))),
        "characters of text/html",
    ),
    (
        "nothing_heavy_stored",
        edit(lambda nb: shows(nb, new_output("display_data", data={execute.WIDGETS + "-view+json": {}}))),
        "a widget's view",
    ),
    ("exercises_are_sound", edit(lambda nb: nb.cells.pop()), "1 exercises"),
    (
        "exercises_are_sound",
        edit(lambda nb: cell(nb, 3).update(source="x = 1")),
        "not what its solution leaves open",
    ),
    ("exercises_are_sound", edit(lambda nb: cell(nb, 4).update(source="x = 1")), "should end in check"),
    ("exercises_are_sound", edit(lambda nb: cell(nb, 4).update(source="x = 1\ncheck('double', x)")), BEGIN),
    (
        "exercises_are_sound",
        edit(lambda nb: cell(nb, 4).update(source=cell(nb, 4).source.replace('"double"', '"treble"'))),
        "it checks 'treble'",
    ),
    ("exercises_are_sound", edit(lambda nb: cell(nb, 4).metadata.update(tags=["solution"])), "not folded"),
    ("exercises_are_sound", edit(lambda nb: nb.cells.remove(cell(nb, 3))), "without an exercise before it"),
    ("exercises_are_sound", edit(lambda nb: nb.cells.remove(cell(nb, 4))), "with no solution after it"),
    ("exercises_are_sound", edit(lambda nb: cell(nb, 3).outputs.clear()), "'not written yet'"),
    ("exercises_are_sound", edit(lambda nb: cell(nb, 4).outputs.clear()), "say that it passed"),
    ("terms_exist", edit(lambda nb: say(nb, "The {term}`Flux`")), "no term 'Flux'"),
    ("terms_exist", edit(lambda nb: nb.cells.pop(0)), "links to no term"),
    (
        "citations_exist",
        edit(lambda nb: say(nb, "{cite}`someone2020word, other2021`")),
        "no entry 'other2021'",
    ),
    ("citations_exist", edit(lambda nb: nb.cells.pop(0)), "cites nothing"),
    ("glue_holds", edit(lambda nb: say(nb, "{glue:text}`speed`")), "glued 'speed'"),
    ("glue_holds", edit(lambda nb: captioned(nb, "At {glue:text}`speed`.")), "glued 'speed'"),
    ("glue_holds", edit(lambda nb: say(nb, "\n```{glue:figure} samples\n```\n")), "glued 'samples'"),
    ("length_is_right", edit(lambda nb: say(nb, "word " * 1500)), "3,0"),
    ("length_is_right", edit(lambda nb: nb.cells.pop(0)), "1,500 to 3,000"),
    ("parts_are_there", edit(lambda nb: nb.cells.pop(0)), "no title"),
    *(
        ("parts_are_there", edit(lambda nb, name=name: without(nb, name)), name)
        for name in ("card-chapter", "predict", "exercise", "takeaways", "open-question")
    ),
    ("parts_are_there", edit(lambda nb: nb.cells[0].update(source="# A")), "What can go wrong"),
]


@pytest.mark.parametrize(("rule", "make", "phrase"), BAD, ids=[f"{r}-{i}" for i, (r, _, _) in enumerate(BAD)])
def test_a_rule_finds_a_bad_notebook(rule: str, make: Callable[[], Any], phrase: str) -> None:
    complaints = RULES[rule](make(), A_BOOK)
    assert any(phrase in complaint for complaint in complaints), complaints


def test_every_rule_was_seen_to_find_something() -> None:
    assert {rule for rule, _, _ in BAD} == set(RULES)


def test_the_picture_of_frames_is_a_picture() -> None:
    nb, picture = good(), np.random.default_rng(0).integers(0, 256, (2, 300, 400), dtype=np.uint8)
    shown = Frames(picture, {"step": ["0", "1"]}, alt="Noise.")._repr_html_()
    assert len(shown) > 2 * MOST_TEXT_BYTES
    shows(nb, html(shown))
    assert not RULES["nothing_heavy_stored"](nb, A_BOOK)


def test_a_prediction_that_a_cell_asks_for_needs_no_box() -> None:
    nb = good()
    without(nb, "predict")
    cell(nb, 2).source = 'predict("distance", "How far?", slider=(0, 6, 1))'
    assert RULES["parts_are_there"](nb, A_BOOK) == []


def test_what_looks_like_a_path_and_is_none() -> None:
    nb = good()
    say(nb, "https://example.org/home/x, ~/work/x, a/tmp/b, $G:\\mathbb{R}^n$, and/work, /homely ")
    assert RULES["no_absolute_paths"](nb, A_BOOK) == []


def test_two_definitions_of_one_function() -> None:
    a, b = (new_notebook(cells=[new_code_cell(f"def {name}(): pass\n%time x")]) for name in ("draw", "show"))
    assert defined_twice({"a": a, "b": b}) == []
    assert defined_twice({"a": a, "b": b, "c": a}) == ["draw is defined in a and c"]
