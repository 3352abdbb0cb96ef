"""A discriminator as a feature learner: its layers as numbers for each image, and what those numbers know.

D saw no labels, yet to tell real from generated it had to learn what images are made of. Radford, Metz and Chintala
(2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks", section 5.1)
measure how much: take every convolutional layer's maps, max-pool each to a 4x4 grid, lay all of them end to end,
and fit a linear classifier to the result. `discriminator_features` does the first part for any discriminator, the
other functions ask the features: a linear probe, clusters, a map in two dimensions.

Features are (N, d) tensors on any device; labels and clusters are (N,) whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from ..data.images import Images, tensor_of
from ..device import device_of, evaluating
from ..errors import check_kind, one_of, real_number, seed_number, whole_number
from ..features.taps import tapped
from ..gan import GAN
from ..inputs import as_floats, feature_matrix, labels_of
from ..networks import layers

EMBEDDINGS = ("pca", "tsne")


def hidden_layers(discriminator: nn.Module, images: Tensor) -> list[str]:
    """Names of the outputs of every layer of D but the last, whose outputs are the logits.

    A layer's output is taken behind its norm and activation, before any reshaping. `images` are a few that D
    takes; they pass once, to see the shapes. ValueError for a D that is not one row of layers.
    """
    check_kind("discriminator", discriminator, nn.Module, "a torch module")
    net = getattr(discriminator, "net", None)
    if not isinstance(net, nn.Sequential):
        raise ValueError(
            f"{type(discriminator).__name__} is not one row of layers; name those to take features from"
        )
    outputs = tapped(discriminator, images, [f"net.{name}" for name, _ in net.named_children()])
    starts = {id(layer[0]) for layer in layers(discriminator)}
    found: list[str] = []
    for child, (name, output) in zip(net, outputs.items(), strict=True):
        if id(child) in starts:
            found.append(name)
        elif found and output.ndim == outputs[found[-1]].ndim:
            found[-1] = name
    return found[:-1]


@torch.no_grad()
def discriminator_features(
    gan: GAN | nn.Module,
    images: Images | Tensor,
    names: Sequence[str] | None = None,
    pool: int = 4,
    batch_size: int = 500,
) -> Tensor:
    """D's layers for each image: (N, d), layer after layer, on D's device.

    gan: a GAN, or a discriminator itself. images: `Images`, or (N, C, H, W), floats in [-1, 1] or uint8. names: the
    layers, as in `features.taps`; by default all but the last (`hidden_layers`). Maps larger than `pool` are max-pooled
    to `pool` x `pool`; a layer without maps is taken as it is. D runs in eval mode, and is left as it was.
    """
    net = gan.discriminator if isinstance(gan, GAN) else gan
    check_kind("gan", net, nn.Module, "a GAN or a discriminator")
    if names is not None:
        check_kind("names", names, (list, tuple), "a list of names, or None,")
    pool, batch_size = whole_number("pool", pool), whole_number("batch_size", batch_size)
    images = tensor_of(images, floats="loose")

    def floats(part: Tensor) -> Tensor:
        return as_floats(part.to(device_of(net)))

    with evaluating(net):
        chosen = hidden_layers(net, floats(images[:2])) if names is None else list(names)
        if not chosen:
            raise ValueError("there are no layers to take features from; give the name of at least one")
        rows = []
        for part in images.split(batch_size):
            outputs = tapped(net, floats(part), chosen)
            rows.append(torch.cat([pooled(maps, pool) for maps in outputs.values()], 1))
    return torch.cat(rows)


def pooled(maps: Tensor, pool: int) -> Tensor:
    """(N, C, H, W) max-pooled to at most `pool` x `pool` and flattened; anything else is only flattened."""
    if maps.ndim == 4:
        maps = adaptive_max_pool2d(maps, (min(pool, maps.shape[2]), min(pool, maps.shape[3])))
    return maps.flatten(1)


def linear_probe(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, test_labels: Tensor
) -> float:
    """The share of test images whose class a linear classifier finds, trained on the training features.

    Ridge regression onto the classes (scikit-learn's RidgeClassifierCV) on features scaled to zero mean and unit
    variance. Its penalty is chosen by leave-one-out on the training images alone. It has a closed form, so there
    is nothing to tune and no seed.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for features, labels in ((train_features, train_labels), (test_features, test_labels)):
        labels_of(labels, len(feature_matrix(features)))
    if train_features.shape[1] != test_features.shape[1]:
        raise ValueError(
            f"there are {train_features.shape[1]} features for training and {test_features.shape[1]} for testing; "
            "both should come from the same layers"
        )
    if len(train_labels.unique()) < 2:
        raise ValueError("the training labels are all of one class; a probe needs at least two")
    probe = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-1, 5, 7)))
    probe.fit(array(train_features), array(train_labels))
    return float((probe.predict(array(test_features)) == array(test_labels)).mean())


def kmeans(features: Tensor, k: int, seed: int = 0) -> Tensor:
    """Which of `k` clusters each image is in, int64 (N,), on the CPU: k-means, the best of 10 starts."""
    from sklearn.cluster import KMeans

    feature_matrix(features)
    k = whole_number("k", k)
    if k > len(features):
        raise ValueError(
            f"{k} clusters were asked for; {len(features)} images make between 1 and {len(features)}"
        )
    return torch.from_numpy(
        KMeans(k, n_init=10, random_state=_seed(seed)).fit_predict(array(features))
    ).long()


def cluster_purity(labels: Tensor, clusters: Tensor) -> float:
    """The share of images whose class is their cluster's most frequent one, in (0, 1].

    It grows with the number of clusters, to 1 when each image has its own, so compare at equal k.
    """
    check_pair(labels, clusters)
    _, rows = clusters.cpu().unique(return_inverse=True)
    _, columns = labels.cpu().unique(return_inverse=True)
    counts = torch.zeros(int(rows.max()) + 1, int(columns.max()) + 1)
    counts.index_put_((rows, columns), torch.ones(len(rows)), accumulate=True)
    return float(counts.max(1).values.sum() / len(labels))


def mutual_information(labels: Tensor, clusters: Tensor) -> float:
    """The mutual information of classes and clusters over the mean of their entropies: 0 unrelated, 1 the same.

    Names do not matter: numbering the clusters otherwise changes nothing (scikit-learn's
    normalized_mutual_info_score).
    """
    from sklearn.metrics import normalized_mutual_info_score

    check_pair(labels, clusters)
    return float(normalized_mutual_info_score(array(labels), array(clusters)))


def embed_2d(features: Tensor, method: str = "pca", seed: int = 0, perplexity: float = 30.0) -> Tensor:
    """Each image as a point of the plane, float32 (N, 2), on the CPU.

    "pca": the two directions along which features vary most; distances are those of the features, seen from one
    side. "tsne" (van der Maaten and Hinton, 2008, "Visualizing Data using t-SNE"): neighbours stay neighbours, and
    distances between far groups mean little. t-SNE takes the first 30 principal components, as its authors did,
    and `perplexity` (about how many neighbours count), lowered where there are few images.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    one_of("embedding", method, EMBEDDINGS)
    feature_matrix(features)
    perplexity = real_number("perplexity", perplexity, above=0)
    n, d = features.shape
    if n < 4 or d < 2:
        raise ValueError(
            f"features have shape {tuple(features.shape)}; a map needs (n, d) with n >= 4 and d >= 2"
        )
    wanted = 2 if method == "pca" else min(30, n, d)
    points = PCA(wanted, random_state=_seed(seed)).fit_transform(array(features))
    if method == "tsne":
        neighbours = min(perplexity, (n - 1) / 3)
        points = TSNE(2, perplexity=neighbours, init="pca", random_state=_seed(seed)).fit_transform(points)
    return torch.from_numpy(np.ascontiguousarray(points)).float()


def array(x: Tensor) -> np.ndarray:
    """A tensor for scikit-learn: on the CPU, floats as float32."""
    x = x.detach().cpu()
    return (x.float() if x.is_floating_point() else x).numpy()


def _seed(seed: int) -> int:
    """A seed for scikit-learn, whose seeds have 32 bits."""
    return seed_number(seed) % 2**32


def check_pair(labels: Tensor, clusters: Tensor) -> None:
    """ValueError unless both say something of the same images."""
    for name, numbers in (("labels", labels), ("clusters", clusters)):
        check_kind(name, numbers, Tensor, "a tensor (N,)")
    if labels.ndim != 1 or labels.shape != clusters.shape or not len(labels):
        raise ValueError(
            f"labels have shape {tuple(labels.shape)} and clusters {tuple(clusters.shape)}; both should be (N,)"
        )
    if not (torch.isfinite(labels).all() and torch.isfinite(clusters).all()):
        raise ValueError("labels or clusters hold NaN or infinity; whole numbers are right")
