"""Studies stop and resume, never mix settings, and say where their numbers came from."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tgan_lib import stored
from tgan_lib.machine import device_in_words

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
ALL_STUDIES = sorted(path for path in stored.FOLDER.glob("*.json") if path.stem != "bench")


@pytest.mark.parametrize("path", ALL_STUDIES, ids=lambda p: p.stem)
def test_every_stored_study_is_complete_and_comes_from_a_script_of_ours(path: Path) -> None:
    found = stored.results(path.stem)
    assert (STUDIES.parents[1] / found["script"]).exists()
    assert {"device", "versions", "date"} <= found.keys()
    assert len(found["settings"]["seeds"]) >= 3
    for seed in found["settings"]["seeds"]:
        assert sum(cell.endswith(f"seed {seed}") for cell in found["cells"]) >= 2


def test_chapter_threes_study_holds_every_network_at_every_seed() -> None:
    found = stored.results("image_gans")
    settings = found["settings"]
    cells = {f"{name} seed {seed}" for name in settings["networks"] for seed in settings["seeds"]}
    assert set(found["cells"]) == cells
    assert all(len(cell["distance"]) == len(settings["seconds"]) for cell in found["cells"].values())


def test_an_unknown_study_is_one_sentence() -> None:
    with pytest.raises(
        ValueError, match=r"no stored study named 'image_gan' \(did you mean 'image_gans'\?\)"
    ):
        stored.results("image_gan")


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
