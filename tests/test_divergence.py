"""Numbers that are no longer numbers: wherever a run meets them it says so, with the step and a way that works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tgan_lib.data import Images
from tgan_lib.gan import GAN
from tgan_lib.training import divergence
from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint
from tgan_lib.training.divergence import NOTE, first_not_finite, spoilt
from tgan_lib.training.train import train

IMAGES = Images(
    torch.randint(0, 256, (32, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
)
OPTIONS: dict[str, Any] = {"batch_size": 8, "progress": False}


def small() -> GAN:
    return GAN.build("dcgan", size=16, latent_dim=4, width=4, device="cpu")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_the_first_weight_that_is_not_finite_is_named(dtype: torch.dtype, value: float) -> None:
    largest = torch.full((300,), torch.finfo(dtype).max, dtype=dtype)  # its norm is not finite; it is
    good = {"net.0.weight": largest, "count": torch.tensor(3), "none": torch.zeros(0, dtype=dtype)}
    assert first_not_finite({"generator": good, "discriminator": good}) is None
    for position in (0, 150, 299):
        bad = largest.clone()
        bad[position] = value
        networks = {
            "generator": good,
            "discriminator": good | {"net.2.bias": bad},
            "ema": {"net.0.weight": bad},
        }
        assert first_not_finite(networks) == "discriminator.net.2.bias"


def test_no_networks_are_finite() -> None:
    assert first_not_finite({}) is None
    assert first_not_finite({"generator": {}}) is None


def test_finite_weights_that_are_too_large_are_noticed_and_nothing_else_is_touched() -> None:
    gan = small()
    gan.generator.train()
    gan.discriminator.train()
    random = torch.get_rng_state()
    assert spoilt(gan, 0) is None
    for part, word in (("ema", "averaged generator's images"), ("discriminator", "discriminator's logits")):
        worse = small()
        with torch.no_grad():
            for weight in worse.modules()[part].parameters():
                weight.copy_(3e38 * weight.sign())
        assert word in str(spoilt(worse, 0))
    assert gan.generator.training
    assert gan.discriminator.training
    assert torch.equal(torch.get_rng_state(), random)


WHILE: dict[str, dict[str, Any]] = {
    "measuring": {"metric": lambda gan: float(gan.sample(4, seed=0).mean()), "metric_every": 1},
    "a metric that crashes": {
        "metric": lambda gan: 1 / int(torch.isfinite(gan.sample(4)).all()),
        "metric_every": 1,
    },
    "drawing": {"samples_every": 1},
    "logging": {"log_every": 1},
    "nothing": {"log_every": None},
}


@pytest.mark.parametrize("rates", [(1e20, 1e-4), (1e-4, 1e20), (1e38, 1e38)])
@pytest.mark.parametrize("doing", WHILE)
def test_the_step_that_spoilt_it_is_named_whatever_looks_first(
    doing: str, rates: tuple[float, float]
) -> None:
    with pytest.raises(
        FloatingPointError, match=r"stopped being a finite number at step [12]; a lower learning rate"
    ):
        train(small(), IMAGES, steps=3, learning_rate=rates, **OPTIONS | WHILE[doing])


def test_a_last_update_that_spoils_the_gan_is_noticed_without_anything_to_look() -> None:
    with pytest.raises(
        FloatingPointError, match=r"at step 1; .* with a GAN built anew, since this one is spoilt"
    ):
        train(small(), IMAGES, steps=1, learning_rate=1e20, **OPTIONS)


@pytest.mark.parametrize(
    ("answer", "kind", "sentence"),
    [
        (float("nan"), ValueError, "gave nan at step 1, of a GAN whose weights and images are finite"),
        (float("inf"), ValueError, "gave inf at step 1"),
        (None, TypeError, "gave None at step 1; one number is right"),
        ("low", TypeError, "gave 'low'"),
        (True, TypeError, "gave True"),
        (torch.zeros(2), TypeError, r"gave float32 of shape \(2,\)"),
    ],
)
def test_a_metric_that_gives_no_number_is_named(answer: Any, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=sentence):
        train(small(), IMAGES, steps=2, metric=lambda gan: answer, metric_every=1, **OPTIONS)


@pytest.mark.parametrize("answer", [torch.tensor(2.5), torch.tensor(2.5).double().numpy()[()], 2.5])
def test_a_measurement_is_kept_as_a_plain_number(answer: Any, tmp_path: Path) -> None:
    for steps in (1, 2):
        history = train(small(), IMAGES, steps=steps, metric=lambda gan: answer, run_dir=tmp_path, **OPTIONS)
    assert [type(d) for d in history["distance"]] == [float, float]


# Going on after it


def diverge(folder: Path, **options: Any) -> FloatingPointError:
    """A good run of 4 steps in `folder` and then one that diverges at the fifth or sixth."""
    train(small(), IMAGES, steps=4, run_dir=folder, **OPTIONS | options)
    gan = small()
    hook = gan.generator.net[0].weight.register_hook(lambda slope: slope * float("inf"))  # type: ignore[operator, union-attr]
    try:
        with pytest.raises(FloatingPointError) as caught:
            train(gan, IMAGES, steps=9, run_dir=folder, log_every=1, **OPTIONS | options)
    finally:
        hook.remove()
    return caught.value


def test_the_advice_can_be_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = str(diverge(tmp_path))
    assert "a lower learning rate (it is 0.0002) is the first thing to try" in said
    assert f"goes on from the last good checkpoint, of step 4, in {tmp_path}" in said
    assert json.loads((tmp_path / NOTE).read_text())["step"] in (5, 6)
    with pytest.raises(CheckpointError, match="learning_rate"):  # a higher one is no remedy
        train(small(), IMAGES, steps=9, learning_rate=1e-3, run_dir=tmp_path, **OPTIONS)
    with pytest.raises(CheckpointError, match="batch_size"):  # nor is anything else
        train(small(), IMAGES, steps=9, learning_rate=1e-4, run_dir=tmp_path, **OPTIONS | {"batch_size": 4})
    gan = small()
    capsys.readouterr()
    history = train(gan, IMAGES, steps=6, learning_rate=(1e-4, 2e-4), run_dir=tmp_path, **OPTIONS)
    change = "with learning_rates [0.0001, 0.0002] (it was [0.0002, 0.0002]), since it had diverged"
    assert f"Going on from step 4 of the run in {tmp_path}, {change}.\n" in capsys.readouterr().out
    assert history.notes["changes"] == [f"from step 4 on {change}"]
    assert not (tmp_path / NOTE).exists()
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert [one["param_groups"][0]["lr"] for one in state["optimisers"]] == [1e-4, 2e-4]
    # from here on it is a run like any other, that remembers
    again = train(small(), IMAGES, steps=7, learning_rate=(1e-4, 2e-4), run_dir=tmp_path, **OPTIONS)
    assert again.notes["changes"] == history.notes["changes"]
    with pytest.raises(CheckpointError, match="learning_rate"):
        train(small(), IMAGES, steps=9, learning_rate=1e-5, run_dir=tmp_path, **OPTIONS)


def test_a_run_that_did_not_diverge_keeps_its_learning_rate(tmp_path: Path) -> None:
    train(small(), IMAGES, steps=2, run_dir=tmp_path, **OPTIONS)
    with pytest.raises(CheckpointError, match="learning_rate"):
        train(small(), IMAGES, steps=4, learning_rate=1e-5, run_dir=tmp_path, **OPTIONS)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_after_fp16_another_precision_is_a_remedy_too(tmp_path: Path, precision: str) -> None:
    train(small(), IMAGES, steps=4, run_dir=tmp_path, precision="fp16", **OPTIONS)
    divergence.remember(tmp_path, 5)
    history = train(small(), IMAGES, steps=6, run_dir=tmp_path, precision=precision, **OPTIONS)
    assert "precision" in history.notes["changes"][0]
    assert history.notes["precision"] == precision


def test_nothing_saved_yet_is_said(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="with a GAN built anew, since nothing had been saved in"):
        train(small(), IMAGES, steps=9, learning_rate=1e20, run_dir=tmp_path, **OPTIONS)
    assert not (tmp_path / NOTE).exists()
    train(small(), IMAGES, steps=2, run_dir=tmp_path, **OPTIONS)  # and so it begins
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 2


def test_a_spoilt_gan_is_never_saved(tmp_path: Path) -> None:
    train(small(), IMAGES, steps=2, run_dir=tmp_path, **OPTIONS)
    kept = (tmp_path / "checkpoint.pt").read_bytes()
    gan = small()
    hook = gan.discriminator.net[0].weight.register_hook(lambda slope: slope * float("nan"))  # type: ignore[operator, union-attr]
    with pytest.raises(FloatingPointError, match="at step 3"):
        train(gan, IMAGES, steps=9, save_every=1, log_every=None, run_dir=tmp_path, **OPTIONS)
    hook.remove()
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept
