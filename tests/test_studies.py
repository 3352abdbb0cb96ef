"""Studies stop and resume, never mix settings, and say where their numbers came from; each runs at its smallest."""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tgan_lib.provenance import device_in_words
from tgan_lib.results import FOLDER, NO_STUDIES, Results, picture, results

STUDIES = Path(__file__).resolve().parents[1] / "book" / "studies"
sys.path.insert(0, str(STUDIES))

from study import Part, Study, command_line, differing, key_of  # noqa: E402

AXES = {"run": ("a", "b"), "n": (10, 100), "seed": (0, 1, 2)}


def halves(**given: Any) -> Study:
    """A study that stores what its cells stand at."""
    options: dict[str, Any] = {
        "settings": {"rates": (1, 2)},
        "compute": lambda **at: {"value": at["n"] + at["seed"]},
    }
    return Study("halves", AXES, **(options | given))


def test_a_study_that_was_stopped_computes_only_what_is_missing(tmp_path: Path) -> None:
    path, computed = tmp_path / "results.json", []

    def compute(run: str, n: int, seed: int) -> dict[str, Any]:
        if len(computed) == 4:
            computed.append("stopped")
            raise KeyboardInterrupt
        computed.append((run, n, seed))
        return {"value": (run, n)}

    with pytest.raises(KeyboardInterrupt):
        halves(compute=compute).run(path)
    found = halves(compute=compute).run(path)
    assert computed[:4] == [("a", 10, 0), ("a", 100, 0), ("b", 10, 0), ("b", 100, 0)]  # seeds outermost
    assert len(computed) == 13
    assert len(set(map(str, computed))) == 13  # nothing twice
    assert [cell.at for cell in found.cells[:2]] == [
        {"run": "a", "n": 10, "seed": 0},
        {"run": "a", "n": 100, "seed": 0},
    ]
    assert found.cell(run="b", n=10, seed=2) == {"value": ["b", 10]}
    stored = json.loads(path.read_text())
    assert stored["cells"][0] == {"at": found.cells[0].at, "found": {"value": ["a", 10]}, "provenance": 0}
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_a_study_resumed_elsewhere_says_of_each_cell_where_it_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    halves().run(path, {"seed": "0"})
    there = {"device": "another", "versions": {"torch": "9"}, "date": "2030-01-01"}
    monkeypatch.setattr("study.provenance", lambda: there)
    found = halves().run(path)
    assert [cell.provenance["device"] for cell in found.cells] == [device_in_words()] * 4 + ["another"] * 8
    assert found.origin.startswith("book/studies/halves.py, ")
    assert found.origin.endswith("; 2030-01-01, another, torch 9")


def test_only_those_cells_exist_that_a_part_says_and_parts_come_in_their_order(tmp_path: Path) -> None:
    def chosen(run: str, n: int, seed: int) -> bool:
        return n == study.found.cell("best")["n"]

    study = halves(only=chosen, before=[Part("best", {}, lambda: {"n": 100})], after=[Part("end", {}, dict)])
    found = study.run(tmp_path / "results.json")
    assert [cell.part for cell in found.cells] == ["best", *[""] * 6, "end"]
    assert {cell.at["n"] for cell in found.cells if not cell.part} == {100}


def test_a_quick_study_runs_one_value_of_each_axis_that_is_not_named(tmp_path: Path) -> None:
    found = halves(smallest={"run": ("a", "b")}).run(tmp_path / "results.json")
    assert [tuple(cell.at.values()) for cell in found.cells] == [("a", 10, 0), ("b", 10, 0)]


def test_results_of_other_settings_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    halves().run(path)
    before = path.read_bytes()
    with pytest.raises(
        SystemExit, match=r"results of other settings: rates is \[1, 2\] there and \[1, 3\] here"
    ):
        halves(settings={"rates": (1, 3)}).run(path)
    assert path.read_bytes() == before


def test_the_setting_that_differs_is_named() -> None:
    assert differing({"a": {"b": 1}}, {"a": {"b": 2}}) == "a/b is 1 there and 2 here"
    assert differing({"a": 1}, {}) == "a is only there"
    assert differing({}, {"a": 1}) == "a is only here"
    assert differing({"a": [1]}, {"a": [1]}) == ""


def test_the_command_line_runs_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(quick: bool = False) -> Study:
        return halves(smallest={} if quick else None)

    monkeypatch.setenv("TGAN_BUDGET", "smoke")
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["halves.py", "--only", "n=100", "--only", "seed=1", "--out", str(out)])
    command_line(make)
    assert f"2 cells in {out}" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["halves.py", "--quick"])
    command_line(make)
    assert "1 cells in " in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["halves.py", "--only", "sed=1", "--out", str(out)])
    with pytest.raises(
        SystemExit, match=r"no axis of the study halves named 'sed' \(did you mean 'seed'\?\)"
    ):
        command_line(make)


# --- what is read ---


def stored(tmp_path: Path) -> Results:
    return halves(
        compute=lambda run, n, seed: {"path": [n, seed], "deep": {"x": seed}, "uneven": [0] * n},
        before=[Part("costs", {}, lambda: {"ms": 3.0})],
    ).run(tmp_path / "results.json")


def test_an_array_has_the_axes_that_are_left_in_their_order(tmp_path: Path) -> None:
    found = stored(tmp_path)
    assert found.array("path").shape == (2, 2, 3, 2)  # run, n, seed, what is stored
    assert found.array("path", run="a", n=100).tolist() == [[100, 0], [100, 1], [100, 2]]
    assert found.array("path", 1, seed=2, run="b").tolist() == [2, 2]
    assert found.array("deep", "x", run="a", n=10).tolist() == [0, 1, 2]
    assert found.array("ms", part="costs") == 3.0
    assert found.array("uneven", n=10).shape == (2, 3, 10)


def test_what_a_study_does_not_hold_is_one_sentence(tmp_path: Path) -> None:
    found = stored(tmp_path)
    with pytest.raises(ValueError, match=r"no number in the study halves at run a, n 10, seed 0 named 'pth'"):
        found.array("pth")
    with pytest.raises(
        ValueError, match=r"no axis of the study halves named 'sed' \(did you mean 'seed'\?\)"
    ):
        found.array("path", sed=0)
    with pytest.raises(ValueError, match="no run in the study halves named 'c'; known: a, b"):
        found.array("path", run="c")
    with pytest.raises(
        ValueError, match=r"no part of the study halves named 'cost' \(did you mean 'costs'\?\)"
    ):
        found.cell("cost")
    with pytest.raises(
        ValueError, match=r"'uneven' has different shapes .*: \(10,\), \(100,\); name one value"
    ):
        found.array("uneven")
    with pytest.raises(ValueError, match="6 cells of the study halves stand there; say n, seed too"):
        found.cell(run="a")
    partly = Results("halves", "x.py", {}, found.cells[:6])
    with pytest.raises(ValueError, match="the study halves has no cell at run 'a', n 100, seed 1"):
        partly.array("path")


# The benchmark and the speedrun are no studies: they and their pages have their own tests.
ALL_STUDIES = sorted(path for path in FOLDER.glob("*.json") if path.stem not in NO_STUDIES)


@pytest.mark.parametrize("path", ALL_STUDIES, ids=lambda p: p.stem)
def test_every_stored_study_is_complete_and_comes_from_a_script_of_ours(path: Path) -> None:
    found = results(path.stem)
    assert (STUDIES.parents[1] / found.script).exists()
    assert all({"device", "versions", "date"} <= cell.provenance.keys() for cell in found.cells)
    counts = [sum(cell.at.get("seed") == seed for cell in found.cells) for seed in found.settings["seeds"]]
    seeds, each = {"defaults": (1, 2), "front_door": (1, 1), "ladder_pilot": (2, 2)}.get(path.stem, (3, 2))
    assert [len(counts) >= seeds, min(counts) >= each] == [True, True], counts


LONG = "augmentation cross_domain face_off measuring pretrained_discriminators small_updates source_to_target stability"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, marks=pytest.mark.slow if p.stem in LONG.split() else (), id=p.stem)
        for p in ALL_STUDIES
    ],
)
def test_every_study_runs_and_its_cells_stand_on_the_axes_of_those_stored(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its smallest, on drawn images; what it would store is read as what is stored, by the same names."""
    monkeypatch.setenv("TGAN_BUDGET", "smoke")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        study = importlib.import_module(path.stem).make(quick=True)
        ran = study.run(tmp_path / "results.json")
    finally:
        torch.set_num_threads(threads)
    there = results(path.stem)
    assert study.name == path.stem
    assert ran.settings.keys() == there.settings.keys()
    for cell in ran.cells:
        like = next(c for c in there.cells if c.part == cell.part)
        assert cell.at.keys() == like.at.keys()
        if cell.at and cell.found:
            same = [c for c in there.cells if c.part == cell.part and c.at == cell.at]
            assert same, f"{cell} is not stored"
            assert cell.found.keys() == same[0].found.keys()
    study.content = json.loads(path.read_text())  # some parts ask what was found
    planned = [key_of(part.name, at) for part in study.parts for at in part.places()]
    assert sorted(planned) == sorted(key_of(cell.part, cell.at) for cell in there.cells)


def test_importing_the_studies_leaves_the_librarys_dictionaries_alone() -> None:
    from tgan_lib.losses import LOSSES
    from tgan_lib.transfer.strategies import STRATEGIES

    for script in STUDIES.glob("*.py"):
        importlib.import_module(script.stem)
    assert all(value.__module__.startswith("tgan_lib.") for value in STRATEGIES.values())
    assert "smoothed" not in LOSSES


def test_chapter_threes_study_holds_every_network_at_every_seed() -> None:
    found = results("image_gans")
    s = found.settings
    assert found.array("distance").shape == (len(s["networks"]), len(s["seeds"]), len(s["seconds"]))


def test_an_unknown_study_is_one_sentence() -> None:
    with pytest.raises(
        ValueError, match=r"no stored study named 'image_gan' \(did you mean 'image_gans'\?\)"
    ):
        results("image_gan")


def test_chapter_four_shows_the_studys_own_code() -> None:
    import loss_atlas

    cells = json.loads((STUDIES.parent / "loss" / "04_loss_atlas.ipynb").read_text())["cells"]
    shown = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for part in (loss_atlas.SideBySide, loss_atlas.ToyGAN):
        assert lines(inspect.getsource(part)) in lines(shown), part.__name__


def lines(code: str) -> str:
    """Without blank lines and those that hold a docstring alone, which a chapter may leave out."""
    kept = [line.rstrip() for line in code.splitlines()]
    return "\n".join(line for line in kept if line and not line.strip().startswith('"""'))


def test_costs_are_medians_of_what_was_measured_in_turns() -> None:
    from measured import relative

    times = {"plain": iter([9.0, 2.0, 4.0, 10.0]), "other": iter([9.0, 3.0, 8.0, 20.0])}
    found = relative({name: lambda it=it: next(it) for name, it in times.items()}, rounds=3)
    # the first round warms up; the ratios are 1.5, 2 and 2
    assert found == {"plain": {"ms": 4.0, "relative": 1.0}, "other": {"ms": 8.0, "relative": 2.0}}


def test_the_face_offs_settings_are_those_that_ended_nearest() -> None:
    import face_off

    def tried(way: str, rate: float, own: Any, readings: list[float]) -> dict[str, Any]:
        at = {"way": way, "rate": rate, "own": own, "seed": 100}
        return {"part": "search", "at": at, "found": {"distance": readings}, "provenance": 0}

    # ends nearest with the third rate; was nearest on the way with the second
    readings = ([50.0, 40.0], [5.0, 30.0], [50.0, 20.0], [50.0, 60.0])
    cells = [
        tried(way, rate, face_off.first_own(way), ends)
        for way in face_off.WAYS
        for rate, ends in zip(face_off.RATES, readings, strict=True)
    ]
    cells.append(tried("l2sp", 3.0, 0.01, [50.0, 10.0]))
    found = Results.of("face_off", {"script": "", "settings": {}, "provenance": [{}], "cells": cells})
    chosen = face_off.choices(found)
    assert chosen["fine_tune"] == {"rate": 3.0, "settings": {}}
    assert chosen["low_rank"] == {"rate": 3.0, "settings": {"rank": 4}}
    assert chosen["l2sp"] == {"rate": 3.0, "settings": {"weight": 0.01}}


def test_samples_of_a_study_fill_their_own_row_of_its_picture(tmp_path: Path) -> None:
    import face_off

    path = tmp_path / "sheet.png"
    for cell, shade in ((1, 255), (0, 100)):
        face_off.store_samples(path, cell, 3, torch.full((16, 1, 4, 4), shade, dtype=torch.uint8))
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (12, 64)
    assert [int(sheet[row * 4 : row * 4 + 4].mean()) for row in range(3)] == [102, 255, 0]  # in steps of 17


def test_chapter_sixteens_study_holds_every_way_on_every_number_of_images() -> None:
    found = results("face_off")
    s = found.settings
    shape = tuple(len(s[name]) for name in ("pairs", "numbers", "ways", "seeds"))
    assert found.array("frechet").shape == shape
    assert set(found.cell("costs")) == set(s["ways"])
    assert picture("face_off").shape == (np.prod(shape[:3]) * 28, 16 * 28)
    for way in s["ways"]:
        tried = len(s["rates"]) + (len(s["own"][way][1]) - 1 if way in s["own"] else 0)
        assert sum(cell.part == "search" and cell.at["way"] == way for cell in found.cells) == tried


def test_an_unknown_picture_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="no stored picture named 'face_of'"):
        picture("face_of")
