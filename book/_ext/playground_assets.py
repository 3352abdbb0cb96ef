"""Gives the built site what its playgrounds need: their code and style, as scripts that load from a file too.

All of it goes to _static/playground/. Pages hold only twins (see tgan_lib.widgets.playground), which get a still
picture here; a page's loader puts the playground in their place when one comes near the viewport.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from tgan_lib.widgets.playground import assets

TWIN = re.compile(r'<div class="tgan-playground" data-playground="[^"]*">')


def add_still(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The still picture into each of the page's twins."""
    if TWIN.search(context.get("body", "")):
        still = assets.still(context["pathto"]("_static/playground/still.svg", 1))
        context["body"] = TWIN.sub(lambda twin: twin[0] + still, context["body"])


def write_assets(app: Sphinx, error: Exception | None) -> None:
    """Writes _static/playground/."""
    if error is None and app.builder.format == "html":
        assets.write_site(Path(app.outdir) / "_static" / "playground")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file("playground/loader.js", loading_method="defer")
    app.connect("html-page-context", add_still)
    app.connect("build-finished", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
