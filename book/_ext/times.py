"""How long each chapter ran, from the record that its notebook carries: `{measured-times}`, a table of all chapters,
and the role {measured}`run`, the time of the notebook that it stands in, or {measured}`loss/02_saturation`, another's.

`book/tools/execute.py` writes the record into the notebook's metadata, under "tgan". Nothing is typed here by
hand, so the table cannot promise a time that was not measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

HEADINGS = ("Chapter", "Full run", "Budget", "Ran on", "Versions", "Date", "Smoke run")


def duration(seconds: float) -> str:
    """Seconds as a reader says them: "48 s", "3 min 20 s", "1 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(round(seconds / 60), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def cells(record: dict[str, Any] | None) -> list[str]:
    """The table's cells after the chapter's name; a single one when the notebook has no record."""
    if not record:
        return ["not yet run"]
    smoke = record.get("smoke_seconds")
    return [
        duration(record["seconds"]),
        record["budget"],
        record["device"],
        ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
        str(record["date"])[:10],
        duration(smoke) if smoke is not None else "not measured",
    ]


def read_record(path: Path) -> dict[str, Any] | None:
    """The record of a notebook's stored run; None if it has not been run."""
    record: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("tgan")
    return record


def spoken(record: dict[str, Any] | None) -> str:
    """A stored run's time in words, for a chapter's card."""
    return f"{duration(record['seconds'])} on {record['device']}" if record else "not yet measured"


class Measured(SphinxRole):
    """The time of the stored run of the notebook in which the role stands; of another, without its machine."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text == "run":
            return [nodes.Text(spoken(read_record(Path(self.env.doc2path(self.env.docname)))))], []
        path = Path(self.env.doc2path(f"book/{self.text}"))
        self.env.note_dependency(str(path))
        if not path.is_file():
            message = self.inliner.reporter.error(f"there is no chapter {self.text!r}", line=self.lineno)
            return [nodes.problematic(self.rawtext, self.rawtext)], [message]
        record = read_record(path)
        return [nodes.Text(duration(record["seconds"]) if record else "not yet measured")], []


class MeasuredTimes(SphinxDirective):
    """A table with a row for each notebook of the table of contents."""

    def run(self) -> list[nodes.Node]:
        rows = [self.row(docname, path) for docname, path in self.notebooks()]
        if not rows:
            return [nodes.paragraph(text="No chapter is a notebook yet.")]
        group = nodes.tgroup(cols=len(HEADINGS))
        group += [nodes.colspec(colwidth=1) for _ in HEADINGS]
        head = nodes.row()
        head += [nodes.entry("", nodes.paragraph(text=text)) for text in HEADINGS]
        group += [nodes.thead("", head), nodes.tbody("", *rows)]
        return [nodes.table("", group, classes=["measured-times"])]

    def notebooks(self) -> list[tuple[str, Path]]:
        """The (docname, path) of every notebook in the table of contents, in its order."""
        found = [(str(name), Path(self.env.doc2path(str(name)))) for name in self.config.external_site_map]
        return [(name, path) for name, path in found if path.suffix == ".ipynb"]

    def row(self, docname: str, path: Path) -> nodes.row:
        self.env.note_dependency(str(path))  # a new run of the notebook is a reason to write this page again
        link = addnodes.pending_xref(
            "",
            nodes.inline(),
            refdomain="std",
            reftype="doc",
            refexplicit=False,
            refwarn=True,
            reftarget=f"/{docname}",
            refdoc=self.env.docname,
        )
        row = nodes.row("", nodes.entry("", nodes.paragraph("", "", link)))
        texts = cells(read_record(path))
        row += [nodes.entry("", nodes.paragraph(text=text)) for text in texts]
        if len(texts) == 1:
            row[-1]["morecols"] = len(HEADINGS) - 2
        return row


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("measured-times", MeasuredTimes)
    app.add_role("measured", Measured())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
