"""Fréchet distance against closed forms and an independent implementation; the shipped feature network."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import mnist

from tgan_lib.data import Images, load
from tgan_lib.features import extract, feature_card, load_features
from tgan_lib.gan import GAN
from tgan_lib.metrics import Distance, class_counts, frechet_between, frechet_distance, moments, speckle


def independent(a: np.ndarray, b: np.ndarray) -> float:
    """The textbook formula with SciPy's matrix square root."""
    ma, mb, ca, cb = a.mean(0), b.mean(0), np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    return float(((ma - mb) ** 2).sum() + np.trace(ca + cb - 2 * scipy.linalg.sqrtm(ca @ cb).real))


@given(seed=st.integers(0, 10_000), d=st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_agrees_with_scipy(seed: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(80, d)) @ rng.normal(size=(d, d))
    b = rng.normal(size=(90, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)
    ours = frechet_distance(torch.from_numpy(a), torch.from_numpy(b))
    assert ours == pytest.approx(independent(a, b), rel=1e-6, abs=1e-6)


def test_closed_form_for_commuting_covariances() -> None:
    s, t = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([2.0, 2.0, 0.5]).double()
    m = torch.tensor([1.0, 0.0, -2.0]).double()
    expected = (m**2).sum() + ((s - t) ** 2).sum()
    assert frechet_between(m, torch.diag(s**2), 0 * m, torch.diag(t**2)) == pytest.approx(
        expected.item(), abs=1e-12
    )


def test_a_set_is_at_distance_zero_from_itself_and_a_shift_costs_its_square() -> None:
    features = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(features, features + 2) == pytest.approx(6 * 4, rel=1e-6)


def test_singular_covariances_are_no_trouble() -> None:
    a = torch.zeros(10, 4)
    a[:, 0] = torch.arange(10.0)
    spread = a[:, 0].double().var().sqrt().item()
    b = a * 2
    assert frechet_distance(a, b) == pytest.approx(4.5**2 + spread**2, rel=1e-9)


def test_moments_refuse_what_has_no_covariance() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3\)"):
        moments(torch.zeros(1, 3))


def test_speckle_counts_pixels_that_stand_alone() -> None:
    images = torch.full((2, 1, 8, 8), -1.0)
    images[0, 0, 2, 2:6] = 1  # a stroke
    assert speckle(images) == 0
    images[1, 0, 0, 0] = images[1, 0, 7, 3] = images[1, 0, 3, 4] = 1
    images[1, 0, 5, 5] = -0.9  # too dark to count
    assert speckle(images) == 1.5
    assert speckle(((images + 1) * 127.5).round().to(torch.uint8)) == 1.5
    images[1, 0, 1, 1] = 1  # touches the corner's at an angle
    assert speckle(images) == 1.0


def test_class_counts() -> None:
    assert class_counts(torch.eye(4)[[0, 0, 3]]).tolist() == [2, 0, 0, 1]


def test_features_run_in_eval_mode_and_do_not_depend_on_the_batch() -> None:
    net = load_features("mnist-v1", "cpu")
    assert not net.training
    x = torch.rand(6, 1, 28, 28) * 2 - 1
    torch.testing.assert_close(extract(net, x)[0], extract(net, x, batch_size=1)[0], rtol=1e-4, atol=1e-4)
    bytes_ = ((x + 1) * 127.5).round().to(torch.uint8)
    torch.testing.assert_close(extract(net, bytes_)[0], extract(net, bytes_ / 127.5 - 1)[0])
    assert extract(net, torch.zeros(2, 3, 32, 32))[0].shape == (2, 64)
    with pytest.raises(ValueError, match="no feature network named 'mnist'"):
        load_features("mnist", "cpu")


def test_the_shipped_classifier_is_as_good_as_its_card_says() -> None:
    assert feature_card()["test_accuracy"] >= 0.985
    test_set = mnist("test")
    right = extract(load_features("mnist-v1", "cpu"), test_set.data)[1].argmax(1) == test_set.labels
    assert right.float().mean().item() == pytest.approx(feature_card()["test_accuracy"], abs=5e-4)


def test_distance_of_a_gan_is_repeatable_and_near_zero_for_the_data_itself() -> None:
    real: Images = load("glyphs:digits", size=28, limit=300, device="cpu")
    distance = Distance(real, n=200)
    gan = GAN.build("dcgan", width=8, device="cpu")
    assert distance(gan) == distance(gan) > distance.of_images(real.data)
    assert distance.of_images(real.data) == pytest.approx(0, abs=1e-6)
    assert int(distance.classes(gan, 50).sum()) == 50
