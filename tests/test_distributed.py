"""Two processes compute what one would: gradients, batch norm, metrics, a checkpoint that changes hands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tgan_lib.distributed import World

WORKER = Path(__file__).parent / "distributed_worker.py"
CASES = ["non_saturating", "hinge", "relativistic", "r1", "r1 by torch.func", "batch norm in D"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every job left, by name: all cases by one process and by two, and three trainings, one resumed."""
    folder = tmp_path_factory.mktemp("worlds")
    run_dir = str(folder / "run")
    jobs = {
        "one": {"processes": 1, "job": "cases", "cases": CASES},
        "two": {"processes": 2, "job": "cases", "cases": CASES},
        "whole": {"processes": 1, "job": "train", "steps": 6, "run_dir": None},
        "half": {"processes": 2, "job": "train", "steps": 3, "run_dir": run_dir},
        "rest": {"processes": 1, "job": "train", "steps": 6, "run_dir": run_dir},
    }
    for name, job in jobs.items():
        job["out"] = str(folder / f"{name}.pt")
    done = subprocess.run(
        [sys.executable, str(WORKER), json.dumps(list(jobs.values()))],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return {name: torch.load(folder / f"{name}.pt") for name in jobs}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_equal_one_with_the_same_global_batch(found: dict[str, Any], case: str) -> None:
    one, two = found["one"][case], found["two"][case]
    assert one.keys() == two.keys()
    for key, value in one.items():
        scale = max(1.0, value.abs().max().item())
        error = (value.double() - two[key].double()).abs().max().item() / scale
        assert error < 1e-6, (key, error)


def test_the_processes_did_train(found: dict[str, Any]) -> None:
    for case in CASES:
        moved = found["two"][case]["moved"]
        assert moved.item() > 1e-4, case


def test_batch_norm_by_parts_would_have_been_another_thing(found: dict[str, Any]) -> None:
    a, b = (found["two"][f"batch norm {how}"]["logits"] for how in ("shared", "apart"))
    assert (a - b).abs().max() > 1e-3


def test_a_distance_is_the_same_however_many_processes_draw_the_samples(found: dict[str, Any]) -> None:
    one, two = found["one"]["distance"]["value"].item(), found["two"]["distance"]["value"].item()
    assert one == pytest.approx(two, rel=1e-6)


def test_a_checkpoint_of_two_processes_resumes_on_one(found: dict[str, Any]) -> None:
    assert found["half"]["step"] == 3
    assert found["rest"]["step"] == 6
    for key, value in found["whole"]["weights"].items():
        torch.testing.assert_close(found["rest"]["weights"][key], value, rtol=1e-4, atol=1e-6)


def test_one_process_alone_changes_nothing() -> None:
    world = World()
    x = torch.arange(6.0)
    assert (world.rank, world.size) == (0, 1)
    assert world.share(x) is x
    assert world.gather(x) is x
    world.average([x])
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    assert world.any(True) is True


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.size = 3
    with pytest.raises(ValueError, match="batch_size is 8 for 3 processes together; a multiple of 3"):
        world.refuse_batch(8)


@pytest.mark.slow
def test_fabric_launches_it_as_the_docs_say(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from lightning_fabric import Fabric\n"
        "from tgan_lib import GAN, load, train\n"
        "from tgan_lib.distributed import World\n"
        "if __name__ == '__main__':\n"
        "    fabric = Fabric(accelerator='cpu', devices=2)\n"
        "    fabric.launch()\n"
        "    gan = GAN.build('mlp', width=8, latent_dim=8, device=fabric.device)\n"
        "    images = load('glyphs:digits', size=28, limit=64, device=fabric.device)\n"
        "    train(gan, images, steps=2, batch_size=8, progress=False)\n"
        "    total = float(sum(p.double().sum() for p in gan.generator.parameters()))\n"
        "    Path(__file__).with_name(f'{World().rank}.txt').write_text(f'{World().size} {total!r}')\n"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TGAN_BUDGET": "smoke"}
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # files, and not what they print: two processes' words run into each other in one pipe
    first, second = ((tmp_path / f"{rank}.txt").read_text().split() for rank in (0, 1))
    assert first[0] == second[0] == "2"
    assert first[1] == second[1]
