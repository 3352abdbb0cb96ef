"""A run is known again by what decides its result, and by nothing else; no failure costs what its folder holds."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disks import quota, sealed

from tgan_lib.augment import DiffAugment
from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.losses import Loss, hinge_discriminator, score_generator
from tgan_lib.penalties import LeCam
from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from tgan_lib.training.train import train


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=64, device="cpu")


OPTIONS: dict[str, Any] = {"steps": 3, "batch_size": 8, "save_every": 1, "log_every": 1, "progress": False}


def small(**changes: Any) -> GAN:
    settings: dict[str, Any] = {"network": "dcgan", "size": 28, "latent_dim": 8, "width": 4, "device": "cpu"}
    return GAN.build(**settings | changes)


@pytest.fixture(scope="module")
def begun(digits: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(small(), digits, run_dir=folder, **OPTIONS)
    return folder


@pytest.fixture
def run_dir(begun: Path, tmp_path: Path) -> Path:
    return shutil.copytree(begun, tmp_path / "run")


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ({"network": "mlp"}, {}, "network='dcgan', but network='mlp'"),
        ({"width": 8}, {}, "width=4, but width=8"),
        ({"latent_dim": 9}, {}, "latent_dim=8, but latent_dim=9"),
        ({"size": 32}, {}, "size=28, but size=32"),
        ({}, {"loss": "minimax"}, "loss='non_saturating', but loss='minimax'"),
        ({}, {"batch_size": 4}, "batch_size=8, but batch_size=4"),
        (
            {},
            {"learning_rate": 1e-3},
            r"learning_rates=\[0.0002, 0.0002\], but learning_rates=\[0.001, 0.001\]",
        ),
        ({}, {"learning_rate": (2e-4, 1e-3)}, r"but learning_rates=\[0.0002, 0.001\]"),
        ({}, {"betas": (0.0, 0.9)}, r"betas=\[0.5, 0.999\], but betas=\[0.0, 0.9\]"),
        ({}, {"ema_half_life": 10}, "ema_half_life=5000.0, but ema_half_life=10.0"),
        ({}, {"precision": "bf16"}, "precision='fp32', but precision='bf16'"),
        ({}, {"seed": 1}, "seed=0, but seed=1"),
        ({}, {"limit": 63}, "images=64, but images=63"),
        ({}, {"penalties": {"r1": 0.1}}, r"penalties=\{\}, but penalties=\{'r1': 0.1\}"),
        ({}, {"augment": DiffAugment("cutout")}, r"augment=None, but augment=\{'name': 'diffaugment'.*"),
        ({}, {"terms": [LeCam(0.1)]}, r"terms=\[\], but terms=\[\{'name': 'lecam'.*"),
        (
            {},
            {"loss": Loss("mine", hinge_discriminator, score_generator)},
            r"but loss=\['mine', .*hinge_disc.*",
        ),
    ],
)
def test_another_run_is_refused_by_the_name_of_what_changed_and_nothing_is_lost(
    digits: Images, run_dir: Path, network: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    old = {p.name: p.read_bytes() for p in run_dir.iterdir()}
    size, limit = network.get("size", 28), options.get("limit", 64)
    images = (
        load("glyphs:digits", size=size, limit=limit, device="cpu") if (size, limit) != (28, 64) else digits
    )
    options = {k: v for k, v in options.items() if k != "limit"}
    with pytest.raises(
        CheckpointError, match=f"holds a run with .*{words} was asked for; go on with the old"
    ):
        train(small(**network), images, run_dir=run_dir, **OPTIONS | {"steps": 9} | options)
    assert {p.name: p.read_bytes() for p in run_dir.iterdir()} == old


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a flipped bit": (lambda data: data[:-500] + bytes([data[-500] ^ 1]) + data[-499:], "is damaged"),
    "truncated": (lambda data: data[: len(data) // 2], "is damaged"),
    "empty": (lambda data: b"", "is an empty file"),
    "another version": (lambda data: data.replace(b" 3 ", b" 7 ", 1), "has checkpoint version 7"),
    "another program's": (lambda data: data[data.index(b"\n") + 1 :], "is not a checkpoint of tgan_lib"),
    "malice": (lambda data: sealed(pickle.dumps(os.getcwd)), "other than plain data"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_an_unreadable_checkpoint_stops_the_run_and_is_not_overwritten(
    digits: Images, run_dir: Path, kind: str
) -> None:
    path = run_dir / "checkpoint.pt"
    damage, words = DAMAGE[kind]
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    gan = small()
    before = {k: v.clone() for k, v in gan.generator.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"checkpoint\.pt {words}|checkpoint\.pt holds .*{words}"):
        train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 9})
    assert path.read_bytes() == damaged
    assert all(torch.equal(v, before[k]) for k, v in gan.generator.state_dict().items())


def test_weights_that_are_no_numbers_are_not_saved(digits: Images, run_dir: Path) -> None:
    """Losses are from before a step's update, so that those of the step that ruins G are still finite."""
    old = (run_dir / "checkpoint.pt").read_bytes()
    gan = small()
    ruin = gan.generator.get_parameter("net.0.weight").register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(
        FloatingPointError, match=r"^generator\.net\.0\.weight stopped being a finite number at step 4"
    ):
        train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    ruin.remove()
    assert (run_dir / "checkpoint.pt").read_bytes() == old
    again = small()
    train(again, digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    assert load_checkpoint(run_dir / "checkpoint.pt")["step"] == 4


def test_a_disk_that_fills_while_training_costs_only_the_steps_since_the_last_save(
    digits: Images, run_dir: Path
) -> None:
    old = (run_dir / "checkpoint.pt").read_bytes()
    with quota(len(old) // 2), pytest.raises(CheckpointError, match="the previous one is untouched"):
        train(small(), digits, run_dir=run_dir, **OPTIONS | {"steps": 5})
    assert (run_dir / "checkpoint.pt").read_bytes() == old
    train(small(), digits, run_dir=run_dir, **OPTIONS | {"steps": 5})
    assert load_checkpoint(run_dir / "checkpoint.pt")["step"] == 5


# What decides the result, beyond the settings


def test_other_pixels_of_as_many_images_are_refused(digits: Images, run_dir: Path) -> None:
    others = Images(digits.data.flip(0))
    with pytest.raises(CheckpointError, match=r"pixels='[0-9a-f]{16}', but pixels='[0-9a-f]{16}' was asked"):
        train(small(), others, run_dir=run_dir, **OPTIONS)


def test_a_nested_setting_is_named_by_its_place(digits: Images, tmp_path: Path) -> None:
    train(small(), digits, run_dir=tmp_path, terms=[LeCam(0.1)], **OPTIONS)
    with pytest.raises(CheckpointError, match=r"terms\[0\]\.decay=0.99, but terms\[0\]\.decay=0.9 was asked"):
        train(small(), digits, run_dir=tmp_path, terms=[LeCam(0.1, decay=0.9)], **OPTIONS)


def test_layers_frozen_by_hand_are_compared(digits: Images, run_dir: Path) -> None:
    gan = small()
    next(gan.discriminator.parameters()).requires_grad_(False)
    with pytest.raises(CheckpointError, match=r"with trained of D='.* tensors"):
        train(gan, digits, run_dir=run_dir, **OPTIONS)


def test_another_start_is_refused_and_a_gan_of_this_run_is_not(digits: Images, run_dir: Path) -> None:
    with pytest.raises(
        CheckpointError, match="began with other weights than this GAN has; build the GAN as it was"
    ):
        train(small(seed=1), digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    gan = small()
    train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    train(gan, digits, **OPTIONS)  # and further without a folder, so that it is nowhere that the run has been
    assert train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 5}).notes["steps"] == 5


def test_a_start_that_differs_by_rounding_is_the_same_start(digits: Images, run_dir: Path) -> None:
    gan = small()
    with torch.no_grad():
        for p in gan.generator.parameters():
            p.mul_(1 + 1e-7)
    assert train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 4}).notes["steps"] == 4


# What does not decide it


def on_a_gpu(state: dict[str, Any]) -> dict[str, Any]:
    """The state as a GPU leaves it: a generator's state has 16 bytes there, and Adam's step count is on it."""
    cuda = torch.zeros(16, dtype=torch.uint8)
    random = state["random"] | {"latents": cuda, "noise": [cuda], "cuda": [cuda, cuda]}
    groups = [
        o | {"param_groups": [g | {"capturable": True} for g in o["param_groups"]]}
        for o in state["optimisers"]
    ]
    return state | {"random": random, "optimisers": groups}


def test_a_run_goes_on_on_another_kind_of_device(
    digits: Images, run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_dir / "checkpoint.pt"
    save_checkpoint(path, on_a_gpu(load_checkpoint(path)))
    one, two = small(), small()
    copy = shutil.copytree(run_dir, run_dir.with_name("copy"))
    assert train(one, digits, run_dir=run_dir, **OPTIONS | {"steps": 5}).notes["steps"] == 5
    assert "another kind of device, so its random numbers are others" in capsys.readouterr().out
    train(two, digits, run_dir=copy, **OPTIONS | {"steps": 5})
    for name, module in one.modules().items():  # others, and the same others each time
        assert all(
            torch.equal(t, two.modules()[name].state_dict()[k]) for k, t in module.state_dict().items()
        )


def test_another_number_of_threads_and_other_periods_are_the_same_run(digits: Images, run_dir: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        options = OPTIONS | {
            "steps": 4,
            "save_every": 2,
            "log_every": 3,
            "metric": lambda gan: 1.0,
            "metric_every": 2,
        }
        assert train(small(), digits, run_dir=run_dir, **options).notes["steps"] == 4
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("number", [np.float64(3.5), np.float32(3.5), torch.tensor(3.5), 3])
def test_numbers_of_numpy_and_of_torch_are_plain_in_a_checkpoint(
    digits: Images, tmp_path: Path, number: Any
) -> None:
    options = OPTIONS | {
        "batch_size": np.int64(8),
        "learning_rate": np.linspace(1e-4, 2e-4, 2)[1],
        "seed": np.int32(0),
    }
    options |= {
        "metric": lambda gan: number,
        "metric_every": 1,
        "terms": [LeCam(np.float32(0.5), decay=np.float64(0.9))],
    }
    gan = GAN.build("dcgan", size=np.int64(28), latent_dim=np.int32(8), width=np.int64(4), device="cpu")
    train(gan, digits, run_dir=tmp_path, **options)
    assert train(gan, digits, run_dir=tmp_path, **options | {"steps": np.int64(4)}).last("distance") == float(
        number
    )
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert {type(v) for record in state["records"] for v in record.values()} <= {int, float}


# A checkpoint that does not fit


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: {"hello": torch.ones(3)}, "holds no training run: settings is missing"),
        (
            lambda state: {k: v for k, v in state.items() if k != "random"},
            "no training run: random is missing",
        ),
        (lambda state: state | {"optimisers": [{}, {}]}, "does not fit this one"),
        (lambda state: state | {"networks": {"generator": {}}}, "does not fit this one"),
        (lambda state: state | {"random": {}}, "does not fit this one"),
        (lambda state: state | {"sampler": {"n": 3}}, "does not fit this one"),
        (lambda state: state | {"start": {}}, "began with other weights"),
    ],
)
def test_a_whole_file_of_other_contents_is_one_sentence_and_changes_no_weight(
    digits: Images, run_dir: Path, change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    path, gan = run_dir / "checkpoint.pt", small()
    save_checkpoint(path, change(load_checkpoint(path)))
    before = {k: v.clone() for k, v in gan.generator.state_dict().items()}
    with pytest.raises(CheckpointError, match=words) as caught:
        train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    assert "\n" not in str(caught.value)
    assert all(torch.equal(v, before[k]) for k, v in gan.generator.state_dict().items())
