"""Gives pages the scripts and styles of what moves in outputs once, as files, in place of the copies that outputs hold.

Outputs of predictions, frames and comparisons bring their own (see tgan_lib.widgets.inline), so that a notebook
works wherever it is opened. On the site the newest stand in _static/outputs/, and each page asks for those of
its own outputs; by script and link elements in their places, so that a result is never seen before its veil.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from tgan_lib.widgets import inline


def link(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = inline.linked(context["body"], f"{'../' * page.count('/')}_static/outputs/")


def write_assets(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        inline.write_site(Path(app.outdir) / "_static" / "outputs")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", link)
    app.connect("build-finished", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
