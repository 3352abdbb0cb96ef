"""D as features, and what the probes say of features whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tgan_lib.data import load
from tgan_lib.gan import GAN
from tgan_lib.metrics import probes


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def blobs(each: int = 20, k: int = 3, d: int = 5, apart: float = 20.0) -> tuple[Tensor, Tensor]:
    """`k` round groups, each at its own corner, and which one each point is of."""
    labels = torch.arange(each * k) % k
    return normal(each * k, d) + apart * torch.eye(k, d)[labels], labels


def rotation(d: int) -> Tensor:
    return torch.linalg.qr(normal(d, d, seed=7)).Q


@pytest.mark.parametrize("network", ["dcgan", "dcgan_2016"])
def test_features_are_the_pooled_maps_of_all_convolutions(network: str) -> None:
    gan = GAN.build(network, size=32, width=4, device="cpu")
    images = normal(3, 1, 32, 32).clamp(-1, 1)
    found = probes.discriminator_features(gan, images)
    maps, expected = images, []
    gan.discriminator.eval()
    with torch.no_grad():
        for layer in gan.discriminator.net:  # type: ignore[union-attr]
            maps = layer(maps)
            if isinstance(layer, nn.LeakyReLU):
                n, c, side, _ = maps.shape
                cells = maps.numpy().reshape(n, c, 4, side // 4, 4, side // 4)
                expected.append(cells.max((3, 5)).reshape(n, -1))
    np.testing.assert_array_equal(found.numpy(), np.concatenate(expected, 1))
    assert found.shape == (3, (4 + 8 + 16) * 16)


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet"])
def test_every_layer_but_the_last_is_taken(network: str) -> None:
    gan = GAN.build(network, size=32, width=8, device="cpu")
    images = normal(2, 1, 32, 32).clamp(-1, 1)
    names = probes.hidden_layers(gan.discriminator, images)
    expected = {
        "mlp": ["net.2", "net.4"],
        "dcgan": ["net.1", "net.3", "net.5"],
        "resnet": ["net.0", "net.1", "net.2", "net.4"],  # the last block with the ReLU behind it
    }
    assert names == expected[network]
    found = probes.discriminator_features(gan, images)
    assert torch.equal(found, probes.discriminator_features(gan.discriminator, images, names))


def test_small_maps_are_not_blown_up_and_vectors_are_taken_as_they_are() -> None:
    net = nn.Sequential(nn.AvgPool2d(3), nn.Flatten(), nn.Identity())
    images = normal(2, 3, 6, 6)
    found = probes.discriminator_features(
        nn.Sequential(net, nn.Linear(12, 1)), images, ["0.0", "0.2"], pool=4
    )
    assert torch.equal(found, net(images).repeat(1, 2)), "2x2 maps stay 2x2"
    one = probes.discriminator_features(nn.Sequential(net, nn.Linear(12, 1)), images, ["0.0"], pool=1)
    assert torch.equal(one, net[0](images).amax((2, 3)))


def test_d_is_left_as_it_was_and_features_do_not_depend_on_the_batch() -> None:
    gan = GAN.build("dcgan_2016", size=32, width=4, device="cpu")
    gan.discriminator.net[3].eval()  # type: ignore[index, union-attr]
    state = {key: value.clone() for key, value in gan.discriminator.state_dict().items()}
    modes = [part.training for part in gan.discriminator.modules()]
    images = torch.randint(0, 256, (7, 1, 32, 32), dtype=torch.uint8)
    found = probes.discriminator_features(gan, images)
    torch.testing.assert_close(found, probes.discriminator_features(gan, images, batch_size=2))
    torch.testing.assert_close(found, probes.discriminator_features(gan, images / 127.5 - 1))
    assert not found.requires_grad
    assert [part.training for part in gan.discriminator.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in gan.discriminator.state_dict().items())


def test_a_probe_finds_what_is_linear_and_only_that() -> None:
    x, labels = blobs(each=40)
    assert probes.linear_probe(x[::2], labels[::2], x[1::2], labels[1::2]) == 1
    x = normal(800, 2)
    exclusive_or = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    assert probes.linear_probe(x[:400], exclusive_or[:400], x[400:], exclusive_or[400:]) < 0.6
    product = torch.cat([x, x[:, :1] * x[:, 1:]], 1)  # with x1 x2 as a feature it is linear
    assert probes.linear_probe(product[:400], exclusive_or[:400], product[400:], exclusive_or[400:]) > 0.9


def test_a_probe_does_not_see_signs_or_scales() -> None:
    x, labels = normal(200, 6), torch.arange(200) % 4
    x[torch.arange(200), labels] += 1.5
    plain = probes.linear_probe(x[:100], labels[:100], x[100:], labels[100:])
    assert 0.5 < plain < 0.95
    changed = x * torch.tensor([1e-3, -1.0, 30.0, -1e3, 1.0, 5.0]) + torch.arange(6.0)
    assert probes.linear_probe(changed[:100], labels[:100], changed[100:], labels[100:]) == plain


def test_a_probe_is_ridge_regression_with_the_penalty_of_the_least_leave_one_out_error() -> None:
    """Every image left out in turn, in NumPy: the penalty that predicts it best gives the same decisions."""
    n, d = 24, 8
    x = normal(200, d).double()
    labels = (x[:, 0] + 0.5 * normal(200, seed=3) > 0).long()

    def solve(a: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
        centred = a - a.mean(0)
        weights = np.linalg.solve(centred.T @ centred + alpha * np.eye(d), centred.T @ (y - y.mean()))
        return np.append(weights, y.mean() - a.mean(0) @ weights)

    train, target = x[:n].float().double().numpy(), 2.0 * labels[:n].numpy() - 1
    mean, spread = train.mean(0), train.std(0)
    train = (train - mean) / spread

    def left_out(alpha: float) -> float:
        errors = []
        for i in range(n):
            keep = np.arange(n) != i
            weights = solve(train[keep], target[keep], alpha)
            errors.append((train[i] @ weights[:-1] + weights[-1] - target[i]) ** 2)
        return float(np.mean(errors))

    weights = solve(train, target, min(np.logspace(-1, 5, 7), key=left_out))
    scores = (x[n:].float().double().numpy() - mean) / spread @ weights[:-1] + weights[-1]
    expected = float(((scores > 0) == labels[n:].numpy()).mean())
    assert probes.linear_probe(x[:n], labels[:n], x[n:], labels[n:]) == pytest.approx(expected, abs=1e-9)


def test_clusters_of_separate_groups_however_they_are_turned() -> None:
    x, labels = blobs()
    for features in (x, -x, x @ rotation(5), x + 100):
        clusters = probes.kmeans(features, 3, seed=1)
        assert clusters.dtype == torch.int64
        assert probes.cluster_purity(labels, clusters) == 1
        assert probes.mutual_information(labels, clusters) == pytest.approx(1)
    assert torch.equal(probes.kmeans(x, 5, seed=2), probes.kmeans(x, 5, seed=2))


def test_purity_by_hand() -> None:
    labels, clusters = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([9, 9, 4, 4, 4, 4])
    assert probes.cluster_purity(labels, clusters) == pytest.approx((2 + 2) / 6)
    assert probes.cluster_purity(labels, torch.arange(6)) == 1
    assert probes.cluster_purity(labels, torch.zeros(6)) == pytest.approx(3 / 6)


def information(a: np.ndarray, b: np.ndarray) -> float:
    """I(a; b) / mean(H(a), H(b)) from counts; two constants tell each other everything."""

    def entropy(*columns: np.ndarray) -> float:
        p = np.unique(np.stack(columns), axis=1, return_counts=True)[1] / len(a)
        return float(-(p * np.log(p)).sum())

    mean = (entropy(a) + entropy(b)) / 2
    return 1.0 if mean < 1e-12 else (entropy(a) + entropy(b) - entropy(a, b)) / mean


@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2)), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_mutual_information_is_that_of_the_counts(pairs: list[tuple[int, int]]) -> None:
    labels, clusters = torch.tensor(pairs).unbind(1)
    expected = information(labels.numpy(), clusters.numpy())
    assert probes.mutual_information(labels, clusters) == pytest.approx(expected, abs=1e-9)
    assert probes.mutual_information(labels, 7 - clusters) == pytest.approx(expected, abs=1e-9)


def test_the_pca_map_is_the_leading_part_of_the_singular_value_decomposition() -> None:
    flat = torch.cat([normal(60, 2) * torch.tensor([5.0, 2.0]), torch.zeros(60, 6)], 1) @ rotation(8) + 3
    found = probes.embed_2d(flat)
    assert found.shape == (60, 2)
    assert found.dtype == torch.float32
    ours, theirs = torch.cdist(found.double(), found.double()), torch.cdist(flat.double(), flat.double())
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    u, s, _ = np.linalg.svd((flat - flat.mean(0)).double().numpy(), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.numpy()), np.abs(u[:, :2] * s[:2]), atol=1e-4)
    turned = probes.embed_2d(-flat @ rotation(8))
    torch.testing.assert_close(turned.abs(), found.abs(), atol=1e-4, rtol=1e-4)


def test_the_tsne_map_keeps_groups_together() -> None:
    x, labels = blobs(d=40)
    found = probes.embed_2d(x, "tsne", seed=3)
    assert found.shape == (60, 2)
    nearest = (torch.cdist(found, found) + torch.eye(60) * 1e9).argmin(1)
    assert torch.equal(labels[nearest], labels)
    assert torch.equal(found, probes.embed_2d(x, "tsne", seed=3))


def test_an_untrained_d_knows_something_of_glyphs_already() -> None:
    """Radford et al.'s comparison needs this baseline: random convolutions are features, too."""
    train = load("glyphs:shapes", size=28, limit=300, device="cpu")
    test = load("glyphs:shapes", size=28, limit=200, split="test", device="cpu")
    gan = GAN.build("dcgan", width=8, device="cpu")
    assert train.labels is not None
    assert test.labels is not None
    features = [probes.discriminator_features(gan, images.data) for images in (train, test)]
    found = probes.linear_probe(features[0], train.labels, features[1], test.labels)
    assert found > 0.4, f"chance is 0.1, this is {found}"
    shuffled = train.labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    assert probes.linear_probe(features[0], shuffled, features[1], test.labels) < 0.25
    clusters = probes.kmeans(features[0], 10)
    assert probes.mutual_information(train.labels, clusters) > 0.2
    assert math.isclose(probes.mutual_information(train.labels, train.labels), 1)


def test_bad_input_is_answered_in_one_sentence() -> None:
    x, labels, images = normal(6, 3), torch.tensor([0, 1, 0, 1, 0, 1]), torch.zeros(1, 1, 28, 28)
    gan = GAN.build("mlp", width=8, device="cpu")
    for call, said in [
        (lambda: probes.discriminator_features(gan, images, ["net.9"]), "no layer of MLPDiscriminator"),
        (lambda: probes.discriminator_features(gan, images, []), "no layers to take"),
        (lambda: probes.discriminator_features(gan, images, pool=0), "pool is 0"),
        (lambda: probes.discriminator_features(nn.Linear(2, 1), images), "Linear is not one row of layers"),
        (lambda: probes.linear_probe(x, labels[:5], x, labels), r"shape \(5,\) for 6 images"),
        (lambda: probes.linear_probe(x, labels, x[:, :2], labels), "3 features for training and 2"),
        (lambda: probes.linear_probe(x, labels * 0, x, labels), "all of one class"),
        (lambda: probes.kmeans(x, 7), "7 clusters .* between 1 and 6"),
        (lambda: probes.kmeans(x[None], 2), r"shape \(1, 6, 3\)"),
        (lambda: probes.cluster_purity(labels, labels[1:]), r"\(6,\) and clusters \(5,\)"),
        (lambda: probes.mutual_information(labels[:0], labels[:0]), r"\(0,\)"),
        (lambda: probes.embed_2d(x, "umap"), "no embedding named 'umap'; known: pca, tsne"),
        (lambda: probes.embed_2d(x[:3]), r"shape \(3, 3\)"),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
