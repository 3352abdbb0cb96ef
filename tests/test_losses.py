"""Every loss against its closed form, in value and gradient, over the whole range of logits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tgan_lib.losses import LOSSES, Loss, relativistic_generator, score_generator, softplus

Array = np.ndarray
NAMES = sorted(LOSSES)


def sigmoid64(x: Array) -> Array:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def softplus64(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def step64(x: Array) -> Array:
    return (x > 0).astype(float)


# name -> (real, fake) -> for each image: the loss, its slope in the real logit, its slope in the fake one
DISCRIMINATOR: dict[str, Callable[[Array, Array], tuple[Array, Array, Array]]] = {
    "minimax": lambda r, f: (softplus64(-r) + softplus64(f), -sigmoid64(-r), sigmoid64(f)),
    "non_saturating": lambda r, f: (softplus64(-r) + softplus64(f), -sigmoid64(-r), sigmoid64(f)),
    "least_squares": lambda r, f: ((r - 1) ** 2 / 2 + f**2 / 2, r - 1, f),
    "wasserstein": lambda r, f: (f - r, -np.ones_like(r), np.ones_like(f)),
    "hinge": lambda r, f: (np.maximum(0, 1 - r) + np.maximum(0, 1 + f), -step64(1 - r), step64(1 + f)),
    "relativistic": lambda r, f: (softplus64(f - r), -sigmoid64(f - r), sigmoid64(f - r)),
}
NOTHING = np.zeros_like
GENERATOR: dict[str, Callable[[Array, Array], tuple[Array, Array, Array]]] = {
    "minimax": lambda r, f: (-softplus64(f), NOTHING(r), -sigmoid64(f)),
    "non_saturating": lambda r, f: (softplus64(-f), NOTHING(r), -sigmoid64(-f)),
    "least_squares": lambda r, f: ((f - 1) ** 2 / 2, NOTHING(r), f - 1),
    "wasserstein": lambda r, f: (-f, NOTHING(r), -np.ones_like(f)),
    "hinge": lambda r, f: (-f, NOTHING(r), -np.ones_like(f)),
    "relativistic": lambda r, f: (softplus64(r - f), sigmoid64(r - f), -sigmoid64(r - f)),
}
PAIRS = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=16)


def both_logits(pairs: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    real, fake = torch.tensor(pairs, dtype=torch.float64).T.clone()
    return real.requires_grad_(), fake.requires_grad_()


def agrees(value: Tensor, real: Tensor, fake: Tensor, expected: tuple[Array, Array, Array]) -> None:
    """Value and slopes on both sides, where the reference gives them for each image and the loss is a mean."""
    slopes = torch.autograd.grad(value, (real, fake), allow_unused=True)
    each, *expected_slopes = expected
    scale = np.abs(each).max()
    np.testing.assert_allclose(value.item(), each.mean(), rtol=1e-12, atol=1e-13 * scale)
    for slope, reference in zip(slopes, expected_slopes, strict=True):
        found = np.zeros(len(real)) if slope is None else slope.numpy() * len(real)
        np.testing.assert_allclose(found, reference, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
@given(pairs=PAIRS)
@example(
    pairs=[(20.5, -20.5), (-25.0, 30.0), (1.5, 24.0), (0.0, 0.0)]
)  # where softplus turns into its argument
@settings(max_examples=40, deadline=None)
def test_value_and_slopes_equal_the_closed_form(name: str, pairs: list[tuple[float, float]]) -> None:
    real, fake = both_logits(pairs)
    r64, f64 = real.detach().numpy(), fake.detach().numpy()
    agrees(LOSSES[name].discriminator(real, fake), real, fake, DISCRIMINATOR[name](r64, f64))
    agrees(LOSSES[name].generator(fake, real), real, fake, GENERATOR[name](r64, f64))


def test_softplus_keeps_every_digit() -> None:
    x = torch.linspace(-60, 60, 4801, dtype=torch.float64)
    np.testing.assert_allclose(softplus(x).numpy(), softplus64(x.numpy()), rtol=1e-15)


AT_ZERO = {
    "minimax": (2 * math.log(2), -math.log(2)),
    "non_saturating": (2 * math.log(2), math.log(2)),
    "least_squares": (0.5, 0.5),
    "wasserstein": (0.0, 0.0),
    "hinge": (2.0, 0.0),
    "relativistic": (math.log(2), math.log(2)),
}


@pytest.mark.parametrize("name", NAMES)
def test_values_where_every_logit_is_zero(name: str) -> None:
    zeros = torch.zeros(7, dtype=torch.float64)
    found = LOSSES[name].discriminator(zeros, zeros).item(), LOSSES[name].generator(zeros, zeros).item()
    assert found == pytest.approx(AT_ZERO[name], abs=1e-15)


# loss of the best D where reals and fakes are alike, and the scores at which it is reached
BEST = {
    "minimax": (2 * math.log(2), (0.0,)),
    "non_saturating": (2 * math.log(2), (0.0,)),
    "least_squares": (0.25, (0.5,)),
    "hinge": (2.0, (-1.0, 0.3, 1.0)),
}


@pytest.mark.parametrize("name", sorted(BEST))
def test_the_best_discriminator_of_equals(name: str) -> None:
    best, where = BEST[name]
    losses = [
        LOSSES[name].discriminator(same, same).item()
        for same in torch.linspace(-4, 4, 801, dtype=torch.float64)[:, None]
    ]
    assert min(losses) == pytest.approx(best, abs=1e-12)
    for score in where:
        same = torch.full((3,), score, dtype=torch.float64)
        assert LOSSES[name].discriminator(same, same).item() == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "often", "rarely"),
    [("least_squares", 0.75, 0.25), ("non_saturating", math.log(3), -math.log(3))],
)
def test_the_best_discriminator_knows_the_share_of_reals(name: str, often: float, rarely: float) -> None:
    """One kind of image with 3 reals and 1 fake of 4 each, another with 1 and 3: p / (p + q), or log p / q."""
    a = torch.tensor(often, dtype=torch.float64, requires_grad=True)
    b = torch.tensor(rarely, dtype=torch.float64, requires_grad=True)
    loss = LOSSES[name].discriminator(torch.stack([a, a, a, b]), torch.stack([a, b, b, b]))
    assert [s.item() for s in torch.autograd.grad(loss, (a, b))] == pytest.approx([0, 0], abs=1e-15)


@pytest.mark.parametrize("name", ["relativistic", "wasserstein"])
@given(pairs=PAIRS, shift=st.floats(-1e3, 1e3))
@settings(max_examples=25, deadline=None)
def test_a_constant_added_to_all_scores_changes_nothing(
    name: str, pairs: list[tuple[float, float]], shift: float
) -> None:
    real, fake = (logits.detach() for logits in both_logits(pairs))
    loss = LOSSES[name].discriminator
    assert loss(real + shift, fake + shift).item() == pytest.approx(loss(real, fake).item(), abs=1e-8)
    if name == "relativistic":
        assert LOSSES[name].generator(fake + shift, real + shift).item() == pytest.approx(
            LOSSES[name].generator(fake, real).item(), abs=1e-8
        )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_losses_are_finite_at_extreme_logits_in_every_precision(name: str, dtype: torch.dtype) -> None:
    for x in (-1e4, -20.0, 0.0, 20.0, 1e4):
        real = torch.full((4,), -x, dtype=dtype, requires_grad=True)
        fake = torch.full((4,), x, dtype=dtype, requires_grad=True)
        for value in (LOSSES[name].discriminator(real, fake), LOSSES[name].generator(fake, real)):
            slopes = torch.autograd.grad(value, (real, fake), allow_unused=True)
            assert torch.isfinite(value)
            assert value.dtype is (torch.float64 if dtype is torch.float64 else torch.float32)
            assert all(torch.isfinite(slope).all() for slope in slopes if slope is not None)


def test_half_precision_logits_lose_nothing_in_the_loss() -> None:
    """Squares of 1e4 are beyond float16, and sums of a few thousand ones beyond bfloat16's digits."""
    real, fake = torch.full((3000,), 1e4, dtype=torch.float16), torch.zeros(3000, dtype=torch.float16)
    assert LOSSES["least_squares"].discriminator(real, fake).item() == pytest.approx(9999**2 / 2, rel=1e-6)
    assert LOSSES["least_squares"].generator(real).item() == pytest.approx(9999**2 / 2, rel=1e-6)
    small = torch.full((3000,), 1.01, dtype=torch.bfloat16)
    assert LOSSES["wasserstein"].generator(small).item() == pytest.approx(-small[0].item(), rel=1e-6)
    # a difference of two half-precision logits is taken in float32
    one_step = LOSSES["relativistic"].discriminator(
        torch.tensor([2048.0], dtype=torch.float16), torch.tensor([0.25], dtype=torch.float16)
    )
    twin = LOSSES["relativistic"].generator(
        torch.tensor([0.25], dtype=torch.float16), torch.tensor([2048.0], dtype=torch.float16)
    )
    assert (one_step.item(), twin.item()) == (0.0, 2047.75)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_by_finite_differences(name: str) -> None:
    real = torch.linspace(-6, 6, 9, dtype=torch.float64, requires_grad=True)
    fake = torch.linspace(5.3, -5.9, 9, dtype=torch.float64, requires_grad=True)  # off hinge's corners
    assert torch.autograd.gradcheck(LOSSES[name].discriminator, (real, fake))
    assert torch.autograd.gradcheck(lambda f: LOSSES[name].generator(f, real.detach()), (fake,))


def test_minimax_stalls_where_non_saturating_pulls() -> None:
    def slope(loss: str) -> float:
        sure = torch.full((1,), -20.0, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(LOSSES[loss].generator(sure), sure)[0].item()

    assert slope("minimax") == pytest.approx(-math.exp(-20), rel=1e-6)
    assert slope("non_saturating") == pytest.approx(-1, rel=1e-6)


def test_needs_real_says_which_generator_loss_reads_the_real_logits() -> None:
    fake = torch.tensor([0.5, -1.0])
    for loss in LOSSES.values():
        reads = not torch.equal(
            loss.generator(fake, torch.zeros(2)), loss.generator(fake, torch.tensor([1.0, 2.0]))
        )
        assert reads == loss.needs_real, loss.name
        if not loss.needs_real:
            assert torch.equal(loss.generator(fake), loss.generator(fake, torch.ones(2)))


def test_the_relativistic_loss_says_what_it_misses() -> None:
    with pytest.raises(ValueError, match=r"real_logits is None; give G's loss both"):
        relativistic_generator(torch.zeros(3))
    with pytest.raises(
        ValueError, match=r"shape \(3,\) and fake ones \(4,\).*both should have the same shape"
    ):
        LOSSES["relativistic"].discriminator(torch.zeros(3), torch.zeros(4))
    with pytest.raises(
        ValueError, match=r"shape \(4, 1\) and fake ones \(4,\)"
    ):  # would broadcast to 16 pairs
        LOSSES["relativistic"].generator(torch.zeros(4), torch.zeros(4, 1))


@pytest.mark.parametrize("name", NAMES)
def test_what_are_no_logits_is_refused_in_a_sentence(name: str) -> None:
    good = torch.zeros(3)
    wrong = {
        ValueError: [
            torch.zeros(3, dtype=torch.int64),
            torch.zeros(0),
            torch.zeros(3, dtype=torch.complex64),
        ],
        TypeError: [None, 3.0, [1.0, 2.0, 3.0], "real"],
    }
    for error, values in wrong.items():
        for value in values:
            with pytest.raises(error, match="logits"):
                LOSSES[name].discriminator(value, good)  # type: ignore[arg-type]
            with pytest.raises(error, match="logits"):
                LOSSES[name].discriminator(good, value)  # type: ignore[arg-type]
            with pytest.raises(error, match="logits"):
                LOSSES[name].generator(value, good)  # type: ignore[arg-type]


def test_a_loss_of_ones_own_has_a_name_and_two_functions() -> None:
    mean = LOSSES["wasserstein"].discriminator
    assert Loss("mine", mean, score_generator).needs_real is False
    with pytest.raises(TypeError, match="a loss's name is 3; a word is right"):
        Loss(3, mean, score_generator)  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match="the generator's loss of 'mine' is None; a function of logits is right"
    ):
        Loss("mine", mean, None)  # type: ignore[arg-type]
