"""Scores of portraits, directions found with them, and what these move: against closed forms, and on what ships."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from tgan_lib import data, latent, zoo
from tgan_lib.gan import GAN, GANConfig
from tgan_lib.latent.portraits import SCORES, cuts, log_odds

SLOPES = torch.tensor([[1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 3.0, 0.0]])
OFFSETS = torch.tensor([-1.0, 0.0, 2.0])


class Plane(nn.Module):
    """A generator that is linear: the pixels are a tenth of z (N, 4), one below the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 4)  # gives it a device, and is not used

    def forward(self, z: Tensor) -> Tensor:
        return z[:, None, :, None] / 10


def linear_judge(images: Tensor) -> dict[str, Tensor]:
    scores = 10 * images[:, 0, :, 0] @ SLOPES.T + OFFSETS
    return dict(zip(("first", "second", "third"), scores.T, strict=True))


@pytest.fixture
def plane() -> GAN:
    return GAN(Plane(), nn.Flatten(), GANConfig("plane", 4, 1, 4, 1))


def normal_share(mean: float, spread: float) -> float:
    """How much of a normal distribution lies above 0."""
    return 0.5 * (1 + math.erf(mean / spread / math.sqrt(2)))


@pytest.mark.parametrize("separate", [True, False])
def test_a_linear_judges_directions_move_the_shares_that_algebra_says(plane: GAN, separate: bool) -> None:
    found = latent.attribute_directions(plane, 500, separate=separate, measure=linear_judge)
    expected = torch.linalg.pinv(SLOPES).T if separate else SLOPES
    for direction, known in zip(found.values(), expected, strict=True):
        torch.testing.assert_close(direction, known / known.norm(), atol=1e-5, rtol=0)
    moved = latent.effects(plane, found, linear_judge, reach=2, n=20_000)
    assert list(moved) == ["first", "second", "third"]
    for name, direction in found.items():
        for other, slope, offset in zip(moved[name], SLOPES, OFFSETS, strict=True):
            step = 2 * float(slope @ direction)
            shares = [normal_share(float(offset) + side * step, float(slope.norm())) for side in (-1, 1)]
            assert moved[name][other] == pytest.approx(shares, abs=0.015)


def test_log_odds_are_those_of_the_probabilities() -> None:
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
    inside = torch.tensor([True, False, True, False, False])
    p = logits.softmax(1)[:, inside].sum(1)
    torch.testing.assert_close(log_odds(logits, inside), (p / (1 - p)).log())
    assert cuts("abc") == [("b", "c"), ("c",)]


@pytest.fixture(scope="module")
def peeps() -> data.Images:
    return data.load("portraits:peeps", split="test", limit=600)


def test_scores_of_real_portraits_say_what_is_there(peeps: data.Images) -> None:
    scores = latent.portrait_scores(peeps)
    assert list(scores) == list(SCORES)
    assert peeps.attributes is not None
    for name, (attribute, sets) in SCORES.items():
        assert scores[name].abs().max() <= 8
        if len(sets) == 1:
            there = peeps.attributes.having(attribute, sets[0])
            assert 0.05 < there.float().mean() < 0.95
            assert ((scores[name] > 0) == there).float().mean() > 0.93, name
    for name in ("light skin", "warm background"):  # a scale: the mean score rises from each word to the next
        attribute, sets = SCORES[name]
        above = sum(peeps.attributes.having(attribute, chosen).int() for chosen in sets)
        means = [float(scores[name][above == i].mean()) for i in range(len(sets) + 1)]
        assert all(b - a > 1 for a, b in pairwise(means)), means


@pytest.mark.skipif("peeps-64" not in zoo.names(), reason="peeps-64 is not shipped yet")
def test_the_shipped_portraits_directions_move_what_they_are_named_after() -> None:
    gan = zoo.load("peeps-64", device="cpu")
    assert list(gan.directions) == [name for name in SCORES if name != "warm clothes"]
    moved = latent.effects(gan, gan.directions, latent.portrait_scores, n=100)
    for name, row in moved.items():
        steps = {other: high - low for other, (low, high) in row.items()}
        assert steps[name] > 0.6, (name, steps)
        assert max(abs(step) for other, step in steps.items() if other != name) < 0.35, (name, steps)


def test_wrong_directions_are_answered_in_one_sentence(plane: GAN) -> None:
    for directions, said in [
        ({"up": torch.zeros(3)}, r"direction 'up' is .* \(3,\)"),
        ({"up": torch.full((4,), math.nan)}, "direction 'up'"),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            latent.effects(plane, directions, linear_judge)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="reach is 0"):
        latent.effects(plane, {"up": torch.ones(4)}, linear_judge, reach=0)
    with pytest.raises(TypeError, match="measure is 3"):
        latent.effects(plane, {"up": torch.ones(4)}, 3)  # type: ignore[arg-type]
