"""How ADA's strength follows what D knows by heart, and whether G leaks what it was shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from augmentations import noise, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tgan_lib.augment import ADA, DiffAugment, leaks
from tgan_lib.data import load

# --- ADA's controller ---


def test_r_is_the_mean_sign() -> None:
    ada = ADA(every=1)
    ada.observe(torch.tensor([3.0, 1e-3, -2.0, 0.0]))
    ada.observe(torch.tensor([[0.1, 5.0]], dtype=torch.bfloat16))
    ada.adjust(4)
    assert ada.last_r.item() == pytest.approx((2 - 1 + 2) / 6, rel=1e-6)
    assert ada.readings() == {"ada_p": 0.0, "ada_r": ada.last_r.item()}


@given(
    seed=st.integers(0, 10**6),
    every=st.integers(1, 6),
    batch_size=st.integers(1, 64),
    images_to_one=st.sampled_from([500.0, 2000.0, 100_000.0]),
    target=st.sampled_from([-0.31, 0.0, 0.6]),
    p=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=25, deadline=None)
def test_p_follows_its_recurrence(
    seed: int, every: int, batch_size: int, images_to_one: float, target: float, p: float
) -> None:
    ada = ADA("blit", target=target, images_to_one=images_to_one, every=every, p=p)
    assert ada.p.item() == p
    rng, seen, expected = np.random.default_rng(seed), [], np.float64(p)
    for step in range(1, 50):
        logits = rng.normal(rng.normal() * 2, 1, batch_size)
        ada.observe(torch.tensor(logits, dtype=torch.float32))
        seen.append(np.sign(logits))
        if step % ada.every == 0:
            ada.adjust(batch_size)
            r = np.mean(seen)
            expected = np.clip(expected + np.sign(r - target) * batch_size * every / images_to_one, 0, 1)
            seen = []
            assert ada.last_r.item() == pytest.approx(r, abs=1e-6)
            assert ada.p.item() == pytest.approx(expected, abs=1e-5)


def test_p_goes_from_zero_to_one_in_the_images_it_is_given() -> None:
    ada = ADA(images_to_one=6400)
    for step in range(1, 101):  # 100 steps of 64 images
        ada.observe(torch.ones(64))
        if step % ada.every == 0:
            assert ada.p < 1
            ada.adjust(64)
    assert ada.p.item() == pytest.approx(1, abs=1e-5)


def test_p_stays_without_a_rate_or_an_observation() -> None:
    fixed, waiting = ADA(p=0.25, images_to_one=None), ADA(p=0.25, images_to_one=10)
    fixed.observe(torch.ones(4))
    for ada in (fixed, waiting):
        ada.adjust(4)
        assert ada.p.item() == 0.25
    assert fixed.last_r.item() == 1
    assert waiting.last_r.item() == 0


def run(ada: ADA, steps: range) -> Tensor:
    out = torch.zeros(())
    for step in steps:
        rng = seeded(step)
        out = ada(noise(8, 1, 16, 16), rng)
        ada.observe(torch.randn(8, generator=rng) + (1 if step < 30 else -1))
        if (step + 1) % ada.every == 0:
            ada.adjust(8)
    return out


def test_a_state_taken_up_again_goes_on_exactly() -> None:
    whole, first, second = (ADA(images_to_one=200) for _ in range(3))
    expected = run(whole, range(50))
    run(first, range(22))  # in the middle of a period
    saved = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    assert saved["count"] == 16
    tensors = list(second.state_dict().values())
    second.load_state_dict(saved)
    assert all(a is b for a, b in zip(tensors, second.state_dict().values(), strict=True))  # in place
    assert torch.equal(run(second, range(22, 50)), expected)
    assert 0 < second.p < 1
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_state_moves_to_a_device() -> None:
    ada = ADA(p=0.5)
    assert ada.to("meta") is ada
    assert {tensor.device.type for tensor in ada.state_dict().values()} == {"meta"}
    assert DiffAugment().to("cpu").state_dict() == {}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"p": 1.5}, r"p \(a probability\) is 1\.5; a number from 0 to 1 is right"),
        ({"target": 1.0}, r"target is 1\.0; a number between -1 and 1"),
        ({"images_to_one": 0}, "images_to_one is 0; a number above 0 is right"),
        (
            {"every": 0},
            r"every \(steps between two adjustments\) is 0; a whole number \(int\) from 1 is right",
        ),
        ({"every": None}, r"every .* is None"),
        ({"every": 2.5}, r"every .* is 2\.5"),
        ({"target": float("nan")}, "target is nan"),
        ({"target": -1}, "target is -1"),
        ({"p": "half"}, r"p .* is 'half'"),
        ({"images_to_one": float("nan")}, "images_to_one is nan"),
    ],
)
def test_wrong_numbers_are_refused(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ADA(**wrong)  # type: ignore[arg-type]


def test_numbers_of_numpy_become_plain() -> None:
    """Or a checkpoint that holds them could not be loaded."""
    ada = ADA(p=np.float64(0.5), target=torch.tensor(0.25), images_to_one=np.int64(9), every=np.int32(2))
    plain = {
        "name": "ada",
        "policy": "blit,geom,color",
        "p": 0.5,
        "target": 0.25,
        "images_to_one": 9.0,
        "every": 2,
    }
    assert ada.settings() == plain
    assert {type(value) for value in ada.settings().values()} == {str, float, int}


# --- leaks ---


def test_leaks_is_the_share_of_a_mixture() -> None:
    digits = load("glyphs:digits", size=28, limit=64, device="cpu")
    real = digits.batch(torch.arange(60))
    for transform in (lambda x: -x, lambda x: x.flip(3), lambda x: torch.rot90(x, 1, (2, 3))):
        mixture = torch.cat([real] * 7 + [transform(real)] * 3)
        assert leaks(mixture, real, transform) == pytest.approx(0.3, abs=1e-6)
        assert leaks(real, real, transform) == pytest.approx(0, abs=1e-9)
    assert leaks(-real[:40], real[20:], lambda x: -x) == pytest.approx(1, abs=0.1)  # other digits, all leaked
    assert leaks(real[:40], real[20:], lambda x: -x) == pytest.approx(0, abs=0.1)


def test_leaks_refuses_what_does_not_show() -> None:
    both_ways = noise(4, 1, 8, 8)
    real = torch.cat([both_ways, both_ways.flip(3)])
    with pytest.raises(ValueError, match="does not change the mean"):
        leaks(real, real, lambda x: x.flip(3))
    with pytest.raises(ValueError, match=r"samples are .*\(4, 1, 8, 8\) and real images .*\(2, 3, 8, 8\)"):
        leaks(both_ways, noise(2, 3, 8, 8), lambda x: -x)
    with pytest.raises(ValueError, match="real holds NaN or infinity"):
        leaks(both_ways, torch.full((2, 1, 8, 8), torch.nan), lambda x: -x)
    with pytest.raises(TypeError, match="samples is None; a float tensor"):
        leaks(None, real, lambda x: -x)  # type: ignore[arg-type]
