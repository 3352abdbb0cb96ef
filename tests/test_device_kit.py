"""The device kit with the CPU in the card's place: all of it runs, goes on, reports, and survives what goes wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tgan_lib.bench import __main__ as command
from tgan_lib.bench import device_checks, device_training, gpu
from tgan_lib.bench.device_kit import STAGES, Kit
from tgan_lib.bench.device_report import markdown
from tgan_lib.data import Images
from tgan_lib.gan import GAN

CPU = torch.device("cpu")


def stand_in(name: str, **_: Any) -> Images:
    """Few images of the right size under the right name."""
    size = 64 if name.startswith("portraits") else 32
    noise = torch.randint(256, (8, 3, size, size), generator=torch.Generator().manual_seed(0))
    return Images(noise.to(torch.uint8), name=name)


def call(folder: Path, minutes: str) -> None:
    gpu.main(["--device", "cpu", "--out", str(folder), "--minutes", minutes])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder after a call without any time and one with enough, and what the first reported."""
    folder = tmp_path_factory.mktemp("kit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_training, "load", stand_in)
        patch.setattr(gpu, "SIZES", ((28, 1),))
        call(folder, "0.000001")
        first = json.loads((folder / "report.json").read_text())
        call(folder, "1000")
    return folder, first


def test_without_time_all_is_left_out_and_said(done: tuple[Path, dict[str, Any]]) -> None:
    _, first = done
    assert [first[stage] for stage in STAGES] == [{}] * len(STAGES)
    assert {"machine: here", "checks: resume is exact", "table: dcgan-28", "training: peeps-64"} <= set(
        first["left_out"]
    )


def test_every_stage_is_stored_and_reported(done: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = done
    report = json.loads((folder / "report.json").read_text())
    assert report["left_out"] == []
    for stage in STAGES:
        assert report[stage] == json.loads((folder / f"{stage}.json").read_text()) != {}
    verdicts = {name: row["passed"] for name, row in report["checks"].items()}
    graphs = {name for name in verdicts if name.startswith("graph")}
    assert len(graphs) == 3
    assert verdicts == {name: None if name in graphs else True for name in verdicts}
    assert report["checks"]["resume is exact"]["apart"] == 0
    times = report["table"]["dcgan-28"]["milliseconds"]
    assert list(times) == [
        "classic",
        "classic, images on the device",
        *(f"tgan_lib {p}" for p in gpu.PRECISIONS),
    ]
    assert min(times.values()) > 0


def test_what_is_trained_is_kept_and_shown(done: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = done
    trained = json.loads((folder / "training.json").read_text())
    assert list(trained) == ["peeps-64", "cifar10"]
    for name, row in trained.items():
        assert row["steps"] == GAN.load(folder / name).card["step"] == 6
        assert (folder / "samples" / f"{name}-000006.png").read_bytes().startswith(b"\x89PNG")


def test_a_call_on_a_finished_folder_changes_no_result(
    done: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(done[0], tmp_path / "kit")
    monkeypatch.setattr(device_training, "load", stand_in)
    monkeypatch.setattr(gpu, "SIZES", ((28, 1),))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    call(folder, "1000")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_of_another_machine_is_refused(
    done: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = json.loads((done[0] / "machine.json").read_text())
    machine["here"]["device"] = "NVIDIA Tesla T4"
    (tmp_path / "machine.json").write_text(json.dumps(machine))
    with pytest.raises(SystemExit):
        call(tmp_path, "1")
    assert "holds results of NVIDIA Tesla T4 (cpu)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["machine.json"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA card")
def test_without_a_card_it_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "gpu", "--out", str(tmp_path / "kit")])
    with pytest.raises(SystemExit):
        command.main()
    assert "there is no CUDA card here; take a machine with one, or --device cpu" in capsys.readouterr().err
    assert not (tmp_path / "kit").exists()


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_a_time_that_cannot_be_is_refused(
    tmp_path: Path, minutes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        call(tmp_path / "kit", minutes)
    assert "--minutes is" in capsys.readouterr().err


def test_images_that_are_not_here_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str, **_: Any) -> Images:
        raise FileNotFoundError(name)

    monkeypatch.setattr(device_training, "load", nothing)
    kit = Kit(tmp_path, CPU, 60)
    device_training.trainings(kit)
    assert kit.left_out == [
        f"training: {name}, whose images are not here" for name in ("peeps-64", "cifar10")
    ]


def test_a_result_that_fails_is_written_down_and_stops_nothing(tmp_path: Path) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("no\n kernel")

    kit = Kit(tmp_path, CPU, 60)
    kit.go_through("checks", {"bad": broken, "good": lambda: {"passed": True, "said": "fine"}})
    found = kit.stored("checks")
    assert (found["bad"]["passed"], found["bad"]["said"]) == (False, "RuntimeError: no kernel")
    assert found["good"]["passed"] is True
    assert "| bad | **NO** | RuntimeError: no kernel |" in (tmp_path / "report.md").read_text()


def test_a_loop_that_fails_leaves_the_times_of_the_others(tmp_path: Path) -> None:
    def works() -> Iterator[None]:
        while True:
            yield

    def breaks() -> Iterator[None]:
        yield
        raise RuntimeError("out of luck")

    row = gpu.timed(Kit(tmp_path, CPU, 60), {"bad": breaks(), "good": works()}, 4)
    assert list(row["milliseconds"]) == ["good"]
    assert row["failed"] == {"bad": "RuntimeError: out of luck"}


# The checks notice


def changed(gan: GAN, by: float) -> GAN:
    with torch.no_grad():
        next(gan.generator.parameters()).view(-1)[0].add_(by)
    return gan


@pytest.mark.parametrize(("by", "passed"), [(0.0, True), (1e-3, False), (float("nan"), False)])
def test_a_graph_that_differs_is_noticed(monkeypatch: pytest.MonkeyPatch, by: float, passed: bool) -> None:
    def after(device: torch.device, steps: int, precision: str, capture: bool) -> tuple[GAN, torch.Tensor]:
        return changed(device_checks.small("cpu"), by if capture else 0.0), torch.zeros(5)

    monkeypatch.setattr(device_checks, "after_steps", after)
    assert device_checks.graph_equals_eager(torch.device("cuda"), 3, "fp32")["passed"] is passed


def test_what_is_not_finite_in_half_precision_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def after(device: torch.device, steps: int, precision: str, capture: bool) -> tuple[GAN, torch.Tensor]:
        return changed(device_checks.small("cpu"), float("inf") if precision == "fp16" else 0), torch.zeros(5)

    monkeypatch.setattr(device_checks, "after_steps", after)
    assert device_checks.half_is_finite(CPU, 3, "fp16")["passed"] is False
    assert device_checks.half_is_finite(CPU, 3, "bf16")["passed"] is True


def test_a_resume_that_differs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(gan: GAN, images: Images, steps: int, run_dir: Path | None) -> GAN:
        return changed(gan, 0.0 if run_dir is None else 1e-6)

    monkeypatch.setattr(device_checks, "trained", trained)
    assert device_checks.resume_is_exact(CPU, 2)["passed"] is False


def test_times_stand_beside_their_ratio_to_the_classic_loop() -> None:
    found: dict[str, Any] = {stage: {} for stage in STAGES} | {"left_out": ["table: dcgan-64"]}
    found["table"] = {"dcgan-28": {"milliseconds": {"classic": 9.0, "ours": 1.5}, "said": ""}}
    page = markdown(found)
    assert "| dcgan-28 | 9.00 | 1.50 (6.0x) |" in page
    assert "- table: dcgan-64" in page
