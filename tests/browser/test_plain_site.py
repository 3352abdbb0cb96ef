"""The plain notebooks and the built site: links from one to the other, both ways. No browser is needed."""

from __future__ import annotations

import re
from pathlib import Path

import address
import pytest
from notebooks import ROOT
from plain import chapters, plain_notebook
from plain_links import FOLDER, Index

URL = "https://github.com/ada/book"
LINK = re.compile(r"\]\((https://ada\.github\.io/book/)([^)#]+)(?:#([^)]+))?\)")


@pytest.fixture(scope="module")
def ids(site: Path) -> dict[str, set[str]]:
    """The anchors of every page of the site."""
    return {
        page.relative_to(site).as_posix(): set(
            re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf-8"))
        )
        for page in site.rglob("*.html")
    }


def test_every_link_into_the_site_arrives(ids: dict[str, set[str]]) -> None:
    index, found = Index.read(url=URL), 0
    for path in chapters():
        text = "\n".join(
            cell.source for cell in plain_notebook(path, index).cells if cell.cell_type == "markdown"
        )
        for _, page, anchor in LINK.findall(text):
            assert page in ids, f"{path.name} links to {page}"
            assert not anchor or anchor in ids[page], f"{path.name} links to {page}#{anchor}"
            found += 1
    assert found > 200


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_the_launch_button_opens_the_plain_notebook_or_says_where_to_run_it(site: Path, path: Path) -> None:
    page = (site / "book" / path.parent.name / f"{path.stem}.html").read_text(encoding="utf-8")
    buttons = re.findall(r'href="(https://colab\.research\.google\.com/[^"]+)"', page)
    if address.site(address.read(ROOT)):
        assert [button.split("/blob/main/")[1] for button in buttons] == [f"{FOLDER}/{path.name}"]
    else:  # nobody is sent to an address that is none
        assert not buttons
        assert 'href="../start/how_to_use.html#on-your-own-machine"' in page
        assert "btn-run-here" in page


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_the_download_button_gives_the_plain_notebook(site: Path, path: Path) -> None:
    page = site / "book" / path.parent.name / f"{path.stem}.html"
    offered = re.findall(r'href="([^"]+\.ipynb)"', page.read_text(encoding="utf-8"))
    assert offered == [f"../../_notebooks/{path.name}"]
    assert (page.parent / offered[0]).resolve().read_bytes() == (ROOT / FOLDER / path.name).read_bytes()
