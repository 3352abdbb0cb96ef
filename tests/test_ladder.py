"""The page of the ladder's pilot: its tables and numbers are those of the stored runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from extensions import extension

ladder = extension("ladder")
BOOK = Path(__file__).resolve().parents[1] / "book"


def cell(row: str, n: int, seed: int, frechet: float, part: str = "") -> dict[str, Any]:
    found = {
        "frechet": frechet,
        "seconds": 1800,
        "kept": {"glasses": 0.5, "beard": 0.1},
        "styles": {"peeps": 0.25, "micah": 0.75},
        "shares": {"beard": 0.4},
    }
    named = {"part": part} if part else {}
    return named | {"at": {"row": row, "rung": "micah", "n": n, "seed": seed}, "found": found}


CONTENT = {
    "settings": {"rows": ["scratch", "plain", "low rank"]},
    "provenance": [{"device": "CPU, a machine"}],
    "cells": [
        {"part": "floors", "at": {"rung": "micah"}, "found": {"frechet": 1.4}},
        {"part": "search", "at": {"way": "miner", "rate": 1.0}, "found": {"distance": [9, 7]}},
        {"part": "search", "at": {"way": "miner", "rate": 3.0}, "found": {"distance": [5, 8]}},
        cell("source", 10, 0, 5.0, "untrained"),
        cell("plain", 10, 0, 30.0),
        cell("plain", 10, 1, 40.0),
        cell("low rank", 10, 0, 32.0),
    ],
}


def rows(table: Any) -> list[list[str]]:
    return [
        [entry.astext() for entry in row.findall(ladder.nodes.entry)]
        for row in table.findall(ladder.nodes.row)
    ]


def test_a_table_has_the_mean_of_the_seeds_and_a_dash_for_what_was_not_run() -> None:
    found = rows(ladder.table("frechet", CONTENT))
    assert found[0] == ["from peeps to", *ladder.RUNGS]
    assert found[1] == ["10", "100"] * 5
    column = 1 + 2 * ladder.RUNGS.index("micah")
    by_row = {row[0]: row[column : column + 2] for row in found[2:]}
    assert by_row == {
        "source": ["5", "–"],
        "plain": ["35", "–"],
        "low rank": ["32", "–"],
        "real images": ["1", "1"],
    }


def test_the_best_trained_way_is_bold_and_nothing_else() -> None:
    table = ladder.table("frechet", CONTENT)
    assert [node.astext() for node in table.findall(ladder.nodes.strong)] == [
        "32"
    ]  # not the untrained source
    assert not list(ladder.table("kept", CONTENT).findall(ladder.nodes.strong))  # neither end is better


def test_numbers_in_the_text() -> None:
    said = {
        "frechet | plain | micah | 10": "35",
        "kept | plain | micah | 10": "0.30",
        "style | plain | micah | 10": "0.75",
        "bearded | low rank | micah | 10": "0.40",
        "runs": "3",
        "seeds": "1 or 2",
        "machine": "CPU, a machine",
        "rate of miner": "1",
    }
    assert {asked: ladder.said(asked, CONTENT) for asked in said} == said
    for wrong in ("frechet | plain | micah | 11", "frechet | nobody | micah | 10", "nothing"):
        with pytest.raises((KeyError, ValueError)):
            ladder.said(wrong, CONTENT)


def test_every_number_that_the_page_asks_for_is_stored() -> None:
    import re

    text = (BOOK / "transfer" / "ladder_pilot.md").read_text(encoding="utf-8")
    asked = re.findall(r"\{ladder\}`([^`]+)`", text)
    assert asked
    for one in asked:
        assert ladder.said(one, ladder.read())


def test_the_pictures_are_there() -> None:
    for rung in ladder.RUNGS:
        assert (BOOK / "_static" / "ladder" / f"{rung}.webp").stat().st_size < 400_000
