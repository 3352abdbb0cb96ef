"""Launch and download buttons give a chapter's plain notebook (book/tools/plain.py), not the page's source.

The theme makes them from the page's own path; where they lead to is changed here, after it. While the book has no
address they would lead nowhere: in their place is a link that says how to run the chapter on one's own machine.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from published import site
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "notebooks"
HERE = "_notebooks"  # in the built site
HOW_TO = "book/start/how_to_use"


def point_to_plain(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Puts the plain notebook's path in the place of the page's, in every button that opens it."""
    path = f"{pagename}.ipynb"
    published = site(app.config.html_theme_options["repository_url"]) is not None
    buttons = context.get("header_buttons", [])
    for i, group in enumerate(buttons):
        if group.get("label") == "launch-buttons" and not published:
            buttons[i] = run_here(f"{context['pathto'](HOW_TO)}#on-your-own-machine")
        elif group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = button["url"].replace(path, f"{FOLDER}/{Path(path).name}")
        elif group.get("label") == "download-buttons":
            for button in group["buttons"]:
                if button.get("url", "").endswith(path) and (ROOT / FOLDER / Path(path).name).exists():
                    button["url"] = context["pathto"](f"{HERE}/{Path(path).name}", 1)
                    button["tooltip"] = "Download the notebook"


def run_here(url: str) -> dict[str, str]:
    """The link in the place of the launch buttons."""
    words = "Run it on your machine"
    return {"type": "link", "url": url, "text": words, "tooltip": words, "label": "run-here"}


def copy_notebooks(app: Sphinx, error: Exception | None) -> None:
    """The plain notebooks as files of the site, for the download button."""
    if error is None and app.builder.format == "html":
        shutil.copytree(ROOT / FOLDER, Path(app.outdir) / HERE, dirs_exist_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", point_to_plain, priority=900)  # the theme's own comes at 501
    app.connect("build-finished", copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
