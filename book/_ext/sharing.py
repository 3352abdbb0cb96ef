"""What a shared link shows: a page's title, its first paragraph and its first picture.

Addresses of pictures are relative until the book has an address (see address.py), and whole from then on.
"""

from __future__ import annotations

import html
import posixpath
import re
from typing import Any

from docutils import nodes
from published import site
from sphinx.application import Sphinx

LONGEST = 200  # characters of a description; what shows it cuts there anyway
PICTURE = re.compile(r'<img\b[^>]*?\bsrc="([^"]*_images/[^"]+\.(?:png|jpe?g))"[^>]*>')
COVER = "_static/readme.png"


def description(doctree: nodes.document) -> str:
    """The first paragraph of a page's own text, cut at a word; empty if it has none."""
    for paragraph in doctree.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section) and len(text := words_of(paragraph)) > 40:
            return text if len(text) <= LONGEST else text[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    return ""


def words_of(paragraph: nodes.Node) -> str:
    """A paragraph's text without its formulas' backslashes."""
    return re.sub(r"\\[a-zA-Z]+|[{}]", "", " ".join(paragraph.astext().split()))


def picture(body: str, root: str, page: str, address: str | None) -> str:
    """The address of a page's picture. `root`: the way from the page to the site's root, as "../../"."""
    found = PICTURE.search(body)
    source = found[1] if found else root + COVER
    if address is None:
        return source
    return f"{address}/{posixpath.normpath(posixpath.join(posixpath.dirname(page), source))}"


def tags(title: str, text: str, image: str) -> str:
    """The <meta> elements of a page."""
    pairs = [
        ("name", "description", text),
        ("property", "og:type", "article"),
        ("property", "og:title", title),
    ]
    pairs += [("property", "og:description", text), ("property", "og:image", image)]
    pairs += [("name", "twitter:card", "summary_large_image"), ("name", "twitter:title", title)]
    pairs += [("name", "twitter:description", text), ("name", "twitter:image", image)]
    return "".join(
        f'\n<meta {kind}="{name}" content="{html.escape(value)}">' for kind, name, value in pairs if value
    )


def describe(app: Sphinx, pagename: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is None:
        return
    title = html.unescape(re.sub(r"<[^>]*>", "", context["title"]))
    address = site(app.config.html_theme_options["repository_url"])
    image = picture(context["body"], context["pathto"]("", 1).replace("#", ""), pagename, address)
    context["metatags"] = context.get("metatags", "") + tags(title, description(doctree), image)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", describe, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
