"""Launch buttons open a chapter's plain notebook (book/tools/plain.py), not the page's source.

The theme makes them from the page's own path; where they lead to is changed here, after it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FOLDER = "notebooks"


def point_to_plain(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Puts the plain notebook's path in the place of the page's, in every button that opens it."""
    path = f"{pagename}.ipynb"
    for group in context.get("header_buttons", []):
        if group.get("label") == "launch-buttons":
            for button in group["buttons"]:
                button["url"] = button["url"].replace(path, f"{FOLDER}/{Path(path).name}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", point_to_plain, priority=900)  # the theme's own comes at 501
    return {"parallel_read_safe": True, "parallel_write_safe": True}
