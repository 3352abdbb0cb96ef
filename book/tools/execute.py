"""Runs notebooks from top to bottom and stores their outputs, with a record of what produced them.

    python book/tools/execute.py [NOTEBOOK ...] [--budget cpu] [--no-smoke]

Without a name, every notebook of the book. Before the run the setup cell and the exercise cells are written
anew from their sources. A smoke run goes first: it takes seconds and finds most mistakes before a long run
does. A notebook is written only after it ran to its end; one that fails is left as it was.

--budget smoke  tries the notebook and stores nothing, since stored outputs are those of real runs
"""

from __future__ import annotations

import argparse
import copy
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import torch
from exercises import write_stubs
from hygiene import WIDGETS, Book, problems
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebooks import code_cells, code_sha256, is_setup_cell, label, notebook_paths, read, setup_cell

from tgan_lib.budget import BUDGETS, current_budget
from tgan_lib.provenance import provenance

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
KEPT_METADATA = {"tags", "mystnb", "jupyter", "cellView"}
PROGRESS = re.compile(r"\d+%\||\b\d+(?:it|step)s? \[\d+:\d+|\[\d+:\d+<")  # what tqdm draws


class NotebookError(Exception):
    """A notebook did not run to its end; the message says in which cell and why."""


def prepare(nb: Any, setup: str) -> None:
    """Write the setup cell and the exercise cells anew, and name the kernel that every Python has."""
    cells = code_cells(nb)
    if cells and is_setup_cell(cells[0].source):
        cells[0].source = setup
    else:
        at = next((i for i, cell in enumerate(nb.cells) if cell.cell_type == "code"), len(nb.cells))
        nb.cells.insert(at, nbformat.v4.new_code_cell(setup, id="setup"))
    write_stubs(nb)
    nb.metadata.kernelspec = dict(KERNEL)


def run(nb: Any, folder: Path, budget: str, cell_timeout: float | None = None) -> tuple[Any, float]:
    """An executed copy of `nb` and the seconds that took, in a fresh kernel in `folder`, where nbval runs it.

    Raises NotebookError for a cell that raises, takes longer than `cell_timeout` seconds, or ends the kernel.
    """
    ran = copy.deepcopy(nb)
    at: list[Any] = []
    client = NotebookClient(
        ran,
        kernel_name=KERNEL["name"],
        timeout=cell_timeout,
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
        coalesce_streams=True,
        on_cell_execute=lambda cell, cell_index: at.append(cell),
    )
    environment = {key: value for key, value in os.environ.items() if key != "TGAN_BUDGET"}
    if budget != ("gpu" if torch.cuda.is_available() else "cpu"):
        environment["TGAN_BUDGET"] = budget  # not when it is the default: the notebook says who asked for it
    began = time.perf_counter()
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        raise NotebookError(f"{label(ran, at[-1])} raised {error.ename}: {error.evalue}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        where = label(ran, at[-1]) if at else "the kernel's start"
        raise NotebookError(f"{where}: {str(error).splitlines()[0]}") from None
    return ran, time.perf_counter() - began


def tidy(nb: Any) -> None:
    """Take out what only a live kernel can use, and what differs from run to run without a meaning."""
    nb.metadata.pop("widgets", None)
    for cell in nb.cells:
        for key in set(cell.metadata) - KEPT_METADATA:
            del cell.metadata[key]
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if tidy_output(output)]


def tidy_output(output: Any) -> bool:
    """Tidy one output in place. False if nothing worth keeping is left of it."""
    if output.output_type == "stream":
        lines = [line.rsplit("\r", 1)[-1] for line in re.sub(r"\r+\n", "\n", output.text).split("\n")]
        if output.name == "stderr":
            lines = [line for line in lines if not PROGRESS.search(line)]
        output.text = "\n".join(lines)
        return bool(output.text.strip())
    widgets = [mime for mime in output.get("data", {}) if mime.startswith(WIDGETS)]
    for mime in widgets:
        del output.data[mime]
    # A widget that has no HTML of its own, a progress bar say, leaves only its name in plain text.
    return not (widgets and set(output.data) <= {"text/plain"})


def record(nb: Any, budget: str, seconds: float, smoke_seconds: float | None = None) -> dict[str, Any]:
    """What produced the outputs: the code's hash, budget, device, seconds, versions and date."""
    found = {
        "code_sha256": code_sha256(nb),
        "budget": budget,
        "seconds": round(seconds, 1),
        **provenance(),
    }
    return found if smoke_seconds is None else {**found, "smoke_seconds": round(smoke_seconds, 1)}


def write(nb: Any, path: Path) -> None:
    """Store a notebook whole or not at all: beside the old file, then over it."""
    nbformat.validate(nb)
    beside = path.with_name(f".{path.name}.writing")
    try:
        beside.write_text(nbformat.writes(nb) + "\n", encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def execute(
    path: Path,
    budget: str,
    *,
    smoke_first: bool = True,
    setup: str | None = None,
    cell_timeout: float | None = None,
    say: Callable[[str], None] = print,
) -> Any:
    """Run the notebook at `path`; unless the budget is smoke, store what came of it. Returns the notebook."""
    nb = read(path)
    prepare(nb, setup_cell() if setup is None else setup)
    smoke_seconds = None
    if budget == "smoke" or smoke_first:
        ran, smoke_seconds = run(nb, path.parent, "smoke", cell_timeout)
        say(f"{path.name}: smoke run {smoke_seconds:.0f} s")
    if budget == "smoke":
        return ran
    ran, seconds = run(nb, path.parent, budget, cell_timeout)
    tidy(ran)
    ran.metadata["tgan"] = record(ran, budget, seconds, smoke_seconds)
    write(ran, path)
    say(f"{path.name}: {budget} run {seconds:.0f} s, stored")
    return ran


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run notebooks and store their outputs.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: every notebook of the book")
    parser.add_argument("--all", action="store_true", help="every notebook of the book")
    parser.add_argument(
        "--budget", choices=BUDGETS, default=current_budget(), help="default: by the hardware"
    )
    parser.add_argument("--no-smoke", action="store_true", help="leave the smoke run before the run out")
    parser.add_argument("--cell-timeout", type=float, metavar="SECONDS", help="default: none")
    options = parser.parse_args(arguments)
    failed = False
    for path in notebook_paths() if options.all or not options.notebooks else options.notebooks:
        try:
            nb = execute(
                path, options.budget, smoke_first=not options.no_smoke, cell_timeout=options.cell_timeout
            )
        except (NotebookError, OSError, ValueError) as error:
            print(f"{path}: {error}\nThe stored notebook is as it was.", file=sys.stderr)
            failed = True
            continue
        if options.budget != "smoke":
            for complaint in problems(nb, Book.read()):
                print(f"  to mend: {complaint}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
