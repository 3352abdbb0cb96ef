"""The ladder's pilot on its page: ```{ladder} frechet``` is a table, {ladder}`frechet | plain | micah | 10` a number.

All read `book/results/ladder_pilot.json`, which `book/studies/ladder_pilot.py` writes. A table has a row for each way
and a column for each rung and number of images; what has not been run yet has a dash.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

RESULTS = Path(__file__).resolve().parents[1] / "results" / "ladder_pilot.json"
RUNGS, NUMBERS = ("beards", "recoloured", "micah", "ink", "pixel"), (10, 100)
# Measure -> digits, and whether less is better, more, or neither ("").
MEASURES = {
    "frechet": (0, "less"),
    "second": (0, "less"),
    "spread": (2, ""),
    "recall": (2, "more"),
    "copied": (2, ""),
    "kept": (2, ""),
    "bearded": (2, ""),
    "style": (2, ""),
}
Key = tuple[str, str, int]


def value(measure: str, rung: str, found: dict[str, Any]) -> float | None:
    """One number of a run; None where a rung has no such measure."""
    if measure == "kept":
        return mean(found["kept"].values()) if "kept" in found else None  # what was not trained keeps all
    if measure == "bearded":
        return float(found["shares"]["beard"])
    if measure == "style":
        return float(found["styles"].get(rung, found["styles"]["peeps"]))
    return float(found[measure])


def read(path: Path = RESULTS) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"cells": [], "settings": {}}
    return content


def means(measure: str, content: dict[str, Any]) -> tuple[dict[Key, float], dict[Key, int]]:
    """(row, rung, n) -> the mean over the seeds that were run, and how many these are."""
    several: dict[Key, list[float]] = {}
    for cell in content["cells"]:
        at = cell["at"]
        if cell.get("part", "") in ("", "untrained"):
            number = value(measure, at["rung"], cell["found"])
            if number is not None:
                several.setdefault((at["row"], at["rung"], int(at["n"])), []).append(number)
    return {key: mean(v) for key, v in several.items()}, {key: len(v) for key, v in several.items()}


def floors(measure: str, content: dict[str, Any]) -> dict[str, float]:
    """Rung -> what as many real images of it have, where that was measured."""
    cells = (cell for cell in content["cells"] if cell.get("part") == "floors")
    return {c["at"]["rung"]: c["found"][measure] for c in cells if measure in c["found"]}


def best_of(found: dict[Key, float], measure: str) -> set[Key]:
    """The best trained way of each column, where one end is better."""
    better = MEASURES[measure][1]
    if not better:
        return set()
    pick = min if better == "less" else max
    chosen = set()
    for rung in RUNGS:
        for n in NUMBERS:
            keys = [k for k in found if k[1:] == (rung, n) and k[0] not in ("source", "picks")]
            if keys:
                chosen.add(pick(keys, key=lambda k: found[k]))
    return chosen


def table(measure: str, content: dict[str, Any]) -> nodes.table:
    """Rows: the source, picks, and every way; columns: each rung with 10 and 100 images; the best one bold."""
    found, _ = means(measure, content)
    listed = ["source", "picks", *content["settings"]["rows"]]  # cells may have been run in another order
    rows = sorted({key[0] for key in found}, key=listed.index)
    digits, best = MEASURES[measure][0], best_of(found, measure)
    group = nodes.tgroup(cols=1 + len(RUNGS) * len(NUMBERS))
    group += [nodes.colspec(colwidth=1) for _ in range(1 + len(RUNGS) * len(NUMBERS))]
    head = nodes.row("", entry("from peeps to", rows=1))
    head += [entry(rung, across=len(NUMBERS) - 1) for rung in RUNGS]
    below = nodes.row("", *(entry(str(n)) for _ in RUNGS for n in NUMBERS))
    body = nodes.tbody("")
    for row in rows:
        cells = [entry(row)]
        for key in ((row, rung, n) for rung in RUNGS for n in NUMBERS):
            said = f"{found[key]:.{digits}f}" if key in found else "–"
            cells.append(entry(said, strong=key in best))
        body += nodes.row("", *cells)
    real = floors(measure, content)
    if real:
        cells = [entry("real images")]
        for rung in RUNGS:
            cells += [entry(f"{real[rung]:.{digits}f}" if rung in real else "–") for _ in NUMBERS]
        body += nodes.row("", *cells)
    group += [nodes.thead("", head, below), body]
    return nodes.table("", group, classes=["measured-times"])


def entry(text: str, *, strong: bool = False, across: int = 0, rows: int = 0) -> nodes.entry:
    inner = nodes.strong(text=text) if strong else nodes.Text(text)
    spans = {k: v for k, v in {"morecols": across, "morerows": rows}.items() if v}
    return nodes.entry("", nodes.paragraph("", "", inner), **spans)


def said(asked: str, content: dict[str, Any]) -> str:
    """`frechet | plain | micah | 10`, or one of: runs, seeds, machine, hours, rate of WAY."""
    cells = content["cells"]
    if asked == "runs":
        return str(sum(cell.get("part", "") == "" for cell in cells))
    if asked == "seeds":
        numbers = means("frechet", content)[1].values()
        low, high = min(numbers), max(numbers)
        return str(low) if low == high else f"{low} or {high}"
    if asked == "machine":
        return "; ".join(dict.fromkeys(p["device"] for p in content["provenance"]))
    if asked == "hours":
        seconds = sum(cell["found"].get("seconds", 0) for cell in cells)
        return f"{seconds / 3600:.1f}"
    if asked.startswith("rate of "):
        tried = [c for c in cells if c.get("part") == "search" and c["at"]["way"] == asked[8:]]
        return f"{min(tried, key=lambda c: c['found']['distance'][-1])['at']['rate']:g}"
    measure, row, rung, n = (part.strip() for part in asked.split("|"))
    return f"{means(measure, content)[0][row, rung, int(n)]:.{MEASURES[measure][0]}f}"


class Ladder(SphinxDirective):
    """One measure of the pilot as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RESULTS))
        if self.arguments[0] not in MEASURES:
            raise self.error(f"no measure named {self.arguments[0]!r}; there are {', '.join(MEASURES)}")
        return [table(self.arguments[0], read())]


class Said(SphinxRole):
    """A number of the pilot in the text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        self.env.note_dependency(str(RESULTS))
        try:
            return [nodes.Text(said(self.text, read()))], []
        except (KeyError, ValueError) as error:
            message = self.inliner.reporter.error(
                f"the pilot has no {self.text!r} ({error})", line=self.lineno
            )
            return [nodes.problematic(self.rawtext, self.rawtext)], [message]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("ladder", Ladder)
    app.add_role("ladder", Said())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
