"""`{names}`: a table of all that an API page documents, a row for each name with its first sentence and a link.

And formulas on these pages: docstrings write them for a terminal, api_formulas.json has the same in TeX.
"""

from __future__ import annotations

import inspect
import json
import pydoc
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

KINDS = {"class", "function", "exception", "data"}
SENTENCE = re.compile(r"(?<=[^.][.:?])(?=\s+[A-Z`]|\s*$)")
# A docstring's formula, to the letter but for white space, and the same in TeX.
FORMULAS: dict[str, str] = json.loads(
    Path(__file__).with_name("api_formulas.json").read_text(encoding="utf-8")
)


class Placeholder(nodes.General, nodes.Element):
    """Where the table will stand, once every page is read."""


class Names(SphinxDirective):
    """The place for the table of a page's names."""

    def run(self) -> list[nodes.Node]:
        return [Placeholder()]


def first_sentence(name: str) -> str:
    """The first sentence of what a dotted name's docstring says; empty for a value."""
    thing: Any = pydoc.locate(name)
    if thing is None or not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return ""
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return SENTENCE.split(" ".join(paragraph.split()), maxsplit=1)[0].rstrip(":")


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Puts tables in the places for them, from what autodoc has found on the page."""
    domain = app.env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    for place in list(doctree.findall(Placeholder)):
        found = [
            (name, entry.node_id)
            for name, entry in domain.objects.items()
            if entry.docname == docname and entry.objtype in KINDS and not entry.aliased
        ]
        place.replace_self(table([(name, anchor, first_sentence(name)) for name, anchor in found]))


def table(rows: list[tuple[str, str, str]]) -> nodes.table:
    """Names with links to their places on the page, and a sentence each."""
    group = nodes.tgroup("", nodes.colspec(colwidth=30), nodes.colspec(colwidth=70), cols=2)
    head = nodes.row("", cell(nodes.Text("Name")), cell(nodes.Text("In a sentence")))
    body = []
    for name, anchor, sentence in rows:
        short = name.rsplit(".", 1)[-1]
        link = nodes.reference("", "", nodes.literal(text=short), refid=anchor, internal=True)
        body.append(nodes.row("", cell(link), cell(*worded(sentence))))
    group += [nodes.thead("", head), nodes.tbody("", *body)]
    return nodes.table("", group, classes=["names"])


def cell(*children: nodes.Node) -> nodes.entry:
    return nodes.entry("", nodes.paragraph("", "", *children))


def worded(sentence: str) -> list[nodes.Node]:
    """A docstring's sentence, code between backticks set as code."""
    parts = re.split(r"`+([^`]+)`+", sentence)
    return [nodes.literal(text=part) if i % 2 else nodes.Text(part) for i, part in enumerate(parts) if part]


class SetFormulas(SphinxTransform):
    """Displayed formulas in the place of those that FORMULAS knows, before Sphinx asks which pages have some."""

    default_priority = 600

    def apply(self, **kwargs: Any) -> None:
        for block in list(self.document.findall(nodes.literal_block)):
            if (tex := FORMULAS.get(" ".join(block.astext().split()))) is not None:
                block.replace_self(
                    nodes.math_block(
                        tex, tex, nowrap=False, number=None, label=None, docname=self.env.docname
                    )
                )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(Placeholder)
    app.add_directive("names", Names)
    app.add_transform(SetFormulas)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
