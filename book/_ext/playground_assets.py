"""Gives the built site what its playgrounds need: their code and style, as scripts that load from a file too.

All of it goes to _static/playground/. Pages hold only still twins (see tgan_lib.widgets.playground); a page's loader
fetches the rest when a twin comes near the viewport.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx

from tgan_lib.widgets.playground import assets


def write_assets(app: Sphinx, error: Exception | None) -> None:
    """Writes _static/playground/."""
    if error is None and app.builder.format == "html":
        assets.write_site(Path(app.outdir) / "_static" / "playground")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_js_file("playground/loader.js", loading_method="defer")
    app.connect("build-finished", write_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
