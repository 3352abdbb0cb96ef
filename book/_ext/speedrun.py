"""The speedrun on its page: ```{speedrun} records``` is a table, `curves` a picture, and {speedrun}`level` a word.

All read `book/results/speedrun.json`, which `make speedrun` writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from bench import Table, as_nodes
from docutils import nodes
from matplotlib.figure import Figure
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from tgan_lib.figures import COLOURS, show

RESULTS = Path(__file__).resolve().parents[1] / "results" / "speedrun.json"


def stored(path: Path = RESULTS) -> dict[str, Any]:
    """What has been run so far."""
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def probability(p: float | None) -> str:
    """In words; a small one as a power of ten that it is under."""
    if p is None:
        return "none"
    return f"{p:.3f}" if p >= 0.001 else f"under 10^{max(-12, exponent(p))}"


def exponent(p: float) -> int:
    """The least k with p < 10^k, k of -12 or more."""
    return next((k for k in range(-12, 1) if p < 10.0**k), 1)


def records_table(content: dict[str, Any]) -> Table:
    """A row for each entrant and device."""
    head = ["Date", "Entrant", "Who", "Hardware", "Seconds", "On the wall", "Steps", "Claim", "Seeds", "p"]
    head += ["Holds", "Commit"]
    body = []
    for row in content["records"]:
        threads = {p["threads"] for p in content["provenance"] if p["device"] == row["device"]}
        said = ["not yet"] * 3
        if "seconds" in row:
            said = [f"{m:.1f} ± {s:.1f}" for m, s in (row["seconds"], row["wall"])]
            said.append(f"{row['steps'][0]:.0f}")
        missing = f", {row['n'] - row['reached']} not at the level" if row["n"] > row["reached"] else ""
        need = f" of {content['rules']['seeds']}" if row["n"] < content["rules"]["seeds"] else ""
        body.append(
            [
                row["date"],
                row["entrant"],
                row["who"],
                f"{row['device']}; {', '.join(map(str, sorted(threads)))} thread",
                *said,
                f"under {row['claim']:g} s",
                f"{row['n']}{need}{missing}",
                probability(row["p"]),
                "yes" if row["holds"] else "not yet" if need else "no",
                ", ".join(row["commits"]),
            ]
        )
    return head, body


def settings_table(content: dict[str, Any]) -> Table:
    """What each entrant builds and trains with."""

    def words(settings: dict[str, Any]) -> str:
        return ", ".join(f"{k} {json.dumps(v).replace(chr(34), '')}" for k, v in settings.items())

    body = [
        [name, words(e["gan"]), words(e["train"]), str(e["every"])] for name, e in content["entrants"].items()
    ]
    return ["Entrant", "Network", "Training", "Steps between readings"], body


def curves_figure(content: dict[str, Any]) -> Figure:
    """Distance against seconds of every run, a colour for each entrant, the level as a line."""
    figure, ax = plt.subplots(figsize=(6.4, 3.6))
    for i, name in enumerate(content["entrants"]):
        curves = [run["curve"] for run in content["runs"] if run["entrant"] == name]
        for j, curve in enumerate(curves):
            _, seconds, _, distances = zip(*curve, strict=True)
            label = name if j == 0 else None
            ax.plot(seconds, distances, color=COLOURS[i], marker=".", linewidth=1, alpha=0.8, label=label)
    ax.axhline(content["rules"]["level"], color="gray", linestyle="--", linewidth=1, label="the level")
    ax.set(xscale="log", yscale="log", xlabel="seconds of training", ylabel="Fréchet distance")
    ax.legend()
    return figure


TABLES = {"records": records_table, "settings": settings_table}


class Speedrun(SphinxDirective):
    """A table of the stored runs, or their picture."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RESULTS))
        name, content = self.arguments[0], stored()
        if not content["runs"]:
            return [nodes.paragraph(text="Nothing has been run yet.")]
        if name in TABLES:
            return [as_nodes(TABLES[name](content))]
        if name != "curves":
            raise self.error(f"nothing named {name!r}; there are {', '.join(TABLES)} and curves")
        caption = "Every reading of every run. A run ends at its first reading at or below the level."
        alt = (
            "Falling curves of the distance against seconds, both on logarithmic axes, one colour an entrant"
        )
        shown = show(curves_figure(content), alt=alt, caption=caption)
        return [nodes.raw("", shown._repr_html_(), format="html")]


def said(what: str, content: dict[str, Any]) -> str:
    """A rule (`level`, `samples`, `seeds`, `p`, `judge`), or `ratios`: how many times sooner, in a sentence."""
    if what != "ratios":
        rule = content["rules"][what]
        return f"{rule:,}".replace(",", " ") if isinstance(rule, int) else str(rule).removesuffix(".0")
    lines = []
    for row in content["ratios"]:
        both = (row["entrant"], row["over"])
        n = [r["n"] for r in content["records"] if r["device"] == row["device"] and r["entrant"] in both]
        high = "and no upper end" if row["high"] is None else f"to {row['high']:.1f}"
        lines.append(
            f"On {row['device']}, {row['entrant']} arrives {row['ratio']:.1f} times as soon as {row['over']} "
            f"(95 % interval {row['low']:.1f} {high}, {min(n)} seeds or more of each"
            f"{'' if min(n) >= content['rules']['seeds'] else '; a claim needs ' + str(content['rules']['seeds'])})."
        )
    return " ".join(lines) or "Two entrants have not been compared yet."


class Word(SphinxRole):
    """What `said` says, in running text."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        return [nodes.Text(said(self.text, stored()))], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("speedrun", Speedrun)
    app.add_role("speedrun", Word())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
