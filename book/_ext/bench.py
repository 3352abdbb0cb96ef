"""Tables of the stored benchmark: `{bench} steps`, `{bench} quality`, `{bench} costs`, and the role {bench}`machine`.

All read `book/results/bench.json`, which `make bench` writes; a part that has not been measured says so.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

RESULTS = Path(__file__).resolve().parents[1] / "results" / "bench.json"
Table = tuple[list[str], list[list[str]]]


def stored(path: Path = RESULTS) -> dict[str, Any]:
    """What was measured last, by part."""
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def ratio(of: dict[str, float], digits: int = 2) -> str:
    return f"{of['median']:.{digits}f} ({of['low']:.{digits}f} to {of['high']:.{digits}f})"


def steps_table(rows: list[dict[str, Any]]) -> Table:
    """A row for each network, batch and rule; milliseconds of a step and the ratios of neighbouring rounds."""
    loops = list(rows[0]["milliseconds"])
    head = ["Network", "Batch", "Loss", *(f"{name}, ms" for name in loops)]
    ours = [name for name in loops if name.startswith("tgan_lib")]
    head += [f"{name} over classic" for name in ours] + ["over by hand"]
    body = []
    for r in rows:
        loss = r["loss"].replace("_", "-") + (" + R1" if r["r1"] else "")
        cells = [f"{r['network']}-{r['size']}", str(r["batch_size"]), loss]
        cells += [f"{statistics.median(r['milliseconds'][name]):.1f}" for name in loops]
        cells += [ratio(r["over_classic"][name]) for name in ours]
        body.append([*cells, ratio(r["over_by_hand"], 3)])
    return head, body


def quality_table(part: dict[str, Any]) -> Table:
    """A row for each seed: seconds and steps to the level, by either recipe."""
    body = []
    for seed, pair in part["seeds"].items():
        cells = [seed]
        for name in ("classic", "tgan_lib"):
            step, seconds, distance = pair[name][-1]
            reached = distance <= part["level"]
            said = f"{seconds:.0f} s" if reached else f"not in {seconds:.0f} s (at {distance:.1f})"
            cells += [said, f"{step:,}".replace(",", " ")]
        body.append(
            [*cells, ("" if pair["classic"][-1][2] <= part["level"] else "over ") + f"{pair['ratio']:.1f}"]
        )
    return ["Seed", "Classic", "its steps", "tgan_lib", "its steps", "Times as fast"], body


def costs_table(rows: list[dict[str, Any]]) -> Table:
    """A row for each batch, width or size."""
    head = ["Network", "Batch", "Width", "ms a step", "Gflop a step", "Share of a matrix product's rate"]
    body = [
        [
            f"{r['network']}-{r['size']}",
            str(r["batch_size"]),
            str(r["width"]),
            f"{r['milliseconds']:.1f}",
            f"{r['gigaflop']:.1f}",
            f"{100 * r['share_of_matmul']:.0f} %",
        ]
        for r in rows
    ]
    return head, body


def as_nodes(table: Table) -> nodes.table:
    head, body = table
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    rows = [
        nodes.row("", *(nodes.entry("", nodes.paragraph(text=c)) for c in cells)) for cells in [head, *body]
    ]
    group += [nodes.thead("", rows[0]), nodes.tbody("", *rows[1:])]
    return nodes.table("", group, classes=["measured-times"])


class Bench(SphinxDirective):
    """One part of the stored benchmark as a table."""

    required_arguments = 1
    tables: ClassVar[dict[str, Any]] = {
        "steps": lambda found: steps_table(found["steps"]),
        "quality": lambda found: quality_table(found["quality"]),
        "batch": lambda found: costs_table(found["costs"]["batch"]),
        "width": lambda found: costs_table(found["costs"]["width"]),
        "size": lambda found: costs_table(found["costs"]["size"]),
        "memory": lambda found: (
            ["Run", "MiB at its largest"],
            [[name, str(mib)] for name, mib in found["costs"]["peak_mebibytes"].items()],
        ),
    }

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RESULTS))
        name = self.arguments[0]
        if name not in self.tables:
            raise self.error(f"no table named {name!r}; there are {', '.join(self.tables)}")
        try:
            return [as_nodes(self.tables[name](stored()))]
        except KeyError:
            return [nodes.paragraph(text="This part has not been measured.")]


def said(what: str) -> str:
    """A word about the stored run: `machine`, `date`, `rounds`, `level`, `import`."""
    found = stored()
    versions = ", ".join(f"{k} {v}" for k, v in found.get("versions", {}).items())
    words = {
        "machine": f"{found.get('device', 'no machine yet')} ({found.get('threads', '?')} threads; {versions})",
        "date": found.get("date", "not yet"),
        "rounds": str(found.get("rounds", "?")),
        "level": str(found.get("quality", {}).get("level", "not yet measured")),
        "import": f"{found.get('costs', {}).get('import_seconds', float('nan')):.2f} s",
    }
    return words[what]


class Where(SphinxRole):
    """What `said` says, in running text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.Text(said(self.text))], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("bench", Bench)
    app.add_role("bench", Where())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
