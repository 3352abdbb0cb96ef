"""Distances against closed forms, NumPy and torch-fidelity; the feature networks they are measured in."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import mnist
from torch import Tensor, nn

from tgan_lib.data import Images, load
from tgan_lib.features import extract, feature_card, load_features
from tgan_lib.gan import GAN
from tgan_lib.metrics import (
    Distance,
    class_counts,
    distances,
    frechet_between,
    frechet_distance,
    kernel_distance,
    merge_moments,
    moments,
    prdc,
    same_features,
    speckle,
)


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


def glyph_features(domain: str, n: int) -> Tensor:
    return extract(
        load_features("mnist-v1", "cpu"), load(f"glyphs:{domain}", size=28, limit=n, device="cpu").data
    )[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frechet_agrees_with_torch_fidelity_on_the_same_features(dtype: torch.dtype) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    a, b = glyph_features("digits", 400).to(dtype), glyph_features("letters", 300).to(dtype)
    theirs = fid_statistics_to_metric(
        *(fid_features_to_statistics(f.double()) for f in (a, b)), verbose=False
    )
    assert frechet_distance(a, b) == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6, abs=1e-4)


@given(seed=st.integers(0, 10_000), dtype=st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=20, deadline=None)
def test_closed_form_in_one_dimension(seed: int, dtype: torch.dtype) -> None:
    a, b = 3 * torch.randn(2, 50, 1, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    expected = (a.double().mean() - b.double().mean()) ** 2 + (a.double().std() - b.double().std()) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected.item(), abs=1e-9)


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 1),
    d=st.integers(1, 6),
)
@settings(max_examples=40, deadline=None)
def test_merged_moments_are_those_of_the_whole(seed: int, sizes: list[int], d: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [100 + 10 * rng.normal(size=(n, d)) + rng.normal(size=d) for n in sizes]  # far from the origin
    whole = np.concatenate(parts)

    def alone(part: np.ndarray) -> tuple[int, Tensor, Tensor]:
        features = torch.from_numpy(part)
        if len(part) > 1:
            return len(part), *moments(features)
        return len(part), features.mean(0), features.new_full((d, d), 0 if len(part) else float("nan"))

    n, mean, cov = merge_moments([alone(part) for part in parts])
    assert n == len(whole)
    np.testing.assert_allclose(mean, whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose(cov, np.cov(whole, rowvar=False).reshape(d, d), atol=1e-9)


def test_merging_needs_two_images() -> None:
    with pytest.raises(ValueError, match="hold 1 images together"):
        merge_moments([(1, torch.zeros(2), torch.zeros(2, 2)), (0, torch.zeros(2), torch.zeros(2, 2))])


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


class Drawn:
    """A perfect generator: its samples are drawn as the real images are."""

    def latents(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, 1)

    def sample(self, z: Tensor) -> Tensor:
        return load("glyphs:digits", size=28, limit=len(z), split="test", device="cpu").data


@pytest.mark.parametrize(("n", "compared"), [(80, 80), (150, 120)])
def test_a_report_holds_every_number_of_one_set_of_samples(n: int, compared: int) -> None:
    real: Images = load("glyphs:digits", size=28, limit=120, device="cpu")
    distance = Distance(real, n=n)
    report = distance.report(Drawn(), k=2)
    fake = extract(distance.net, Drawn().sample(torch.zeros(n, 1)))[0]
    assert report["frechet"] == distance(Drawn()) == distance.of_images(Drawn().sample(torch.zeros(n, 1)))
    assert report["n"] == len(distance.real) == compared
    expected = prdc(distance.real, fake[:compared], k=2)
    assert {name: report[name] for name in expected._fields} == expected._asdict()
    assert 0 < expected.precision != expected.recall > 0
    kernel = kernel_distance(distance.real, fake[:compared], subset_size=compared // 2)
    assert (report["kernel"], report["kernel_std"]) == kernel
    found = extract(distance.net, real.data)[0]
    matches = (distance.real[:, None] == found).all(2)  # some of the real features, none of them twice
    assert (matches.sum(1) >= 1).all()
    assert len(distance.real.unique(dim=0)) == compared
    assert not torch.equal(distance.real, found[:compared])


def test_samples_of_several_processes_have_one_distance() -> None:
    distance = Distance(load("glyphs:digits", size=28, limit=100, device="cpu"), n=50)
    images = load("glyphs:letters", size=28, limit=90, device="cpu").data
    parts = [extract(distance.net, part)[0] for part in images.split(40)]
    _, mean, cov = merge_moments([(len(part), *moments(part)) for part in parts])
    together = frechet_between(mean, cov, distance.mean, distance.cov)
    # the roots of singular covariances magnify the last digits of both
    assert together == pytest.approx(distance.of_images(images), abs=1e-6)


class ThreeColours(nn.Module):
    """A feature network unlike the shipped one: colour, 5 features, 3 classes."""

    n_features, n_classes = 5, 3

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 5), nn.Linear(5, 3)

    def features(self, images: Tensor) -> Tensor:
        found: Tensor = self.body(images.mean((2, 3)))
        return found


def test_another_feature_network_just_works_and_is_never_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = load("glyphs:digits", size=16, channels=3, limit=40, device="cpu")
    gan = GAN.build("mlp", size=16, channels=3, device="cpu")
    grey = Distance(load("glyphs:digits", size=28, limit=40, device="cpu"), n=20)
    monkeypatch.setattr(distances, "load_features", lambda name, device: ThreeColours().eval())
    distance = Distance(real, features="colours", n=20)
    assert distance.mean.shape == (5,)
    assert distance.classes(gan, 30).shape == (3,)
    assert int(distance.classes(gan, 30).sum()) == 30
    assert distance.report(gan)["frechet"] == distance(gan) > 0
    assert same_features(distance, Distance(real, features="colours", n=10)) == "colours"
    with pytest.raises(ValueError, match=r"2 feature networks \(colours, mnist-v1\)"):
        same_features(distance, grey, distance)
    with pytest.raises(ValueError, match="0 feature networks"):
        same_features()
