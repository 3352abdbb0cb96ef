"""A small notebook that keeps every rule, for tests that break one or look at what a tool makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import execute
from exercises import BEGIN, END, pairs, write_stubs
from hygiene import Book
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebooks import (
    code_cells,
    setup_cell,
)

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


def edit(change: Callable[[Any], Any], seal: bool = False) -> Callable[[], Any]:
    """A maker of the good notebook with one change, its record made anew if `seal`."""

    def make() -> Any:
        nb = good()
        change(nb)
        return sealed(nb) if seal else nb

    return make


def say(nb: Any, text: str) -> None:
    nb.cells[0].source = nb.cells[0].source.replace("Much of", text)


def captioned(nb: Any, text: str) -> None:
    cell(nb, 1).metadata["mystnb"]["figure"] = {"caption": text}


def cell(nb: Any, number: int) -> Any:
    return code_cells(nb)[number]


def shows(nb: Any, output: Any) -> None:
    cell(nb, 1).outputs.append(output)


def without(nb: Any, word: str) -> None:
    for each in nb.cells:
        each.source = each.source.replace(word, "x")


def html(text: str) -> Any:
    return new_output("display_data", data={"text/html": text})
