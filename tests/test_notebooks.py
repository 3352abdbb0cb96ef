"""What the tools read of a notebook, how exercises are made in it, and how it is run and stored."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import execute
import nbformat
import pytest
from exercises import BEGIN, END, HOLE, exercise_name, stub_source, write_stubs
from good_notebook import A_BOOK, SOLUTION, cell, good
from hygiene import RULES, glossary_terms
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
    assert [output.output_type for output in ran.cells[-1].outputs] == [
        "display_data"
    ]  # returned and not shown again


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
