"""The shipped models in tables, from their cards: ```{zoo} today``` for those to start from, `former` for the others.

Nothing is typed here by hand, so that the page cannot promise a distance that no card has.
"""

from __future__ import annotations

from typing import Any

from bench import Table, as_nodes
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from times import duration

from tgan_lib import zoo


def judged(card: dict[str, Any], judge: str) -> str:
    """A distance with its floor; of a judge that did not see it, that it did not."""
    found = card["judges"].get(judge)
    return f"{found['distance']:g} (floor {found['floor']:g})" if found else "not measured"


def counted(card: dict[str, Any]) -> str:
    """Which attribute's shares moved furthest, and how many words are all but gone; empty for what has none."""
    if "counts" not in card:
        return ""
    moved = card["counts"]["total_variation"]
    name = max(moved, key=lambda key: float(moved[key]))
    gone = sum(map(len, card["counts"]["vanished"].values()))
    shares = (
        f"furthest: {name.replace('_', ' ')}, {moved[name]:.2f} (chance {card['counts']['chance'][name]:.2f})"
    )
    return f"{shares}; {gone} words gone in all" if gone else shares


def todays_table(cards: list[dict[str, Any]]) -> Table:
    """A row for each model to start from."""
    head = [
        "Name",
        "What it draws",
        "By its own judge",
        "By EfficientNet",
        "Attributes",
        "Near-copies",
        "Trained",
    ]
    body = [
        [
            card["name"],
            card["title"],
            f"{next(iter(card['judges']))}: {judged(card, next(iter(card['judges'])))}",
            judged(card, "efficientnet-lite0"),
            counted(card),
            f"{card['near_copies']['share']:.1%} (chance 5%)",
            duration(card["seconds"]),
        ]
        for card in cards
    ]
    return head, body


def former_table(cards: list[dict[str, Any]]) -> Table:
    """A row for each model that was kept, with why, and what to use in its place."""
    return ["Name", "What it draws", "Former, since"], [
        [card["name"], card["title"], card["former"]] for card in cards
    ]


class Zoo(SphinxDirective):
    """One half of the zoo as a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        for path in sorted(zoo.FOLDER.glob("*.json")):
            self.env.note_dependency(str(path))
        today = zoo.names(former=False)
        if self.arguments[0] == "today":
            return [as_nodes(todays_table([zoo.card(name) for name in today]))]
        return [as_nodes(former_table([zoo.card(name) for name in zoo.names() if name not in today]))]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("zoo", Zoo)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
