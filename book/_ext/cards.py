"""A chapter's card folded to one line: how long it takes, what it needs, what it downloads. The rest opens.

A notebook writes it as an admonition of class `card-chapter`, with paragraphs that begin with **You need**,
**Time** and **Download**; the line is made of these.
"""

from __future__ import annotations

import html
import re

from docutils import nodes
from sphinx.application import Sphinx

CHAPTERS = re.compile(r"\bchapters? \d+(?:(?:,? and |, | to )\d+)*")
HOURS = {"an hour": "1 h", "an hour and a quarter": "1¼ h", "an hour and a half": "1½ h"}


def facts(paragraphs: list[str]) -> list[str]:
    """The line's parts, from a card's paragraphs as plain text."""
    by_head = {text.split(" ", 1)[0]: " ".join(text.split()) for text in paragraphs if " " in text}
    found = []
    if time := by_head.get("Time"):
        if ran := re.search(r"everything: ([\d hmins]+?) on ", time):
            found.append(f"{ran[1]} to run")
        if do := re.search(r"To read and do: (?:about )?(an hour[^.;,]*|[^.;,]+)", time):
            found.append(f"{HOURS.get(do[1].strip(), do[1].strip())} to read")
    if need := by_head.get("You"):
        chapters = list(dict.fromkeys(CHAPTERS.findall(need)))
        first = re.split(r"[,.:;(]", need.removeprefix("You need").strip())[0].strip()
        found.append("needs " + (" and ".join(chapters) if chapters else first))
    if download := by_head.get("Download"):
        size = re.split(r",? once|[.:]", download.removeprefix("Download").strip())[0]
        none = size.startswith(("none", "nothing"))
        found.append(
            "no download"
            if none
            else "downloads " + re.sub(r", (about )?(?=\d)", " ", download_size(download))
        )
    return found


def download_size(text: str) -> str:
    """What a card says of its downloads: names and sizes, not how often."""
    first = re.sub(r",? once( each)?\b.*$", "", text.removeprefix("Download").strip())
    return re.sub(r", (?:about )?(?=\d)", " ", first)


def fold_cards(app: Sphinx, doctree: nodes.document) -> None:
    """Turns each card into a <details> whose summary is its line."""
    for card in list(doctree.findall(nodes.admonition)):
        if "card-chapter" not in card["classes"]:
            continue
        title, *body = card.children
        line = facts([p.astext() for p in card.findall(nodes.paragraph)])
        parts = "".join(f" <span>{html.escape(fact)}</span>" for fact in line)
        name = html.escape(title.astext())
        head = f'<details class="admonition card-chapter"><summary><b>{name}</b>{parts}</summary>'
        inside = nodes.container("", *body, classes=["card-body"])
        place = card.parent.index(card)
        card.parent[place : place + 1] = [raw(head), inside, raw("</details>")]


def raw(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", fold_cards, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
