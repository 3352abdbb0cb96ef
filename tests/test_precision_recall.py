"""Coverage on point sets counted by hand, against NumPy, torch-fidelity and the expectations in the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tgan_lib.metrics import (
    MixtureModes,
    mixture_modes,
    mode_coverage,
    prdc,
    precision_recall,
    squared_distances,
)


def line(*points: float) -> Tensor:
    return torch.tensor(points)[:, None]


def by_definition(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """All pairs at once, from the definitions at the head of the module."""
    rr, ff, rf = (
        np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)) for a, b in ((real, real), (fake, fake), (real, fake))
    )
    real_radius, fake_radius = np.sort(rr, 1)[:, k], np.sort(ff, 1)[:, k]
    inside = rf <= real_radius[:, None]
    recall = (rf <= fake_radius[None]).any(1).mean()
    return inside.any(0).mean(), recall, inside.sum(0).mean() / k, inside.any(1).mean()


def test_points_on_a_line_counted_by_hand() -> None:
    real, fake = line(0, 1, 2, 3), line(0.5, 10, 11)
    # the real balls have radius 1; 0.5 lies in those of 0 and 1. The ball of 0.5 has radius 9.5, to 10.
    assert prdc(real, fake, k=1) == pytest.approx((1 / 3, 1, 2 / 3, 1 / 2))
    assert prdc(real, fake, k=2) == pytest.approx((1 / 3, 1, 1 / 3, 1 / 2))  # radii 2, 1, 1, 2


def test_a_point_on_the_rim_of_a_ball_is_inside() -> None:
    assert prdc(line(0, 1), line(2, 9), k=1).precision == 0.5
    assert prdc(line(0, 1), line(2.001, 9), k=1).precision == 0


def test_a_set_covers_itself_and_disjoint_sets_cover_nothing() -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    assert prdc(x, x, k=4) == pytest.approx((1, 1, 5 / 4, 1))  # k others and the point itself in each ball
    assert prdc(x, x + 100) == (0, 0, 0, 0)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_duplicates_count_as_inside_balls_of_radius_zero(offset: float) -> None:
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double() + offset
    copies = x.repeat_interleave(4, 0)  # every 3-neighbour ball has radius 0
    assert prdc(copies, x.repeat(4, 1), k=3) == pytest.approx((1, 1, 4 / 3, 1))
    assert prdc(copies, x.repeat(4, 1) + 0.01, k=3) == (0, 0, 0, 0)


def test_equal_points_are_equal_by_whichever_arithmetic_they_meet() -> None:
    for seed in range(10):
        x = torch.randn(160, 33, generator=torch.Generator().manual_seed(seed)).double()
        few = x[:5].repeat(
            4, 1
        )  # so few that torch compares them without a matrix product, and to x with one
        found = prdc(x, few, k=3)
        assert (found.precision, found.recall) == (1, 5 / 160)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(8, 40),
    m=st.integers(8, 40),
    d=st.integers(1, 40),
    k=st.integers(1, 7),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=40, deadline=None)
def test_agrees_with_the_definitions_for_any_shape(
    seed: int, n: int, m: int, d: int, k: int, dtype: torch.dtype
) -> None:
    rng = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(n, d, generator=rng, dtype=dtype), torch.randn(m, d, generator=rng, dtype=dtype)
    expected = by_definition(real.double().numpy(), fake.double().numpy(), k)
    assert prdc(real, fake, k) == pytest.approx(expected, abs=1e-12)


def test_nothing_depends_on_how_the_work_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(101, 9, generator=rng), torch.randn(77, 9, generator=rng) + 0.3
    whole = prdc(real, fake)
    monkeypatch.setattr(precision_recall, "CHUNK", 10)
    assert [len(part) for part in squared_distances(fake, real)] == [10] * 7 + [7]
    assert prdc(real, fake) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("save_memory", [True, False])
def test_precision_and_recall_agree_with_torch_fidelity(save_memory: bool) -> None:
    theirs = pytest.importorskip("torch_fidelity.metric_prc").prc_features_to_metric
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(600, 24, generator=rng, dtype=torch.float64) for _ in range(2))
    fake = fake * 0.9 + 0.1
    ours = prdc(real, fake, k=3)
    found = theirs(fake, real, prc_neighborhood=3, save_cpu_ram=save_memory, verbose=False)
    assert 0.2 < ours.recall < ours.precision < 1  # the case says something
    assert ours.precision == pytest.approx(found["precision"], abs=1e-4)
    assert ours.recall == pytest.approx(found["recall"], abs=1e-4)


def test_two_samples_of_one_distribution_have_the_density_and_coverage_that_theory_says() -> None:
    rng, n, m, k = torch.Generator().manual_seed(0), 30, 20, 3
    draws = [prdc(torch.randn(n, 3, generator=rng), torch.randn(m, 3, generator=rng), k) for _ in range(400)]
    missed = math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
    for found, expected in (
        (np.array([draw.density for draw in draws]), 1.0),
        (np.array([draw.coverage for draw in draws]), 1 - missed),
    ):
        error = found.std() / math.sqrt(len(draws))
        assert error < 0.02
        assert abs(found.mean() - expected) < 4 * error


def test_prdc_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="k is 5 with 5 real and 9 generated"):
        prdc(torch.zeros(5, 2), torch.zeros(9, 2))
    with pytest.raises(ValueError, match="k is 0"):
        prdc(torch.zeros(5, 2), torch.zeros(9, 2), k=0)
    with pytest.raises(ValueError, match=r"\(6, 2\) and \(7, 3\)"):
        prdc(torch.zeros(6, 2), torch.zeros(7, 3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        prdc(torch.zeros(6, 2), torch.full((7, 2), math.nan))


def test_mode_coverage_has_its_closed_forms() -> None:
    assert mode_coverage(torch.arange(1000), 1000) == (1000, 0)
    assert mode_coverage(torch.zeros(50, dtype=torch.long), 10) == pytest.approx((1, math.log(10)))
    assert mode_coverage(torch.tensor([0, 0, 1]), 2, torch.tensor([2.0, 1.0])) == pytest.approx((2, 0))
    half = mode_coverage(torch.tensor([0, 1]), 2, torch.tensor([0.9, 0.1]))
    assert half == pytest.approx((2, 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)))
    assert mode_coverage(torch.tensor([0, 1]), 2, torch.tensor([1, 0])).divergence == math.inf
    assert mode_coverage(torch.eye(4)[[0, 0, 3]]).covered == 2


@given(seed=st.integers(0, 10_000), k=st.integers(2, 50), n=st.integers(1, 300))
@settings(max_examples=30, deadline=None)
def test_the_divergence_is_scipys(seed: int, k: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, expected = rng.integers(0, k, n), rng.random(k) + 0.01
    counts = np.bincount(labels, minlength=k)
    found = mode_coverage(torch.from_numpy(labels), k, torch.from_numpy(expected))
    assert found == pytest.approx(((counts > 0).sum(), scipy.stats.entropy(counts, expected)), abs=1e-12)


def test_few_samples_make_the_divergence_as_large_as_said() -> None:
    rng, k, n = torch.Generator().manual_seed(0), 10, 2000
    found = [mode_coverage(torch.randint(k, (n,), generator=rng), k).divergence for _ in range(300)]
    assert np.mean(found) == pytest.approx((k - 1) / (2 * n), rel=0.1)


def test_mode_coverage_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\) with n_classes None"):
        mode_coverage(torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="float32 of shape"):
        mode_coverage(torch.zeros(3), 3)
    with pytest.raises(ValueError, match="labels run from 0 to 3; 0 to 2"):
        mode_coverage(torch.tensor([0, 3]), 3)
    with pytest.raises(ValueError, match="3 shares or counts"):
        mode_coverage(torch.tensor([0, 2]), 3, torch.tensor([1.0, 2.0]))


def ring(k: int = 8) -> Tensor:
    angles = torch.arange(k) * 2 * math.pi / k
    return 2 * torch.stack([angles.cos(), angles.sin()], 1)


def grid(side: int = 5) -> Tensor:
    steps = torch.arange(side) * 2.0 - (side - 1)
    return torch.cartesian_prod(steps, steps)


@pytest.mark.parametrize("centres", [ring(), grid()], ids=["ring-8", "grid-25"])
def test_exact_samples_of_a_mixture_cover_it(centres: Tensor) -> None:
    rng = torch.Generator().manual_seed(0)
    which = torch.randint(len(centres), (20_000,), generator=rng)
    samples = centres[which] + 0.05 * torch.randn(20_000, 2, generator=rng)
    covered, good = mixture_modes(samples, centres, 0.05)
    assert covered == len(centres)
    assert good == pytest.approx(1 - math.exp(-4.5), abs=4 * math.sqrt(0.011 / 20_000))
    collapsed = mixture_modes(samples[which == 3], centres, 0.05)
    assert collapsed.covered == 1


def test_only_good_samples_cover_a_mode() -> None:
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    samples = torch.tensor([[0.0, 0.25], [3.65, 0.0], [4.0, 1.0], [math.nan, 0.0]])
    assert mixture_modes(samples, centres, 0.1) == MixtureModes(1, 0.25)
    assert mixture_modes(samples, centres, 0.1, within=4) == MixtureModes(2, 0.5)
    assert mixture_modes(samples, centres, 1e-3) == MixtureModes(0, 0)
    with pytest.raises(ValueError, match="std is 0"):
        mixture_modes(samples, centres, 0)
    with pytest.raises(ValueError, match=r"samples have shape \(4,\)"):
        mixture_modes(samples[:, 0], centres, 1)
    with pytest.raises(ValueError, match=r"samples have shape \(0, 2\)"):
        mixture_modes(samples[:0], centres, 1)
