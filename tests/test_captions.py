"""Captions of pages: under pictures, and not under what else the same cell shows."""

from __future__ import annotations

from types import SimpleNamespace

from docutils import nodes
from docutils.utils import new_document
from extensions import extension

captions = extension("captions")


def captioned(*kinds: str) -> nodes.figure:
    """An output with a caption, as myst_nb makes it: its forms by their MIME types."""
    bundle = nodes.container(
        "", *(nodes.container(mime_type=kind) for kind in kinds), nb_element="mime_bundle"
    )
    return nodes.figure("", bundle, nodes.caption("", "The finding."))


def test_a_caption_stays_under_a_picture_alone() -> None:
    page = new_document("page")
    page += [
        captioned("image/png", "text/plain"),
        captioned("text/markdown", "text/plain"),
        captioned("text/html"),
    ]
    captions.on_pictures_only(None, page)
    assert [type(child) for child in page.children] == [nodes.figure, nodes.container, nodes.container]
    assert [caption.astext() for caption in page.findall(nodes.caption)] == ["The finding."]


def test_a_figure_of_the_prose_is_left_alone() -> None:
    page = new_document("page")
    page += nodes.figure("", nodes.image(uri="a.png"), nodes.caption("", "A logo."))
    captions.on_pictures_only(None, page)
    assert [type(child) for child in page.children[0].children] == [nodes.image, nodes.caption]


def test_figures_have_no_numbers() -> None:
    config = SimpleNamespace(numfig=True)
    captions.without_numbers(None, config)
    assert config.numfig is False
