"""Mends markup that the theme and other extensions write, in the built pages, for what no setting reaches."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx


def signature_lines(list_without_terms: re.Match[str]) -> str:
    """Lines as spans, where Sphinx writes a long signature's arguments as definitions of nothing."""
    lines = list_without_terms[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
    return f'<span class="sig-lines">{lines}</span>'


MENDS = (
    # Fonts fetched before any icon asks for them: from file:// browsers refuse these and log errors.
    (re.compile(r'\s*<link rel="preload" as="font"[^>]*>'), ""),
    # Every icon there is, as a script of 1.5 MB. The style sheet and its fonts draw the few in use.
    (re.compile(r"\s*<script[^>]*/fontawesome/[^>]*></script>"), ""),
    # A definition list in which nothing is defined confuses a screen reader.
    (re.compile(r"<dl>\s*(<dd>.*?)</dl>", re.DOTALL), signature_lines),
    # A bar says what it folds; a name that is the same for all would hide that from a screen reader.
    (re.compile(r'(<summary) aria-label="Toggle hidden content"'), r"\1"),
    # The sidebar's arrows have no name at all: they open the pages of the entry before them.
    (
        re.compile(r'(<a class="[^"]*" href="[^"]*">([^<]+)</a>\s*<details[^>]*>\s*<summary)>'),
        r'\1 aria-label="Pages of \2">',
    ),
    # The theme opens every link of its header in a new window, also one within the book.
    (re.compile(r'(<a href="[^"]*") target="_blank"(\s+class="btn btn-sm btn-run-here")'), r"\1\2"),
    # Where a header is narrow, it shows the first words of this link only (shell.css).
    (
        re.compile(r'(btn__text-container">Run it)( on your machine)</span>'),
        r'\1<span class="rest">\2</span></span>',
    ),
    # A list's entries must be list items for a screen reader to count them.
    (re.compile(r'role="doc-biblioentry"'), 'role="listitem"'),
)


def mend(html: str) -> str:
    """A page's text with every mend made; a second time changes nothing."""
    for pattern, replacement in MENDS:
        html = pattern.sub(replacement, html)
    return html


def mend_pages(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        before = path.read_text(encoding="utf-8")
        if (after := mend(before)) != before:
            path.write_text(after, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", mend_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
