"""Domains: their images are of two parts; ranks, correlations and relabellings where they are known by hand."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from scipy.stats import spearmanr

from tgan_lib.chapters.domains import (
    DOMAINS,
    leaving_one_out,
    load_domain,
    over_pairs,
    pairs,
    rank_correlation,
    relabelled,
    within_targets,
)

LINE = torch.tensor([0.0, 1.0, 3.0, 7.0])  # four domains on a line, all distances between them different
DISTANCES = (LINE[:, None] - LINE).abs()


def test_rank_correlation_by_hand() -> None:
    # 1 - 6 sum d^2 / (n (n^2 - 1)) without ties: d = (0, -1, 1, 0), so 1 - 12 / 60
    assert rank_correlation(torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 9, 4, 16])) == pytest.approx(0.8)
    # with a tie: ranks (1.5, 1.5, 3) and (1, 2, 3) have covariance 1.5 and squares 1.5 and 2
    tied = rank_correlation(torch.tensor([4.0, 4, 8]), torch.tensor([1.0, 2, 3]))
    assert tied == pytest.approx(1.5 / math.sqrt(1.5 * 2))


def test_rank_correlation_is_scipys() -> None:
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        x, y = torch.randint(0, 6, (2, 12), generator=rng).double()
        assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)


def test_rank_correlation_refuses_what_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="3 and 2 values"):
        rank_correlation(torch.ones(3), torch.ones(2))
    assert math.isnan(rank_correlation(torch.ones(3), torch.arange(3.0)))


MNIST_V1 = [
    [6.058, 97.3, 128.7, 9299.0, 8233.0],
    [98.75, 7.615, 86.49, 9114.0, 8071.0],
    [120.4, 72.73, 10.46, 9460.0, 8376.0],
    [9848.0, 9674.0, 10100.0, 18.1, 119.5],
    [8160.0, 8023.0, 8386.0, 68.72, 6.746],
]  # Fréchet distances that chapter 10 measured, through two networks
CIFAR10_V1 = [
    [0.07725, 1.07, 2.175, 5.956, 6.872],
    [1.017, 0.07536, 1.536, 6.401, 7.653],
    [1.901, 1.363, 0.1118, 6.507, 5.068],
    [5.811, 6.311, 6.459, 0.1991, 7.644],
    [6.385, 6.935, 4.579, 6.975, 0.2046],
]


def test_measured_distances_have_the_shares_that_whole_numbers_give() -> None:
    """Without ties a rank correlation is 1 - 6 D / (n (n^2 - 1)), D a whole number: no tie is lost to rounding."""

    def squares(distances: list[list[float]], gains: list[list[float]]) -> int:
        total = 0
        for target in range(5):
            sources = [source for source in range(5) if source != target]
            x, y = ([m[source][target] for source in sources] for m in (distances, gains))
            total += sum(
                (sum(a > b for b in x) - sum(c > d for d in y)) ** 2 for a, c in zip(x, y, strict=True)
            )
        return total

    true = squares(MNIST_V1, CIFAR10_V1)
    orders = list(permutations(range(5)))
    high = sum(
        squares([[MNIST_V1[i][j] for j in order] for i in order], CIFAR10_V1) >= true for order in orders
    )
    # stored as they are, in float32: halves of a difference must not decide a tie
    found, share = relabelled(torch.tensor(MNIST_V1), torch.tensor(CIFAR10_V1))
    assert found == pytest.approx(1 - 6 * true / (5 * 4 * 15), abs=1e-12)
    assert share == pytest.approx(high / len(orders), abs=1e-12)
    assert over_pairs(torch.tensor(MNIST_V1), torch.tensor(CIFAR10_V1)) == pytest.approx(0.269173, abs=1e-6)


def test_matrices_of_different_domains_are_refused() -> None:
    for call in (over_pairs, within_targets, relabelled, leaving_one_out):
        with pytest.raises(ValueError, match=r"values|both \(n, n\) is right"):
            call(torch.rand(4, 4), torch.rand(5, 5))
        with pytest.raises(ValueError, match=r"shape \(4, 5\); \(n, n\) is right"):
            call(torch.rand(4, 5), torch.rand(4, 5))


def test_pairs_leave_the_diagonal_out() -> None:
    assert pairs(torch.arange(9).reshape(3, 3)).tolist() == [1, 2, 3, 5, 6, 7]


def test_a_gain_that_falls_with_distance() -> None:
    gains = 10 - DISTANCES
    assert over_pairs(DISTANCES, gains) == pytest.approx(-1)
    assert within_targets(DISTANCES, gains) == pytest.approx(-1)
    assert leaving_one_out(DISTANCES, gains) == pytest.approx([-1] * 4)


def test_a_targets_own_scale_counts_over_pairs_only() -> None:
    gains = torch.tensor([1.0, 100.0, 1e4, 1e6]) * (10 - DISTANCES)
    assert over_pairs(DISTANCES, gains) > -0.7
    assert within_targets(DISTANCES, gains) == pytest.approx(-1)


def test_a_target_that_all_sources_are_equally_far_from_counts_as_nothing() -> None:
    distances = DISTANCES.clone()
    distances[:, 0] = 1.0
    assert within_targets(distances, 10 - DISTANCES) == pytest.approx(-3 / 4)


@pytest.mark.parametrize("statistic", [over_pairs, within_targets])
def test_of_all_relabellings_only_the_true_one_is_as_low(statistic) -> None:
    found, share = relabelled(DISTANCES, 10 - DISTANCES, statistic)
    assert found == pytest.approx(-1)
    assert share == pytest.approx(1 / 24)  # no two domains can be swapped: all distances differ


def test_relabelling_keeps_pairs_together() -> None:
    even = torch.tensor([0.0, 1.0, 2.0])  # the line read backwards has the same distances
    distances = (even[:, None] - even).abs()
    assert relabelled(distances, -distances, over_pairs)[1] == pytest.approx(2 / 6)


def test_a_gain_without_a_pattern_is_not_rare() -> None:
    rng = torch.Generator().manual_seed(1)
    shares = [relabelled(DISTANCES, torch.randn(4, 4, generator=rng))[1] for _ in range(60)]
    assert 0.35 < sum(shares) / 60 < 0.7  # uniform on (1/24, ..., 1) but for ties


def test_relabelling_needs_three_to_eight_domains() -> None:
    with pytest.raises(ValueError, match="2 domains"):
        relabelled(torch.ones(2, 2), torch.ones(2, 2))
    with pytest.raises(ValueError, match="9 domains"):
        relabelled(torch.ones(9, 9), torch.ones(9, 9))


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_are_small_grey_and_in_two_parts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "smoke")
    domain = load_domain(name)
    assert domain.pool.data.shape[1:] == domain.held_out.data.shape[1:] == (1, 28, 28)
    assert len(domain.pool) > 20
    assert len(domain.held_out) > 20
    seen = {image.numpy().tobytes() for image in domain.pool.data}
    assert not any(image.numpy().tobytes() in seen for image in domain.held_out.data)


def test_an_unknown_domain_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"no domain named 'digit' \(did you mean 'digits'\?\)"):
        load_domain("digit")
