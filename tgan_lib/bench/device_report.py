"""The device kit's report as a page of tables that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

VERDICTS = {True: "yes", False: "**NO**", None: "not here"}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; none without rows."""
    if not rows:
        return ["Nothing yet.", ""]
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines] + [""]


def milliseconds(found: dict[str, Any], columns: Sequence[str], base: str) -> list[list[str]]:
    """A row for each result: its times, and how many times quicker than `base` in brackets."""
    rows = []
    for name, row in found.items():
        times = row.get("milliseconds", {})
        if not times:
            rows.append([name, row["said"], *[""] * (len(columns) - 1)])
            continue
        cells = [
            f"{times[c]:.2f}" + (f" ({times[base] / times[c]:.1f}x)" if c != base and base in times else "")
            if c in times
            else ""
            for c in columns
        ]
        rows.append([name, *cells])
    return rows


def columns_of(found: dict[str, Any]) -> list[str]:
    """Names of the loops that any result timed, in order."""
    return list(dict.fromkeys(name for row in found.values() for name in row.get("milliseconds", {})))


def markdown(found: dict[str, Any]) -> str:
    """report.md of what report.json holds."""
    lines = ["# Device report", ""]
    here, rates = (found["machine"].get(name, {}) for name in ("here", "products"))
    if here:
        facts = {
            key: here[key]
            for key in (
                "device",
                "gibibytes",
                "capability",
                "cuda",
                "cudnn",
                "fp32 convolutions in tf32",
                "date",
            )
            if key in here
        }
        facts |= here.get("versions", {})
        facts |= {
            f"{name} matrix product": f"{rate:g} TFLOP/s" for name, rate in rates.get("teraflops", {}).items()
        }
        lines += table(["what", "here"], [[key, str(value)] for key, value in facts.items()])
    lines += ["## Checks", ""]
    lines += table(
        ["check", "holds", "what was found"],
        [[name, VERDICTS[row.get("passed")], row["said"]] for name, row in found["checks"].items()],
    )
    lines += ["## A captured step against a plain one", "", "Milliseconds a step; R1 at every step.", ""]
    lines += table(["", "eager", "graph"], milliseconds(found["graphs"], ["eager", "graph"], "eager"))
    lines += [
        "## Against the classic loop",
        "",
        "Milliseconds a step, and how many times the classic loop's speed.",
        "",
    ]
    columns = columns_of(found["table"]) or ["classic"]
    lines += table(["", *columns], milliseconds(found["table"], columns, "classic"))
    lines += ["## Training", ""]
    lines += table(
        ["run", "what came of it", "precision", "graph"],
        [
            [name, row["said"], str(row.get("precision", "")), "yes" if row.get("captured") else "no"]
            for name, row in found["training"].items()
        ],
    )
    if found["left_out"]:
        lines += ["## Left out", ""] + [f"- {what}" for what in found["left_out"]] + [""]
    return "\n".join(lines)
