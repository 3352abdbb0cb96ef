"""Keeps the built site to itself: its own MathJax, no thebe, so that no page asks another host for anything.

MathJax and its fonts come out of the sphinx-mathjax-offline wheel. Its own extension would copy all of it
(15 MB); we take what pages with TeX can ask for.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

# The script, its fonts, TeX packages loaded on demand (\boldsymbol, \cancel ...), and what the formula menu's
# screen-reader settings load.
MATHJAX = (
    "tex-chtml.js",
    "output/chtml/fonts/woff-v2",
    "input/tex/extensions",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
)
# sphinx-thebe writes a CDN's address and a broken script into every page, even where no page uses it.
THEBE = ("init_thebe_core", "update_thebe_context")


def mathjax_folder() -> Path:
    """Where the wheel keeps MathJax. Its package name holds hyphens, so it cannot be imported, only found."""
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError("MathJax's files are missing: pip install sphinx-mathjax-offline")
    return Path(spec.origin).parent / "static" / "mathjax"


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copies what MATHJAX names into the built site's _static/mathjax."""
    if error is not None or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir) / "_static" / "mathjax"
    for name in MATHJAX:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, dirs_exist_ok=True)
        else:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)


def remove_thebe(app: Sphinx) -> None:
    """Disconnects sphinx-thebe, which jupyter-book always loads."""
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            handler = listener.handler
            if handler.__module__ == "sphinx_thebe" and handler.__name__ in THEBE:
                app.disconnect(listener.id)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", remove_thebe)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
