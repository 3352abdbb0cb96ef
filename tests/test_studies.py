"""Studies stop and resume, never mix settings, and say where their numbers came from."""

from __future__ import annotations

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
from tgan_lib.results import FOLDER, picture, results

STUDIES = Path(__file__).resolve().parents[1] / "book" / "studies"
sys.path.insert(0, str(STUDIES))

from study import run_cells  # noqa: E402


def test_a_study_that_was_stopped_computes_only_what_is_missing(tmp_path: Path) -> None:
    path, computed = tmp_path / "results.json", []

    def compute(cell: str) -> dict[str, Any]:
        if cell == "c" and len(computed) == 2:
            computed.append("stopped")
            raise KeyboardInterrupt
        computed.append(cell)
        return {"value": cell * 2}

    with pytest.raises(KeyboardInterrupt):
        run_cells(path, "x.py", {"n": 1}, "abcd", compute)
    found = run_cells(path, "x.py", {"n": 1}, "abcd", compute)
    assert computed == ["a", "b", "stopped", "c", "d"]
    assert found == json.loads(path.read_text())
    assert found["cells"] == {cell: {"value": cell * 2} for cell in "abcd"}
    assert found["device"] == device_in_words()
    assert {"script", "versions", "date", "settings"} <= found.keys()
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_results_of_other_settings_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    run_cells(path, "x.py", {"n": 1}, "a", lambda cell: {})
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="results of other settings"):
        run_cells(path, "x.py", {"n": 2}, "a", lambda cell: {})
    assert path.read_bytes() == before


# The benchmark is no study: test_bench.py and the page that shows it have their own tests.
ALL_STUDIES = sorted(path for path in FOLDER.glob("*.json") if path.stem != "bench")


@pytest.mark.parametrize("path", ALL_STUDIES, ids=lambda p: p.stem)
def test_every_stored_study_is_complete_and_comes_from_a_script_of_ours(path: Path) -> None:
    found = results(path.stem)
    assert (STUDIES.parents[1] / found["script"]).exists()
    assert {"device", "versions", "date"} <= found.keys()
    assert len(found["settings"]["seeds"]) >= 3
    for seed in found["settings"]["seeds"]:
        assert sum(cell.endswith(f"seed {seed}") for cell in found["cells"]) >= 2


def test_chapter_threes_study_holds_every_network_at_every_seed() -> None:
    found = results("image_gans")
    settings = found["settings"]
    cells = {f"{name} seed {seed}" for name in settings["networks"] for seed in settings["seeds"]}
    assert set(found["cells"]) == cells
    assert all(len(cell["distance"]) == len(settings["seconds"]) for cell in found["cells"].values())


def test_an_unknown_study_is_one_sentence() -> None:
    with pytest.raises(
        ValueError, match=r"no stored study named 'image_gan' \(did you mean 'image_gans'\?\)"
    ):
        results("image_gan")


def test_chapter_four_shows_the_studys_own_code() -> None:
    import loss_atlas

    cells = json.loads((STUDIES.parent / "loss" / "04_loss_atlas.ipynb").read_text())["cells"]
    shown = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for part in (loss_atlas.mixture_centres, loss_atlas.toy_mlp, loss_atlas.ToyGAN, loss_atlas.read_modes):
        assert lines(inspect.getsource(part)) in lines(shown), part.__name__


def lines(code: str) -> str:
    """Without blank lines and those that hold a docstring alone, which a chapter may leave out."""
    kept = [line.rstrip() for line in code.splitlines()]
    return "\n".join(line for line in kept if line and not line.strip().startswith('"""'))


def test_costs_are_medians_of_what_was_measured_in_turns() -> None:
    import stability

    times = {"plain": iter([9.0, 2.0, 4.0, 10.0]), "other": iter([9.0, 3.0, 8.0, 20.0])}
    found = stability.in_turns({name: lambda it=it: next(it) for name, it in times.items()}, rounds=3)
    # the first round warms up; the ratios are 1.5, 2 and 2
    assert found == {"plain": {"ms": 4.0, "relative": 1.0}, "other": {"ms": 8.0, "relative": 2.0}}


def test_the_face_offs_settings_are_those_that_ended_nearest() -> None:
    import face_off

    def cells(way: str, own: Any) -> dict[str, dict[str, list[float]]]:
        """Ends nearest with the third rate; was nearest on the way with the second."""
        readings = ([50.0, 40.0], [5.0, 30.0], [50.0, 20.0], [50.0, 60.0])
        names = [face_off.search_name(way, rate, own) for rate in face_off.RATES]
        return {name: {"distance": r} for name, r in zip(names, readings, strict=True)}

    found: dict[str, Any] = {"cells": {}}
    for way in face_off.STRATEGIES:
        found["cells"] |= cells(way, face_off.OWN[way][1][0] if way in face_off.OWN else None)
    found["cells"][face_off.search_name("l2sp", 3.0, 0.01)] = {"distance": [50.0, 10.0]}
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
    s = found["settings"]
    cells = {
        f"{pair}, {n} images, {way} seed {seed}"
        for pair in s["pairs"] for n in s["numbers"] for way in s["ways"] for seed in s["seeds"]
    }  # fmt: skip
    assert {cell for cell in found["cells"] if "images" in cell} == cells
    assert set(found["cells"]["costs"]) == set(s["ways"])
    assert picture("face_off").shape == (len(cells) // len(s["seeds"]) * 28, 16 * 28)
    for way in s["ways"]:
        tried = len(s["rates"]) + (len(s["own"][way][1]) - 1 if way in s["own"] else 0)
        assert sum(cell.startswith(f"search {way} rate") for cell in found["cells"]) == tried


def test_an_unknown_picture_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="no stored picture named 'face_of'"):
        picture("face_of")
