"""Every loss against its closed form, in value and gradient, over the whole range of logits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tgan_lib.losses import LOSSES


def sigmoid64(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softplus64(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


GENERATOR_VALUE = {"minimax": lambda x: -softplus64(x), "non_saturating": lambda x: softplus64(-x)}
GENERATOR_SLOPE = {"minimax": lambda x: -sigmoid64(x), "non_saturating": lambda x: -sigmoid64(-x)}


def value_and_slope(loss: str, logits: Tensor) -> tuple[float, Tensor]:
    logits = logits.clone().requires_grad_()
    value = LOSSES[loss].generator(logits)
    (slope,) = torch.autograd.grad(value, logits)
    return value.item(), slope


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_an_undecided_discriminator_gives_two_log_two(name: str) -> None:
    zeros = torch.zeros(7, dtype=torch.float64)
    assert LOSSES[name].discriminator(zeros, zeros).item() == pytest.approx(2 * math.log(2), abs=1e-15)


@pytest.mark.parametrize("name", sorted(LOSSES))
@given(logits=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=16))
@settings(max_examples=60, deadline=None)
def test_generator_value_and_slope_equal_the_closed_form(name: str, logits: list[float]) -> None:
    l64 = np.array(logits)
    value, slope = value_and_slope(name, torch.tensor(logits, dtype=torch.float64))
    assert value == pytest.approx(GENERATOR_VALUE[name](l64).mean(), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(slope.numpy() * len(logits), GENERATOR_SLOPE[name](l64), rtol=1e-9, atol=1e-12)


@given(
    real=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=16),
    fake=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=16),
)
@settings(max_examples=60, deadline=None)
def test_discriminator_value_equals_the_closed_form(real: list[float], fake: list[float]) -> None:
    expected = softplus64(-np.array(real)).mean() + softplus64(np.array(fake)).mean()
    for loss in LOSSES.values():
        value = loss.discriminator(
            torch.tensor(real, dtype=torch.float64), torch.tensor(fake, dtype=torch.float64)
        )
        assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_losses_are_finite_at_extreme_logits_in_every_precision(name: str, dtype: torch.dtype) -> None:
    for x in (-1e4, -20.0, 0.0, 20.0, 1e4):
        logits = torch.full((4,), x, dtype=dtype, requires_grad=True)
        total = LOSSES[name].discriminator(logits, -logits) + LOSSES[name].generator(logits)
        total.backward()
        assert torch.isfinite(total)
        assert torch.isfinite(logits.grad).all()
        assert total.dtype in (torch.float32, torch.float64)


def test_gradients_by_finite_differences() -> None:
    logits = torch.linspace(-6, 6, 9, dtype=torch.float64, requires_grad=True)
    for loss in LOSSES.values():
        assert torch.autograd.gradcheck(loss.generator, (logits,))
        assert torch.autograd.gradcheck(
            loss.discriminator, (logits, logits.flip(0).detach().requires_grad_())
        )


def test_minimax_stalls_where_non_saturating_pulls() -> None:
    sure = torch.full((1,), -20.0, dtype=torch.float64)
    _, stalled = value_and_slope("minimax", sure)
    _, pulled = value_and_slope("non_saturating", sure)
    assert stalled.item() == pytest.approx(-math.exp(-20), rel=1e-6)
    assert pulled.item() == pytest.approx(-1, rel=1e-6)
