"""Copying and overfitting scores: cases with a known answer, SciPy and scikit-learn as second opinions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from tgan_lib.data import load
from tgan_lib.gan import GAN
from tgan_lib.metrics import (
    discriminator_overfitting,
    judge,
    mann_whitney,
    membership_auc,
    memorisation,
    nearest,
    precision_recall,
)


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 60),
    m=st.integers(1, 60),
    d=st.integers(1, 40),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(max_examples=40, deadline=None)
def test_nearest_agrees_with_scikit_learn(seed: int, n: int, m: int, d: int, dtype: torch.dtype) -> None:
    samples, train = normal(seed, n, d, dtype=dtype), normal(seed + 1, m, d, dtype=dtype)
    distances, indices = nearest(samples, train)
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train.double().numpy())
    expected, where = search.kneighbors(samples.double().numpy())
    np.testing.assert_allclose(distances.numpy(), expected[:, 0], rtol=1e-9, atol=1e-9)
    assert indices.tolist() == where[:, 0].tolist()


def test_a_copy_is_found_at_distance_zero_however_far_from_the_origin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precision_recall, "CHUNK", 16)
    train = normal(0, 90, 30) + 1e8
    order = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    distances, indices = nearest(train[order], train)
    assert (distances == 0).all()
    assert torch.equal(indices, order)


def test_nearest_takes_flattened_images() -> None:
    images = load("glyphs:digits", size=28, limit=64, device="cpu").data.flatten(1)
    distances, indices = nearest(images[:9], images)
    assert distances.tolist() == [0] * 9
    assert images[indices].equal(images[:9])


# Rounded values tie often.
scores = st.lists(st.floats(-3, 3).map(lambda x: round(x, 1)), min_size=1, max_size=40)


@given(a=scores, b=scores)
@settings(max_examples=60, deadline=None)
def test_u_and_its_score_agree_with_scipy(a: list[float], b: list[float]) -> None:
    u, z = mann_whitney(torch.tensor(a), torch.tensor(b))
    assert u == scipy.stats.mannwhitneyu(a, b).statistic
    pairs = len(a) * len(b)
    assert z == pytest.approx((u - pairs / 2) / math.sqrt(pairs * (len(a) + len(b) + 1) / 12), abs=1e-12)
    if len({*a, *b}) == len(a) + len(b):  # without ties SciPy's p-value comes from the same z
        p = scipy.stats.mannwhitneyu(a, b, alternative="less", method="asymptotic", use_continuity=False)
        assert scipy.stats.norm.cdf(z) == pytest.approx(p.pvalue, abs=1e-9)


@given(train=scores, heldout=scores)
@settings(max_examples=60, deadline=None)
def test_membership_is_scikit_learns_area_under_the_curve(train: list[float], heldout: list[float]) -> None:
    expected = roc_auc_score([1] * len(train) + [0] * len(heldout), train + heldout)
    assert membership_auc(torch.tensor(train), torch.tensor(heldout)) == pytest.approx(expected, abs=1e-12)


def test_membership_of_many_scores_keeps_every_pair() -> None:
    train, heldout = torch.randn(2, 20_000, generator=torch.Generator().manual_seed(0)).half()
    expected = roc_auc_score([1] * 20_000 + [0] * 20_000, torch.cat([train, heldout]).numpy())
    assert membership_auc(train, heldout) == pytest.approx(expected, abs=1e-12)


def test_membership_in_the_cases_that_need_no_arithmetic() -> None:
    low, high = torch.tensor([-math.inf, 0.0, 1.0]), torch.tensor([2.0, math.inf])
    assert membership_auc(high, low) == 1
    assert membership_auc(low, high) == 0
    assert membership_auc(torch.zeros(4), torch.zeros(9)) == 0.5
    with pytest.raises(ValueError, match=r"second scores have shape \(2,\) with 1 NaN"):
        membership_auc(low, torch.tensor([math.nan, 1.0]))
    with pytest.raises(ValueError, match=r"first scores have shape \(0,\)"):
        membership_auc(low[:0], high)


def test_memorisation_tells_copies_from_new_samples_and_from_noise() -> None:
    train, heldout, new = normal(0, 400, 8), normal(1, 300, 8), normal(2, 500, 8)
    honest = memorisation(new, train, heldout)
    assert honest.ratio == pytest.approx(1, abs=0.1)
    assert honest.share == pytest.approx(0.05, abs=0.05)
    assert abs(honest.z) < 3
    copied = memorisation(train[:200], train, heldout)
    assert copied == pytest.approx((0, 1, -math.sqrt(3 * 200 * 300 / 501)))  # every pair counts against us
    nearly = memorisation(train[:200] + 0.01 * normal(3, 200, 8), train, heldout)
    assert 0 < nearly.ratio < 0.05
    assert nearly.share == 1
    assert memorisation(3 * new, train, heldout).z > 10


def test_memorisation_by_hand() -> None:
    train = torch.tensor([[0.0], [10.0]])
    heldout = torch.tensor([[1.0], [2.0], [8.0], [14.0]])  # at 1, 2, 2 and 4
    samples = torch.tensor([[0.5], [1.5], [13.0]])  # at 0.5, 1.5 and 3
    found = memorisation(samples, train, heldout, quantile=0.5)
    u = 0 + 1 + 3
    assert found == pytest.approx((1.5 / 2, 2 / 3, (u - 6) / math.sqrt(12 * 8 / 12)))
    assert memorisation(samples, train, heldout, quantile=0.25).share == pytest.approx(1 / 3)
    assert (
        memorisation(heldout[1:3], train, heldout, quantile=0.5).share == 0
    )  # at 2, no closer than the limit
    assert math.isnan(memorisation(train, train, train).ratio)
    assert memorisation(samples, train, train).ratio == math.inf
    with pytest.raises(ValueError, match="quantile is 1"):
        memorisation(samples, train, heldout, quantile=1)


def test_the_score_is_standard_normal_when_nothing_is_copied() -> None:
    z = [
        memorisation(normal(3 * i, 40, 2), normal(-1, 500, 2), normal(3 * i + 1, 30, 2)).z for i in range(300)
    ]
    assert abs(np.mean(z)) < 4 / math.sqrt(300)
    assert np.std(z) == pytest.approx(1, abs=0.2)


def test_discriminator_overfitting_is_equation_1() -> None:
    train, fake = torch.tensor([2.0, 4.0, -1.0, 3.0]), torch.tensor([-2.0, 0.0])  # means 2 and -1
    assert discriminator_overfitting(train, train, fake) == (0, 0.5)
    assert discriminator_overfitting(train, fake, fake) == (1, 0.5)
    assert discriminator_overfitting(train, torch.tensor([0.5]), fake).r_v == 0.5
    assert discriminator_overfitting(train, torch.tensor([5.0]), fake).r_v == -1
    assert discriminator_overfitting(-train.abs(), fake, train).r_t == -1
    assert discriminator_overfitting(train[2:3] * 0, fake, train).r_t == 0
    assert math.isnan(discriminator_overfitting(train, fake, train).r_v)
    with pytest.raises(ValueError, match=r"the validation logits have shape \(0,\)"):
        discriminator_overfitting(train, train[:0], fake)


def test_judge_gives_eval_logits_and_leaves_every_mode_as_it_was() -> None:
    images = load("glyphs:digits", size=28, limit=10, device="cpu")
    gan = GAN.build("dcgan", width=8, device="cpu")
    gan.discriminator.train()
    gan.discriminator.net[0].eval()
    gan.discriminator.net.append(torch.nn.Dropout(0.9))  # in training mode it would drop logits
    logits = judge(gan, images, batch_size=4)
    assert [m.training for m in (gan.discriminator, gan.discriminator.net[0])] == [True, False]
    gan.discriminator.eval()
    with torch.no_grad():
        expected = gan.discriminator(images.batch(range(10)))
    assert logits.shape == (10,)
    assert not logits.requires_grad
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(judge(gan, images.batch(range(10))), expected)
    gan.discriminator.train()
    gan.discriminator.net.append(torch.nn.Linear(3, 1))  # which no logits fit
    with pytest.raises(RuntimeError):
        judge(gan, images)
    assert gan.discriminator.training
