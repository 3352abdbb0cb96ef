"""Captions of figures whose notebooks are not run again: under pictures alone, and without a number.

A cell's metadata (mystnb.figure.caption) captions every output of the cell, listings and folded marks too. The
caption is taken off what holds no picture.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def on_pictures_only(app: Sphinx, doctree: nodes.document) -> None:
    for figure in list(doctree.findall(nodes.figure)):
        bundles = [child for child in figure.children if child.get("nb_element") == "mime_bundle"]
        kinds = [str(part.get("mime_type", "")) for bundle in bundles for part in bundle.children]
        if bundles and not any(kind.startswith("image/") for kind in kinds):
            figure.parent.replace(figure, bundles)


def without_numbers(app: Sphinx, config: Any) -> None:
    """_config.yml says so too, but jupyter-book's LaTeX extension turns numbers on again."""
    config.numfig = False


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", without_numbers, priority=900)
    app.connect("doctree-read", on_pictures_only)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
