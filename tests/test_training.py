"""The loop: what it computes, that it resumes exactly, that it stops cleanly, what it refuses."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tgan_lib.augment import ADA
from tgan_lib.data import Images, load, to_uint8
from tgan_lib.gan import GAN
from tgan_lib.losses import LOSSES
from tgan_lib.penalties import LeCam
from tgan_lib.training.checkpoint import load_checkpoint
from tgan_lib.training.ema import ema_decay, update_ema
from tgan_lib.training.history import History
from tgan_lib.training.settings import Settings, pick_precision
from tgan_lib.training.step import Run
from tgan_lib.training.train import train

SETTINGS = Settings(batch_size=8, ema_half_life=100.0)


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=64, device="cpu")


def small(network: str = "dcgan", seed: int = 0) -> GAN:
    return GAN.build(network, size=28, latent_dim=8, width=8, seed=seed, device="cpu")


def weights(gan: GAN) -> dict[str, torch.Tensor]:
    return {f"{part}.{k}": v.clone() for part, m in gan.modules().items() for k, v in m.state_dict().items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_step_equals_the_same_step_written_out_plainly(digits: Images, loss: str) -> None:
    ours, plain = small(), small()
    run = Run(ours, digits, replace(SETTINGS, loss=loss))
    twin = Run(plain, digits, replace(SETTINGS, loss=loss))  # its sampler and random numbers only
    g, d = plain.generator, plain.discriminator
    g_optimiser = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999))
    d_optimiser = torch.optim.Adam(d.parameters(), 2e-4, (0.5, 0.999))
    for _ in range(3):
        run.one_step()
        x = digits.batch(twin.sampler.next())
        z = torch.randn(8, 8, generator=twin.rng)
        fake = g(z)
        d_loss = LOSSES[loss].discriminator(d(x), d(fake.detach()))
        d_optimiser.zero_grad()
        d_loss.backward()
        d_optimiser.step()
        g_optimiser.zero_grad()
        # computes D's gradients too, and never uses them
        LOSSES[loss].generator(d(fake), d(x)).backward()
        g_optimiser.step()
    for name in ("generator", "discriminator"):
        ours_state, plain_state = getattr(ours, name).state_dict(), getattr(plain, name).state_dict()
        for key, value in ours_state.items():
            torch.testing.assert_close(value, plain_state[key], rtol=1e-4, atol=1e-6)


def test_generator_step_leaves_no_gradient_on_the_discriminator(digits: Images) -> None:
    run = Run(small(), digits, SETTINGS)
    seen: list[torch.Tensor] = []
    run.d_optimiser.register_step_post_hook(
        lambda *_: seen.extend(
            p.grad.clone() for p in run.gan.discriminator.parameters() if p.grad is not None
        )
    )
    run.one_step()
    after = [p.grad for p in run.gan.discriminator.parameters()]
    assert seen
    assert all(a is not None and torch.equal(a, b) for a, b in zip(after, seen, strict=True))


def test_ema_is_the_closed_form_and_copies_buffers() -> None:
    old, new = small(seed=1).generator, small(seed=2).generator
    new.get_buffer("net.2.running_mean").fill_(3.0)
    expected = [0.9 * a + 0.1 * b for a, b in zip(old.parameters(), new.parameters(), strict=True)]
    update_ema(old, new, 0.9)
    for got, want in zip(old.parameters(), expected, strict=True):
        torch.testing.assert_close(got, want)
    assert torch.equal(old.get_buffer("net.2.running_mean"), new.get_buffer("net.2.running_mean"))


def test_ema_half_life_is_in_images() -> None:
    share, images = 1.0, 0
    for _ in range(100):
        share *= ema_decay(1000, 10**9, 10)
        images += 10
    assert images == 1000
    assert share == pytest.approx(0.5, rel=1e-9)
    assert ema_decay(1000, 0, 10) == 0.0


def test_resume_equals_the_uninterrupted_run_bit_for_bit(digits: Images, tmp_path: Path) -> None:
    whole, parts = small(), small()
    options = {"batch_size": 8, "log_every": 1, "progress": False, "metric": lambda g: 1.0, "metric_every": 5}
    one = train(whole, digits, steps=20, **options)
    train(parts, digits, steps=7, run_dir=tmp_path, **options)
    again = small()
    two = train(again, digits, steps=20, run_dir=tmp_path, **options)
    assert_same(weights(whole), weights(again))
    drop = {"seconds"}
    strip = [{k: v for k, v in r.items() if k not in drop} for r in one.records]
    # the interrupted run also measured where it stopped
    resumed = [{k: v for k, v in r.items() if k not in drop} for r in two.records]
    resumed[6].pop("distance")
    assert strip == resumed
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 21))
    assert History.read(tmp_path / "history.jsonl").records == two.records


def test_resume_says_so_and_a_changed_setting_is_refused(
    digits: Images, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(small(), digits, steps=2, batch_size=8, run_dir=tmp_path, progress=False)
    train(small(), digits, steps=3, batch_size=8, run_dir=tmp_path, progress=False)
    assert "Going on from step 2" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match=r"batch_size=8, but batch_size=4 was asked for"):
        train(small(), digits, steps=3, batch_size=4, run_dir=tmp_path, progress=False)
    with pytest.raises(RuntimeError, match=r"network='dcgan', but network='mlp'"):
        train(small("mlp"), digits, steps=3, batch_size=8, run_dir=tmp_path, progress=False)


def test_interrupt_finishes_the_step_and_saves(
    digits: Images, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(gan: GAN) -> float:
        signal.raise_signal(signal.SIGINT)
        return 1.0

    options = {"batch_size": 8, "progress": False, "log_every": 1}
    stopped = train(small(), digits, steps=30, metric=interrupt, metric_every=4, run_dir=tmp_path, **options)
    assert "Stopped after step 4; it is saved in" in capsys.readouterr().out
    assert stopped.notes["steps"] == load_checkpoint(tmp_path / "checkpoint.pt")["step"] == 4
    resumed, whole = small(), small()
    train(resumed, digits, steps=12, run_dir=tmp_path, **options)
    assert "Going on from step 4" in capsys.readouterr().out
    train(whole, digits, steps=12, **options)
    assert_same(weights(whole), weights(resumed))


def test_training_runs_outside_the_main_thread(digits: Images) -> None:
    found: list[History] = []
    thread = threading.Thread(
        target=lambda: found.append(train(small(), digits, steps=2, batch_size=8, progress=False))
    )
    thread.start()
    thread.join()
    assert found[0].notes["steps"] == 2


def test_time_limit_stops_training_and_does_not_count_measuring(digits: Images) -> None:
    slow = threading.Event()
    history = train(
        small(),
        digits,
        steps=10**6,
        seconds=0.4,
        batch_size=8,
        metric=lambda g: float(slow.wait(1.0)),  # counted, it would take the run beyond the bound below
        metric_every=40,
        progress=False,
    )
    assert 0.4 <= history.last("seconds") < 0.9
    assert history.last("seconds") == history.records[-1]["seconds"]
    assert len(history["distance"]) >= 1


def test_a_loss_that_is_no_number_stops_with_where_it_began(digits: Images, tmp_path: Path) -> None:
    gan = small()
    train(gan, digits, steps=2, batch_size=8, run_dir=tmp_path, save_every=1, log_every=1, progress=False)
    good = (tmp_path / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        poisoned = torch.full_like(next(gan.discriminator.parameters()), float("nan"))
    hook = nn.modules.module.register_module_forward_pre_hook(
        lambda m, i: (i[0] + poisoned.sum(),) if m is gan.discriminator else None
    )
    try:
        with pytest.raises(FloatingPointError, match=r"d_loss and g_loss.* at step 3"):
            train(
                gan,
                digits,
                steps=9,
                batch_size=8,
                run_dir=tmp_path,
                save_every=1,
                log_every=1,
                progress=False,
            )
    finally:
        hook.remove()
    assert (tmp_path / "checkpoint.pt").read_bytes() == good


def test_sample_grids_are_of_the_same_latents(digits: Images) -> None:
    gan = small()
    history = train(gan, digits, steps=6, batch_size=8, samples_every=3, progress=False, seed=3)
    assert sorted(history.grids) == [3, 6]
    assert history.grids[6].dtype == torch.uint8
    assert torch.equal(history.grids[6], to_uint8(gan.sample(64, seed=3)))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_trains_to_finite_weights(digits: Images, precision: str) -> None:
    gan = small()
    train(gan, digits, steps=4, batch_size=8, precision=precision, progress=False)
    assert all(torch.isfinite(w).all() for w in weights(gan).values())


def test_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_precision("auto", torch.device("cpu")) == "fp32"
    for ampere, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, a=ampere: a)
        assert pick_precision("auto", torch.device("cuda")) == expected


def test_plain_errors(digits: Images) -> None:
    with pytest.raises(ValueError, match=r"no loss named 'non_saturated' \(did you mean 'non_saturating'"):
        train(small(), digits, loss="non_saturated")
    with pytest.raises(ValueError, match="1 channels and 28 px, the GAN makes 1 channels and 32 px"):
        train(GAN.build("dcgan", size=32, width=8, device="cpu"), digits)
    with pytest.raises(ValueError, match="no precision named 'fp8'"):
        train(small(), digits, precision="fp8")


@pytest.mark.parametrize(
    ("room", "advice"), [(2, "batch_size=2 fits"), (0, "not even one image at a time fits")]
)
def test_too_little_memory_names_a_batch_that_fits(
    digits: Images, monkeypatch: pytest.MonkeyPatch, room: int, advice: str
) -> None:
    update = Run.update

    def cramped(run: Run, indices: torch.Tensor, z: torch.Tensor, with_penalty: bool) -> torch.Tensor:
        if indices.shape[1] > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return update(run, indices, z, with_penalty)

    monkeypatch.setattr(Run, "update", cramped)
    gan = small()
    before = weights(gan)
    with pytest.raises(MemoryError, match=f"too little memory for batch_size=8; {advice}"):
        train(gan, digits, steps=3, batch_size=8, augment=ADA("blit"), terms=[LeCam(0.1)], progress=False)
    assert_same(weights(gan), before)


def test_a_target_stops_training_where_it_is_reached(digits: Images, tmp_path: Path) -> None:
    distances = iter([9.0, 5.0, 4.0, 3.0])
    history = train(
        small(),
        digits,
        steps=40,
        batch_size=8,
        metric=lambda g: next(distances),
        metric_every=5,
        target=4.5,
        run_dir=tmp_path,
        progress=False,
    )
    assert history["distance"] == [9.0, 5.0, 4.0]
    assert load_checkpoint(tmp_path / "checkpoint.pt")["step"] == history.notes["steps"] == 15
    with pytest.raises(ValueError, match=r"target is 4\.5 and nothing is measured"):
        train(small(), digits, target=4.5)


def test_rates_fall_in_a_line_from_one_step_to_another() -> None:
    settings = Settings(learning_rates=(2e-3, 1e-3), rate_decay=(2, 6))
    shares = [settings.rates_at(step)[0] / 2e-3 for step in range(8)]
    assert shares == pytest.approx([1, 1, 1, 0.75, 0.5, 0.25, 0, 0])
    assert settings.rates_at(3)[1] == pytest.approx(0.75e-3)
    assert Settings(learning_rates=(2e-3, 1e-3)).rates_at(10**9) == (2e-3, 1e-3)


def test_a_run_whose_rates_fall_equals_adam_with_these_rates_and_resumes_exactly(
    digits: Images, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, learning_rates=(2e-3, 1e-3), rate_decay=(1, 4))
    ours, plain = small(), small()
    run, twin = Run(ours, digits, settings), Run(plain, digits, replace(settings, rate_decay=None))
    for step in range(4):
        run.one_step()
        twin.settings = replace(twin.settings, learning_rates=settings.rates_at(step))
        twin.one_step()
    assert_same(weights(ours), weights(plain))
    before = weights(ours)
    run.one_step()  # the rates are 0 from here on: weights stand still
    moved = [name for name, value in weights(ours).items() if not torch.equal(value, before[name])]
    assert all("running" in name or "num_batches" in name or name.startswith("ema") for name in moved)

    options = {"batch_size": 8, "learning_rate": (2e-3, 1e-3), "rate_decay": (1, 5), "progress": False}
    whole, part = small(), small()
    train(whole, digits, steps=4, **options)
    train(part, digits, steps=2, run_dir=tmp_path, **options)
    again = small()
    train(again, digits, steps=4, run_dir=tmp_path, **options)
    assert_same(weights(whole), weights(again))


def test_a_history_says_what_was_measured(digits: Images) -> None:
    history = train(small(), digits, steps=2, batch_size=8, log_every=1, progress=False)
    assert "d_loss" in history
    assert "distance" not in history
    assert list(history)[:3] == ["step", "images", "seconds"]
