"""Every notebook of the book keeps the rules, every rule finds what it is for, the tools do as they say."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import execute
import nbformat
import numpy as np
import pytest
from exercises import BEGIN, END, HOLE, exercise_name, pairs, stub_source, write_stubs
from hygiene import MOST_TEXT_BYTES, RULES, Book, defined_twice, glossary_terms, problems
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebooks import (
    BOOK,
    ROOT,
    code_cells,
    code_sha256,
    functions,
    glued_names,
    notebook_paths,
    prose_words,
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


# --- a small notebook that keeps every rule ---

SETUP = setup_cell("https://example.org/book")
A_BOOK = Book(SETUP, frozenset({"generator"}), frozenset({"someone2020word"}), frozenset({"double", "halve"}))
ALT = "A grid of 16 hand-written digits, drawn by the generator."
SOLUTION = f"""def {{name}}(x):
    \"\"\"Of one number.\"\"\"
    {BEGIN}
    return x
    {END}


check("{{name}}", {{name}})"""
PAGE = (
    """# A chapter

:::{admonition} What you will learn
:class: card-chapter
Much of the {term}`generators <generator>`, see {cite:t}`someone2020word`.
:::

```{admonition} Predict
:class: note predict
Is it {glue:text}`distance:.2f`?
```

## What can go wrong

"""
    + "word " * 1500
)
BOXES = "\n\n".join(
    f":::{{admonition}} X\n:class: {name}\n...\n:::" for name in ("exercise", "takeaways", "open-question")
)


def printed(text: str) -> Any:
    return new_output("stream", name="stdout", text=text)


def picture(**data: str) -> Any:
    return new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>", **data})


def good() -> Any:
    """A notebook without a fault, as if stored by a run."""
    nb = new_notebook(cells=[new_markdown_cell(PAGE), new_code_cell(SETUP)])
    figure = new_code_cell("show(images)", outputs=[picture()], metadata={"mystnb": {"image": {"alt": ALT}}})
    glued = new_output(
        "display_data",
        data={"application/papermill.record/text/plain": "3.1"},
        metadata={"scrapbook": {"name": "distance", "mime_prefix": "application/papermill.record/"}},
    )
    nb.cells += [figure, new_code_cell("glue('distance', 3.1)", outputs=[glued]), new_markdown_cell(BOXES)]
    nb.cells += [
        new_code_cell(SOLUTION.format(name=n), metadata={"tags": ["solution"]}) for n in ("double", "halve")
    ]
    write_stubs(nb)
    for stub, solution in pairs(nb):
        stub.outputs, solution.outputs = [printed("x: not written yet.")], [printed("x: passed. Well.")]
    return sealed(nb)


def sealed(nb: Any) -> Any:
    """The notebook with execution counts and a record that fit its code."""
    for i, cell in enumerate(code_cells(nb), 1):
        cell.execution_count = i
    nb.metadata["tgan"] = execute.record(nb, "cpu", 12.0)
    return nb


def test_the_good_notebook_is_good() -> None:
    nb = good()
    nbformat.validate(nb)
    assert problems(nb, A_BOOK) == []


def edit(change: Callable[[Any], Any], seal: bool = False) -> Callable[[], Any]:
    """A maker of the good notebook with one change, its record made anew if `seal`."""

    def make() -> Any:
        nb = good()
        change(nb)
        return sealed(nb) if seal else nb

    return make


def say(nb: Any, text: str) -> None:
    nb.cells[0].source = nb.cells[0].source.replace("Much of", text)


def cell(nb: Any, number: int) -> Any:
    return code_cells(nb)[number]


def shows(nb: Any, output: Any) -> None:
    cell(nb, 1).outputs.append(output)


def without(nb: Any, word: str) -> None:
    for each in nb.cells:
        each.source = each.source.replace(word, "x")


def html(text: str) -> Any:
    return new_output("display_data", data={"text/html": text})


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


def test_what_looks_like_a_path_and_is_none() -> None:
    nb = good()
    say(nb, "https://example.org/home/x, ~/work/x, a/tmp/b, $G:\\mathbb{R}^n$, and/work, /homely ")
    assert RULES["no_absolute_paths"](nb, A_BOOK) == []


def test_two_definitions_of_one_function() -> None:
    a, b = (new_notebook(cells=[new_code_cell(f"def {name}(): pass\n%time x")]) for name in ("draw", "show"))
    assert defined_twice({"a": a, "b": b}) == []
    assert defined_twice({"a": a, "b": b, "c": a}) == ["draw is defined in a and c"]


# --- what a notebook holds ---


def test_the_hash_follows_the_code_alone() -> None:
    nb = good()
    before = code_sha256(nb)
    nb.cells[0].source += "More prose."
    cell(nb, 1).outputs = []
    cell(nb, 1).source += "  \n"
    cell(nb, 0).source = setup_cell("https://elsewhere.example/y")
    assert code_sha256(nb) == before
    cell(nb, 1).source = "show(images, 4)"
    assert code_sha256(nb) != before


def test_the_hash_does_not_ask_which_module_a_name_comes_from() -> None:
    cells = [
        "from tgan_lib.ada import leaks\nfrom tgan_lib import (\n    load,  # images\n    zoo,\n)\nleaks(load())",
        "from tgan_lib import load\nfrom tgan_lib.augment import leaks\nfrom tgan_lib import zoo\nleaks(load())",
        "from tgan_lib import leaks, load\nleaks(load())",
        "from tgan_lib import leaks as load, load as leaks, zoo\nleaks(load())",
    ]
    one, moved, fewer, renamed = (code_sha256(new_notebook(cells=[new_code_cell(cell)])) for cell in cells)
    assert one == moved
    assert len({one, fewer, renamed}) == 3


def test_moving_code_between_cells_changes_the_hash() -> None:
    one, two = (new_notebook(cells=[new_code_cell(s) for s in sources]) for sources in (["a", "b"], ["a\nb"]))
    assert code_sha256(one) != code_sha256(two)


def test_words_of_prose() -> None:
    page = """# Two words

A $x^2 + y$ is the formula's end [link text](https://example.org/a/b).

```{admonition} Title here
:class: note
Inside the box.
```

```python
not_counted = 1
```

$$ a + b = c $$
"""
    counted = "Two words A x is the formula's end link text Title here Inside the box".split()  # noqa: SIM905
    assert prose_words(new_notebook(cells=[new_markdown_cell(page)])) == len(counted)


def test_glossary_terms_are_the_lines_at_the_margin() -> None:
    glossary = "```{glossary}\n:sorted:\n\nreal term\n  Its meaning.\n\nother\n  More.\n```"
    page = f"# G\n\nnot this\n\n{glossary}\n\nnor this\n"
    assert list(glossary_terms(page)) == ["real term", "other"]


def test_functions_of_a_cell_with_ipythons_own_lines() -> None:
    source = (
        "try:\n    %pip install x\nexcept OSError:\n    !ls\ndef f():\n    def inner(): pass\nclass A: pass"
    )
    assert list(functions(new_notebook(cells=[new_code_cell(source)]))) == ["f", "A"]


def test_hidden_copies_are_no_notebooks(tmp_path: Path) -> None:
    for name in ("b.ipynb", "a/c.ipynb", ".ipynb_checkpoints/b-checkpoint.ipynb", "a/.d.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(p.relative_to(tmp_path)) for p in notebook_paths(tmp_path)] == ["a/c.ipynb", "b.ipynb"]


# --- exercises ---


def test_a_stub_keeps_all_but_the_marked_lines() -> None:
    solution = (
        f"x = 1\nfor a in b:\n    {BEGIN}\n    c\n\n    d\n    {END}\ny\n{BEGIN}\nz\n{END}\ncheck('e', f)"
    )
    assert stub_source(solution) == f"x = 1\nfor a in b:\n    {HOLE}\ny\n{HOLE}\ncheck('e', f)"
    assert exercise_name(solution) == "e"


@pytest.mark.parametrize(
    "source", ["x = 1", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}", f"{BEGIN}\n{END}\n{END}"]
)
def test_markers_that_do_not_pair(source: str) -> None:
    with pytest.raises(ValueError, match="SOLUTION"):
        stub_source(source)


def test_exercise_cells_are_put_in_and_written_anew() -> None:
    nb = new_notebook(cells=[new_code_cell(SOLUTION.format(name="double"), metadata={"tags": ["solution"]})])
    write_stubs(nb)
    once = copy.deepcopy(nb)
    nb.cells[0].source = "drifted"
    write_stubs(nb)
    assert nb == once
    assert [c.metadata.tags for c in nb.cells] == [["exercise"], ["hide-cell", "solution"]]
    assert (
        nb.cells[0].source
        == f'def double(x):\n    """Of one number."""\n    {HOLE}\n\n\ncheck("double", double)'
    )
    nbformat.validate(nb)


# --- running ---


def stored(path: Path, *sources: str) -> Path:
    nb = new_notebook(cells=[new_markdown_cell("# Small"), *map(new_code_cell, sources)])
    nbformat.write(nb, path)
    return path


def test_a_run_is_stored_with_its_record(tmp_path: Path) -> None:
    path = stored(
        tmp_path / "small.ipynb",
        "import os, sys\nprint(os.environ.get('TGAN_BUDGET'), os.getcwd() == os.path.realpath('.'))",
        "print('a'); print('\\r 50%|##  | 1/2\\r100%|####| 2/2', file=sys.stderr); print('b')",
        "import ipywidgets; ipywidgets.IntSlider()",
    )
    budget = "cpu" if not execute.torch.cuda.is_available() else "gpu"
    said: list[str] = []
    execute.execute(path, budget, setup="x = 1", smoke_first=True, say=said.append)
    nb = read(path)
    assert cell(nb, 0).source == "x = 1"
    assert nb.metadata.tgan.code_sha256 == code_sha256(nb)
    assert nb.metadata.tgan.budget == budget
    assert nb.metadata.tgan.seconds > 0
    assert nb.metadata.tgan.smoke_seconds > 0
    assert set(nb.metadata.tgan.versions) == {"python", "torch", "torchvision", "tgan_lib"}
    assert nb.metadata.kernelspec.name == "python3"
    outputs = [c.outputs for c in code_cells(nb)]
    assert outputs[1][0].text == "None True\n"  # by hardware, so no variable
    assert [(o.name, o.text) for o in outputs[2]] == [("stdout", "a\nb\n")]
    assert outputs[3] == []
    assert "widgets" not in nb.metadata
    assert all(set(c.metadata) <= execute.KEPT_METADATA for c in nb.cells)
    assert len(said) == 2
    assert os.listdir(tmp_path) == ["small.ipynb"]
    assert RULES["was_run"](nb, A_BOOK) == RULES["record_fits"](nb, A_BOOK) == []


def test_a_smoke_run_stores_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path / "small.ipynb", "import os; print(os.environ['TGAN_BUDGET'])")
    before = path.read_bytes()
    nb = execute.execute(path, "smoke", setup="x = 1", say=lambda text: None)
    assert code_cells(nb)[1].outputs[0].text == "smoke\n"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "phrase"),
    [
        ("raise KeyError('lost')", "code cell 2 (raise KeyError('lost')) raised KeyError: 'lost'"),
        ("import os; os._exit(3)", "code cell 2 (import os; os._exit(3)): Kernel died"),
        ("import time; time.sleep(60)", "code cell 2 (import time; time.sleep(60)): A cell timed out"),
    ],
)
def test_a_run_that_fails_leaves_the_notebook_alone(tmp_path: Path, source: str, phrase: str) -> None:
    path = stored(tmp_path / "small.ipynb", source)
    before = path.read_bytes()
    with pytest.raises(execute.NotebookError) as error:
        execute.execute(path, "cpu", setup="x = 1", smoke_first=False, cell_timeout=3, say=print)
    assert phrase in str(error.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["small.ipynb"]


def test_a_write_that_fails_leaves_the_notebook_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path / "small.ipynb", "x = 1")
    before = path.read_bytes()

    def full_disk(*args: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(execute.os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        execute.write(new_notebook(), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["small.ipynb"]


def test_a_widget_with_html_of_its_own_is_kept() -> None:
    view = {execute.WIDGETS + "-view+json": {"model_id": "1"}, "text/plain": "Explorer()"}
    with_twin = new_output("display_data", data={**view, "text/html": "<div></div>"})
    assert execute.tidy_output(with_twin)
    assert set(with_twin.data) == {"text/plain", "text/html"}
    assert not execute.tidy_output(new_output("display_data", data=view))


def test_glued_values_are_known_by_the_runs_outputs(tmp_path: Path) -> None:
    nb = new_notebook(cells=[new_code_cell("from tgan_lib.plots import glue\nglue('distance', 3.14159)")])
    ran, _ = execute.run(nb, tmp_path, "smoke")
    assert glued_names(ran) == {"distance"}


def test_the_setup_cell_runs_where_the_library_is(tmp_path: Path) -> None:
    ran, _ = execute.run(new_notebook(cells=[new_code_cell(setup_cell())]), tmp_path, "smoke")
    assert ran.cells[0].outputs[0].text.startswith("Budget: smoke")


@pytest.mark.slow
def test_the_command_says_what_failed(tmp_path: Path) -> None:
    path = stored(tmp_path / "small.ipynb", "1 / 0")
    command = [sys.executable, str(BOOK / "tools" / "execute.py"), str(path), "--budget", "smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "code cell 2 (1 / 0) raised ZeroDivisionError" in done.stderr
    assert "The stored notebook is as it was." in done.stderr


# --- seconds per notebook ---


@pytest.mark.parametrize("workers", [[], pytest.param(["-n", "1"], marks=pytest.mark.slow)])
def test_the_seconds_of_each_notebook_are_printed(tmp_path: Path, workers: list[str]) -> None:
    stored(tmp_path / "small.ipynb", "x = 1")
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    options = [
        "--nbval-lax",
        "--nbval-current-env",
        "--dist=loadfile",
        "-p",
        "no:cacheprovider",
        "-q",
        *workers,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    line = done.stdout.split("seconds for each notebook")[1].splitlines()[1]
    assert line.split()[1:] == ["s", "small.ipynb"]
    assert float(line.split()[0]) > 0
