"""The benchmark measures what it says: three loops that take one step, ratios of neighbours, tables that add up."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from extensions import extension
from torch import Tensor

from tgan_lib.bench import __main__ as command
from tgan_lib.bench import costs, loops, steps
from tgan_lib.data import Images, load
from tgan_lib.gan import GAN


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=64, device="cpu")


def small() -> GAN:
    return GAN.build("mlp", size=28, latent_dim=8, width=8, device="cpu")


def weights(gan: GAN) -> Tensor:
    parts = [
        p.detach().reshape(-1) for n in ("generator", "discriminator") for p in getattr(gan, n).parameters()
    ]
    # D's last bias does nothing under a relativistic loss: its gradient is rounding, of which Adam makes whole steps
    return torch.cat(parts[:-1]).clone()


@pytest.mark.parametrize("loss", steps.LOSSES)
@pytest.mark.parametrize("r1", steps.R1)
def test_the_three_loops_take_the_same_step(digits: Images, loss: str, r1: float) -> None:
    """On one batch of all images, whose order does not matter to a loss that is a mean, and with equal latents."""
    after = {}
    for name in ("classic", "ours", "hand"):
        gan = small()
        torch.manual_seed(0)
        z = torch.randn(64, 8)
        same = lambda *shape, **_: z.view(shape[0] if isinstance(shape[0], torch.Size | tuple) else shape)  # noqa: B023, E731
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "randn", same)
            patch.setattr(torch, "randperm", lambda n, **_: torch.arange(n))
            loop = {
                "classic": lambda g=gan: loops.classic_loop(
                    g, iter([digits.batch(range(64))] * 3), 64, loss, r1
                ),
                "ours": lambda g=gan: loops.our_loop(g, digits, 64, loss, r1),
                "hand": lambda g=gan: loops.hand_loop(g, digits, 64, loss, r1),
            }[name]()
            for _ in islice(loop, 2):
                pass
        after[name] = weights(gan)
        assert (after[name] - weights(small())).abs().max() > 1e-4
    torch.testing.assert_close(after["ours"], after["hand"], rtol=1e-4, atol=1e-6)
    # the classic loop draws fresh fakes for G, which here are the same latents through the same G
    torch.testing.assert_close(after["classic"], after["hand"], rtol=1e-4, atol=1e-6)


def test_batches_of_the_classic_loop_are_the_images(digits: Images) -> None:
    batch = next(loops.pil_batches(digits, 64, workers=0))
    ours = digits.batch(range(64))
    assert batch.shape == ours.shape
    torch.testing.assert_close(batch.flatten(1).sum(1).sort().values, ours.flatten(1).sum(1).sort().values)
    on_device = next(loops.device_batches(digits, 32))
    assert on_device.shape == (32, 1, 28, 28)


def test_ratios_are_of_rounds_that_stood_side_by_side(
    digits: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {"classic": [3.0, 8.0], "tgan_lib": [1.0, 2.0], "by hand": [0.9, 2.0]}
    rounds = {name: iter([0.0, 1.0, *times]) for name, times in taken.items()}  # two warm-ups come first
    monkeypatch.setattr(steps, "loops_of", lambda *_: {name: name for name in taken})
    monkeypatch.setattr(steps, "clock", lambda loop, n, device: next(rounds[loop]))
    row = steps.compare("mlp", digits, 8, "hinge", 0.0, rounds=2)
    assert row["over_classic"]["tgan_lib"] == {"median": 3.5, "low": 3.0, "high": 4.0}
    assert row["over_by_hand"]["median"] == pytest.approx(0.95)
    assert row["images_per_second"]["tgan_lib"] == round(8 / 1.5)


def test_operations_of_an_mlp_step_are_the_closed_form() -> None:
    cost = costs.step_cost("mlp", 28, 1, 16, width=8, steps=1)
    g = 64 * 8 + 8 * 16 + 16 * 32 + 32 * 784
    d = 784 * 16 + 16 * 8 + 8
    # D's step: both batches forward, then weights, then all inputs but the first layer's; G's: D forward and back
    # to the pixels, G forward once and back, without a gradient for z
    d_step = 2 * (3 * d - 784 * 16)
    g_step = 2 * d + 3 * g - 64 * 8
    assert cost["gigaflop"] == round(2 * 16 * (d_step + g_step) / 1e9, 2)
    assert cost["share_of_matmul"] > 0


@pytest.mark.slow
def test_memory_is_what_a_step_adds_whatever_its_parent_holds() -> None:
    held = torch.zeros(60_000_000)  # 240 MB in this process must not hide what the measured one needs
    small_net, large_net = (costs.peak_mebibytes("mlp", 28, 1, n) for n in (16, 1000))
    assert held.sum() == 0
    assert 1 < small_net < large_net


def test_the_page_shows_what_was_stored() -> None:
    one = {"median": 2.0, "low": 1.0, "high": 3.0}
    row = {
        "network": "dcgan",
        "size": 28,
        "batch_size": 64,
        "loss": "non_saturating",
        "r1": 0.1,
        "milliseconds": {"classic": [4.0, 2.0, 3.0], "tgan_lib": [1.0]},
        "over_classic": {"tgan_lib": one},
        "over_by_hand": one,
    }
    head, body = extension("bench").steps_table([row])
    assert len(head) == len(body[0])
    assert body[0][:4] == ["dcgan-28", "64", "non-saturating + R1", "3.0"]
    part = {
        "level": 30,
        "seeds": {"0": {"classic": [[100, 50.0, 90.0]], "tgan_lib": [[2000, 10.0, 29.0]], "ratio": 5.0}},
    }
    head, body = extension("bench").quality_table(part)
    assert body == [["0", "not in 50 s (at 90.0)", "100", "10 s", "2 000", "over 5.0"]]
    assert len(head) == len(body[0])


def test_parts_of_another_machine_are_not_kept() -> None:
    here = {"device": "CPU", "threads": 2, "versions": {"torch": "2.9"}, "date": "today"}
    stored = here | {"date": "before", "steps": [1]}
    assert command.kept(stored, here) == stored
    for key, other in {"device": "GPU", "threads": 4, "versions": {"torch": "2.8"}}.items():
        assert command.kept(stored | {key: other}, here) == {}
