"""Whatever is put in, every measure and every call on images answers with its result or with one plain sentence."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_sets import one_sentence
from torch import Tensor, nn

from tgan_lib import GAN, latent, metrics
from tgan_lib.chapters import domains
from tgan_lib.data import (
    Images,
    Sampler,
    few_shot,
    glyphs,
    load,
    resize,
    split,
    to_channels,
    to_float,
    to_uint8,
)
from tgan_lib.features import DigitNet, SmallNet, extract, feature_card, load_features, tapped
from tgan_lib.metrics import probes


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@functools.cache
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=40, device="cpu")


@functools.cache
def gan() -> GAN:
    return GAN.build("dcgan", size=28, latent_dim=4, width=4, device="cpu")


@functools.cache
def distance() -> metrics.Distance:
    return metrics.Distance(digits(), n=12)


FEATURES, LABELS = normal(12, 3), torch.arange(12) % 3
NET = DigitNet().eval()
MOMENTS = (torch.zeros(3), torch.eye(3))
BYTES = torch.randint(0, 256, (6, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

# One right call of each; the tests put other things in place of one argument at a time.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Distance": (metrics.Distance, {"real": digits, "features": "mnist-v1", "n": 12, "seed": 1}),
    "Distance()": (lambda g: distance()(g), {"g": gan}),
    "of_images": (lambda images: distance().of_images(images), {"images": BYTES}),
    "report": (lambda g, k: distance().report(g, k), {"g": gan, "k": 2}),
    "classes": (lambda g, n: distance().classes(g, n), {"g": gan, "n": 5}),
    "same_features": (metrics.same_features, {0: distance}),
    "moments": (metrics.moments, {"features": FEATURES}),
    "frechet_distance": (metrics.frechet_distance, {"features1": FEATURES, "features2": FEATURES}),
    "frechet_between": (
        metrics.frechet_between,
        {"mean1": MOMENTS[0], "cov1": MOMENTS[1], "mean2": MOMENTS[0], "cov2": MOMENTS[1]},
    ),
    "kernel_distance": (
        metrics.kernel_distance,
        {"features1": FEATURES, "features2": FEATURES, "subsets": 2, "subset_size": 5, "seed": 0},
    ),
    "prdc": (metrics.prdc, {"real": FEATURES, "fake": FEATURES + 1, "k": 2}),
    "class_counts": (metrics.class_counts, {"logits": FEATURES}),
    "mode_coverage": (metrics.mode_coverage, {"classes": LABELS, "n_classes": 3, "expected": torch.ones(3)}),
    "mixture_modes": (
        metrics.mixture_modes,
        {"samples": FEATURES, "centres": FEATURES[:2], "std": 0.5, "within": 3.0},
    ),
    "speckle": (metrics.speckle, {"images": BYTES, "threshold": 0.0}),
    "nearest": (metrics.nearest, {"samples": FEATURES, "train": FEATURES}),
    "memorisation": (
        metrics.memorisation,
        {"samples": FEATURES, "train": FEATURES + 1, "heldout": FEATURES - 1, "quantile": 0.1},
    ),
    "mann_whitney": (metrics.mann_whitney, {"a": FEATURES[:, 0], "b": FEATURES[:, 1]}),
    "membership_auc": (metrics.membership_auc, {"train_scores": normal(5), "heldout_scores": normal(4)}),
    "discriminator_overfitting": (
        metrics.discriminator_overfitting,
        {"train_logits": normal(5), "validation_logits": normal(4), "fake_logits": normal(6, seed=1)},
    ),
    "judge": (metrics.judge, {"gan": gan, "images": BYTES, "batch_size": 4}),
    "discriminator_features": (
        probes.discriminator_features,
        {"gan": gan, "images": BYTES, "names": None, "pool": 2, "batch_size": 4},
    ),
    "linear_probe": (
        probes.linear_probe,
        {
            "train_features": FEATURES,
            "train_labels": LABELS,
            "test_features": FEATURES,
            "test_labels": LABELS,
        },
    ),
    "kmeans": (probes.kmeans, {"features": FEATURES, "k": 2, "seed": 0}),
    "cluster_purity": (probes.cluster_purity, {"labels": LABELS, "clusters": LABELS}),
    "mutual_information": (probes.mutual_information, {"labels": LABELS, "clusters": LABELS}),
    "embed_2d": (probes.embed_2d, {"features": FEATURES, "method": "pca", "seed": 0, "perplexity": 3.0}),
    "extract": (extract, {"net": NET, "images": BYTES, "batch_size": 4}),
    "load_features": (load_features, {"name": "mnist-v1", "device": "cpu"}),
    "feature_card": (feature_card, {"name": "mnist-v1"}),
    "SmallNet": (SmallNet, {"size": 16, "channels": 1, "n_features": 8, "n_classes": 3, "width": 4}),
    "tapped": (
        lambda module, names: tapped(module, FEATURES, names),
        {"module": nn.Sequential(nn.ReLU()), "names": ["0"]},
    ),
    "lerp": (latent.lerp, {"a": normal(4), "b": normal(4, seed=1), "t": 0.3}),
    "slerp": (latent.slerp, {"a": normal(4), "b": normal(4, seed=1), "t": 0.3}),
    "truncate": (latent.truncate, {"z": normal(3, 4), "amount": 0.5, "centre": None}),
    "closed_form_directions": (
        lambda g, k: latent.closed_form_directions(g.ema if isinstance(g, GAN) else g, k),
        {"g": gan, "k": 2},
    ),
    "pca_directions": (latent.pca_directions, {"gan": gan, "n": 12, "k": 2, "layer": None, "seed": 0}),
    "attributes": (latent.attributes, {"images": BYTES}),
    "attribute_directions": (latent.attribute_directions, {"gan": gan, "n": 12, "seed": 0}),
    "invert": (
        latent.invert,
        {"gan": gan, "images": BYTES, "restarts": 1, "steps": 1, "lr": 0.1, "prior_weight": 0.1, "seed": 0}
        | {"features": None, "feature_weight": 1.0},
    ),
    "Images": (Images, {"data": BYTES, "labels": LABELS[:6]}),
    "Images.subset": (lambda indices: digits().subset(indices), {"indices": [0, 3]}),
    "Images.batch": (lambda indices: digits().batch(indices), {"indices": [0, 3]}),
    "Images.to": (lambda device: digits().to(device), {"device": "cpu"}),
    "Sampler": (Sampler, {"n": 5, "batch_size": 2, "seed": 0, "device": "cpu"}),
    "Sampler.load": (
        lambda state: Sampler(5, 2).load_state_dict(state),
        {"state": Sampler(5, 2).state_dict()},
    ),
    "few_shot": (few_shot, {"images": digits, "n": 5, "seed": 0}),
    "few_shot of each": (lambda images, k: few_shot(images, per_class=k), {"images": digits, "k": 1}),
    "split": (split, {"images": digits, "share": 0.5, "seed": 0}),
    "to_float": (to_float, {"images": BYTES}),
    "to_uint8": (to_uint8, {"images": BYTES / 127.5 - 1}),
    "to_channels": (to_channels, {"images": BYTES, "channels": 3}),
    "resize": (resize, {"images": BYTES, "size": 8}),
    "glyphs": (
        glyphs.draw,
        {"domain": "digits", "n": 2, "size": 16, "channels": 1, "seed": 0, "classes": None},
    ),
    "load": (
        load,
        {"name": "glyphs:digits", "size": 16, "channels": 1, "device": "cpu", "split": "train"}
        | {"limit": 2},
    ),
    "rank_correlation": (domains.rank_correlation, {"x": normal(5), "y": normal(5, seed=1)}),
    "within_targets": (domains.within_targets, {"distances": normal(4, 4), "gains": normal(4, 4, seed=1)}),
    "relabelled": (domains.relabelled, {"distances": normal(3, 3), "gains": normal(3, 3, seed=1)}),
    "leaving_one_out": (domains.leaving_one_out, {"distances": normal(4, 4), "gains": normal(4, 4, seed=1)}),
}
JUNK: dict[str, Any] = {
    "None": None,
    "zero": 0,
    "minus one": -1,
    "huge": 10**30,
    "a huge float": 1e300,
    "NaN": math.nan,
    "infinity": math.inf,
    "a half": 0.5,
    "true": True,
    "a word": "no such thing",
    "no word": "",
    "bytes": b"x",
    "a list": [1, 2],
    "no list": [],
    "words": ["a", "b"],
    "a dict": {},
    "an object": object(),
    "a class": Images,
    "an array": np.zeros((2, 3)),
    "a numpy bool": np.bool_(True),
    "a scalar tensor": torch.tensor(2.5),
    "an empty tensor": torch.zeros(0),
    "empty rows": torch.zeros(0, 3),
    "empty images": torch.zeros(0, 1, 28, 28),
    "no columns": torch.zeros(3, 0),
    "integers": torch.arange(6),
    "truth values": torch.tensor([True, False]),
    "complex": torch.zeros(3, 3, dtype=torch.complex64),
    "NaN in it": torch.full((12, 3), math.nan),
    "infinity in it": torch.full((3, 3), math.inf),
    "five channels": torch.zeros(2, 5, 28, 28),
    "NaN images": torch.full((2, 1, 28, 28), math.nan),
    "in 0 to 255": torch.arange(2 * 784.0).view(2, 1, 28, 28) % 256,
    "int64 images": torch.zeros(2, 1, 28, 28, dtype=torch.long),
    "a cube": torch.zeros(2, 3, 4),
    "a module": nn.ReLU(),
    "images": digits,
    "a GAN": gan,
}
SENTENCE = re.compile(
    r"(right|should be)\b|known:|needed|must |cannot be|has between|finds? here"
    r"|give at least|give the name|name those|latents would enter|so no direction"
)


def made(value: Any) -> Any:
    return value() if any(value is late for late in (digits, gan, distance)) else value


def call(name: str, changed: dict[Any, Any]) -> None:
    function, arguments = CALLS[name]
    given = {key: made(value) for key, value in (arguments | changed).items()}
    places = [given.pop(key) for key in sorted(key for key in given if isinstance(key, int))]
    try:
        function(*places, **given)
    except (ValueError, TypeError, FileNotFoundError) as error:
        text = one_sentence(error)
        assert len(text) < 400, text
        assert SENTENCE.search(text), f"no sentence of ours: {text}"


@pytest.mark.parametrize("name", CALLS)
def test_the_right_call_of_each_has_a_result(name: str) -> None:
    function, arguments = CALLS[name]
    given = {key: made(value) for key, value in arguments.items()}
    places = [given.pop(key) for key in sorted(key for key in given if isinstance(key, int))]
    function(*places, **given)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CALLS)
def test_each_argument_in_turn_is_answered_in_a_sentence(name: str) -> None:
    failures = []
    for argument in CALLS[name][1]:
        for kind, value in JUNK.items():
            try:
                call(name, {argument: value})
            except Exception as error:
                failures.append(f"{name}({argument}={kind}): {type(error).__name__}: {error}"[:300])
    assert not failures, "\n".join(failures)
