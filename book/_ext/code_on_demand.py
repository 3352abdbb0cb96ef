"""Chapters as pages show them: code that is not the lesson folded, exercises inviting, runs' origins behind a mark.

A notebook is changed between the disk and the parser, so that no notebook carries marks for the site alone. Which
cells fold is said in folding.py; the header's switch that opens all of them is book/_static/code_on_demand.js.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import folding
from sphinx.application import Sphinx

NOT_WRITTEN = re.compile(r"^[\w. -]+: not written yet\.$")
YOURS = (
    '<p class="yours-to-write"><span>Yours to write.</span> '
    '<a href="../start/how_to_use.html#running">Run this chapter</a>, and <code>check</code> answers here.</p>'
)
# What a study's `origin` prints: its file, a date, and, where it is given, what it ran on.
ORIGIN = re.compile(r"^book/studies/\w+\.py, \d{4}-\d\d-\d\d\b.*$")
CELL = dict[str, Any]


def as_page(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook (nbformat 4, as JSON has it) with its cells folded and its outputs made for readers."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            fold_cell(cell)
            cell["outputs"] = [new for old in cell["outputs"] for new in outputs_for_readers(cell, old)]
    return notebook


def fold_cell(cell: CELL) -> None:
    """Tags a cell that folds, and names its bar."""
    metadata = cell.setdefault("metadata", {})
    tags = metadata.setdefault("tags", [])
    found = folding.fold("".join(cell["source"]), tags)
    if not found:
        return
    shown = any(not is_glued(output) for output in cell["outputs"])
    tag = "hide-cell" if found.output and shown else "hide-input"
    metadata["tags"] = [*(t for t in tags if t not in folding.FOLDED), tag]
    if not found.label.startswith("Code"):
        metadata["tags"].append("set-up")  # not for paper
    prompts = metadata.setdefault("mystnb", {})
    prompts.setdefault("code_prompt_show", found.label)
    prompts.setdefault("code_prompt_hide", found.label)


def is_glued(output: CELL) -> bool:
    """Whether an output holds a value for the text and nothing to be seen."""
    return "scrapbook" in output.get("metadata", {})


def outputs_for_readers(cell: CELL, output: CELL) -> list[CELL]:
    """An exercise's empty answer as an invitation, printed origins as marks that open, all else as it is."""
    plain = "".join(output.get("data", {}).get("text/plain", ""))
    if "exercise" in cell["metadata"]["tags"] and NOT_WRITTEN.match(plain):
        return [page_html(YOURS, plain)]
    if output["output_type"] == "stream":
        return without_origins(output)
    return [output]


def page_html(text: str, plain: str) -> CELL:
    data = {"text/html": text, "text/plain": plain}
    return {"output_type": "display_data", "data": data, "metadata": {}}


def without_origins(output: CELL) -> list[CELL]:
    """A printed output, each line that tells a run's origin taken out and folded."""
    pieces: list[CELL] = []
    for line in "".join(output["text"]).splitlines(keepends=True):
        if ORIGIN.match(line.rstrip("\n")):
            said = html.escape(line.strip())
            fold = f'<details class="origin"><summary>Where these numbers come from</summary><p>{said}</p></details>'
            pieces.append(page_html(fold, line.strip()))
        elif pieces and pieces[-1]["output_type"] == "stream":
            pieces[-1]["text"] += line
        else:
            pieces.append({**output, "text": line})
    return [p for p in pieces if p["output_type"] != "stream" or p["text"].strip()]


PRE = re.compile(
    r'(?P<open>(?P<output><div class="output[^>]*>)?<div class="highlight"><pre><span></span>)(?P<lines>.*?)</pre>',
    re.DOTALL,
)
TAG = re.compile(r"<[^>]*>")
NARROW = 32  # columns that fit a phone: only longer lines need to know how far they are indented


# A table's caption, which stays in sight where the table scrolls sideways: a style needs an element inside of it.
CAPTION = re.compile(r'(<table class="results-table"><caption>)(.*?)(?=</caption>)', re.DOTALL)


def with_lines(body: str) -> str:
    """Listings whose long lines know their indentation, so that a wrapped line hangs under its own beginning.

    A printed output in columns is left as it is: it scrolls, since columns that wrap say nothing.
    """

    def hang(pre: re.Match[str]) -> str:
        lines = pre["lines"].split("\n")
        if pre["output"] and in_columns(html.unescape(TAG.sub("", pre["lines"])).split("\n")):
            return pre[0]
        return pre["open"] + "\n".join(map(hanging, lines)) + "</pre>"

    return PRE.sub(hang, body)


def in_columns(lines: list[str]) -> bool:
    """Whether lines were padded to stand in columns."""
    return sum(bool(re.search(r"\S {2,}\S", line)) for line in lines) >= 2


def hanging(line: str) -> str:
    text = html.unescape(TAG.sub("", line))
    if len(text) <= NARROW:
        return line
    indent = len(text) - len(text.lstrip(" "))
    style = f' style="--in:{indent}"' if indent else ""
    return f'<span class="line"{style}>{line}</span>'


def wrap(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = CAPTION.sub(r"\1<span>\2</span>", with_lines(context["body"]))


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    if Path(app.env.doc2path(docname)).suffix == ".ipynb":
        source[0] = json.dumps(as_page(json.loads(source[0])))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", read)
    app.connect("html-page-context", wrap)
    app.add_js_file("code_on_demand.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
