"""Where a reader is: chapter numbers in the sidebar, in titles and in search, and every "chapter 6" a link.

A chapter's number is the one with which its file begins. Titles in notebooks stay without it; here it is put where
titles are listed, and above the page's own title as a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

FILE = re.compile(r"(?:^|/)(\d\d)_\w+$")
# "chapter 6", "Chapters 14 and 15", "chapters 9 and 12 to 15": the words, then numbers with what joins them.
JOINED = r"(?:,? (?:and|or|to) |, |[–-])"
MENTION = re.compile(rf"\b[Cc]hapters?\s\d{{1,2}}(?:{JOINED}\d{{1,2}})*\b(?!\.\d)")
NUMBER = re.compile(r"\d{1,2}")
UNLINKED = (nodes.reference, addnodes.pending_xref, nodes.title, nodes.literal, nodes.literal_block, nodes.math,
            nodes.raw, nodes.comment, nodes.rubric, nodes.caption, addnodes.toctree)  # fmt: skip


def number(docname: str) -> int | None:
    """A chapter's number; None for other pages."""
    found = FILE.search(docname)
    return int(found[1]) if found else None


def pages(names: Any) -> dict[int, str]:
    """The pages of the book that are chapters: number -> docname."""
    return {n: str(name) for name in names if (n := number(str(name))) is not None}


def linked(text: str, known: dict[int, str], here: int | None) -> Iterator[str | tuple[str, str]]:
    """A text in pieces: words as they are, and (words, docname) for each mention of another chapter.

    A single chapter's link holds the word too; of several, each number is a link.
    """
    end = 0
    for mention in MENTION.finditer(text):
        numbers = list(NUMBER.finditer(mention[0]))
        for i, found in enumerate(numbers):
            n = int(found[0])
            if n not in known or n == here:
                continue
            start = mention.start() if i == 0 and len(numbers) == 1 else mention.start() + found.start()
            if start > end:
                yield text[end:start]
            end = mention.start() + found.end()
            yield text[start:end], known[n]
    if end < len(text):
        yield text[end:]


class LinkChapters(SphinxTransform):
    """Makes every mention of another chapter in running text a link to its page."""

    default_priority = 700

    def apply(self, **kwargs: Any) -> None:
        known, here = pages(self.config.external_site_map), number(self.env.docname)
        for text in list(self.document.findall(nodes.Text)):
            if not MENTION.search(text.astext()) or within(text, UNLINKED):
                continue
            pieces = [
                nodes.Text(piece) if isinstance(piece, str) else self.link(*piece)
                for piece in linked(text.astext(), known, here)
            ]
            text.parent.replace(text, pieces)

    def link(self, words: str, docname: str) -> addnodes.pending_xref:
        return addnodes.pending_xref(
            "",
            nodes.inline("", words),
            refdomain="std",
            reftype="doc",
            refexplicit=True,
            refwarn=True,
            reftarget=f"/{docname}",
            refdoc=self.env.docname,
        )


def within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    """Whether a node stands anywhere inside one of these kinds."""
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def number_titles(app: Sphinx, doctree: nodes.document) -> None:
    """Puts the number before a chapter's title where titles are listed: sidebar, next and previous, search."""
    n = number(docname := app.env.docname)
    if n is None:
        return
    app.env.titles[docname].insert(0, nodes.Text(f"{n}. "))
    for entry in app.env.tocs[docname].findall(nodes.reference):
        if not entry.get("anchorname"):  # the page itself, not one of its sections
            entry.insert(0, nodes.Text(f"{n}. "))
            return


def say_where(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """The line above a chapter's title, and page titles that do not say the same thing twice."""
    n = number(pagename)
    if n is not None:
        body = context["body"]
        context["body"] = re.sub(r"<h1>", f'<p class="chapter-number">Chapter {n}</p>\n<h1>', body, count=1)
        context["title"] = re.sub(r"^\d+\. ", f"Chapter {n}: ", context["title"])
    if context.get("title") == app.config.html_title or pagename == app.config.root_doc:
        context["docstitle"] = ""  # the theme adds " — title of the book" only where there is one


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(LinkChapters)
    app.connect("doctree-read", number_titles, priority=900)  # the collectors of titles come at 500
    app.connect("html-page-context", say_where)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
