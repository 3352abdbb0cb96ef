"""Exercises: the cell that a reader fills in is made from the cell with the solution, so they cannot drift.

In a notebook a code cell tagged `solution` holds, between two marker lines, what the reader is to find. The
cell before it, tagged `exercise`, is the same with those lines taken out. Both end in the same call of
`check`. The markers are those that nbgrader knows.
"""

from __future__ import annotations

import re
from typing import Any

import nbformat
from notebooks import code_cells, label, tags

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
HOLE = "...  # your code here"
CHECK = re.compile(r"^(?:tgan_lib\.)?check\(\s*[\"'](\w+)[\"']\s*,\s*\w+\s*\)$")

# The page folds the solution away, and so do JupyterLab and Colab. Nothing else rests on this metadata.
FOLDED: dict[str, Any] = {
    "jupyter": {"source_hidden": True},
    "cellView": "form",
    "mystnb": {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"},
}


def stub_source(solution: str) -> str:
    """The solution with each marked block replaced by `...`, at the block's own indentation.

    ValueError if the markers do not pair up, or there are none.
    """
    lines: list[str] = []
    inside = False
    for line in solution.splitlines():
        mark = line.strip()
        if mark in (BEGIN, END):
            if inside == (mark == BEGIN):
                raise ValueError(f"a solution's {mark!r} stands without its counterpart")
            inside = mark == BEGIN
            if inside:
                lines.append(line[: len(line) - len(line.lstrip())] + HOLE)
        elif not inside:
            lines.append(line)
    if inside or not any(line.strip() == HOLE for line in lines):
        raise ValueError(
            f"a solution needs the lines {BEGIN!r} and {END!r} around what the reader is to write"
        )
    return "\n".join(lines)


def pairs(nb: Any) -> list[tuple[Any | None, Any]]:
    """(exercise cell, solution cell) for each solution; None for an exercise cell that is missing."""
    found: list[tuple[Any | None, Any]] = []
    stub = None
    for cell in code_cells(nb):
        if "exercise" in tags(cell):
            stub = cell
        elif "solution" in tags(cell):
            found.append((stub, cell))
            stub = None
    return found


def exercise_name(source: str) -> str | None:
    """The exercise that a cell's last line checks, or None if it checks none."""
    lines = source.strip().splitlines()
    match = CHECK.match(lines[-1]) if lines else None
    return match[1] if match else None


def write_stubs(nb: Any) -> None:
    """Write each exercise cell anew from its solution, put in those that are missing, fold the solutions."""
    for stub, solution in pairs(nb):
        if stub is None:
            stub = nbformat.v4.new_code_cell(metadata={"tags": ["exercise"]})
            stub.id = f"{solution.id[:50]}-exercise"
            nb.cells.insert(next(i for i, cell in enumerate(nb.cells) if cell is solution), stub)
        stub.source = stub_source(solution.source)
        solution.metadata.tags = sorted({*tags(solution), "solution", "hide-cell"})
        for key, value in FOLDED.items():
            solution.metadata[key] = (
                {**solution.metadata.get(key, {}), **value} if key != "cellView" else value
            )


def exercise_problems(nb: Any, known: frozenset[str]) -> list[str]:
    """What is wrong with a notebook's exercises; `known` are the exercises that have a check."""
    found = (
        []
        if len(pairs(nb)) >= 2
        else [f"{len(pairs(nb))} exercises with a solution; there should be two or more"]
    )
    paired = [stub for stub, _ in pairs(nb)]
    for cell in code_cells(nb):
        if "exercise" in tags(cell) and not any(cell is stub for stub in paired):
            found.append(f"{label(nb, cell)}: an exercise with no solution after it")
    for stub, solution in pairs(nb):
        where, name = label(nb, solution), exercise_name(solution.source)
        if name not in known:
            found.append(f'{where}: should end in check("...", ...) of a known exercise; it checks {name!r}')
        if "hide-cell" not in tags(solution):
            found.append(f"{where}: the solution is not folded (tag hide-cell)")
        if stub is None:
            found.append(f"{where}: a solution without an exercise before it")
            continue
        try:
            if stub.source.strip() != stub_source(solution.source).strip():
                found.append(f"{where}: the exercise is not what its solution leaves open; run execute.py")
        except ValueError as error:
            found.append(f"{where}: {error}")
    return found
