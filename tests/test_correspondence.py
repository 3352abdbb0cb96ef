"""Cross-domain correspondence: its equations against NumPy, and the term as training meets it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moved_gans import gradients, moved, normal, settle, small, step
from torch import nn

from tgan_lib.features import tapped
from tgan_lib.gan import GAN
from tgan_lib.networks import layers
from tgan_lib.transfer import (
    CrossDomainCorrespondence,
    correspondence,
    low_rank,
    miner,
    relations,
    scale_shift,
)
from tgan_lib.transfer.regularizers import hidden_outputs

NETWORKS = ("mlp", "dcgan", "resnet", "modern")


def numpy_relations(x: np.ndarray) -> np.ndarray:
    """y: rows of a softmax over the other samples' cosine similarities, each row sorted by sample."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    rows = []
    for i in range(len(flat)):
        others = [j for j in range(len(flat)) if j != i]
        sims = [flat[i] @ flat[j] / np.linalg.norm(flat[i]) / np.linalg.norm(flat[j]) for j in others]
        rows.append(np.exp(sims) / np.exp(sims).sum())
    return np.array(rows)


def numpy_correspondence(source: np.ndarray, target: np.ndarray) -> float:
    p, q = numpy_relations(source), numpy_relations(target)
    return float((p * np.log(p / q)).mean())


@given(n=st.integers(3, 7), seed=st.integers(0, 99), scale=st.floats(0.1, 10))
@settings(max_examples=15, deadline=None)
def test_correspondence_is_that_of_the_equations(n: int, seed: int, scale: float) -> None:
    a, b = normal(n, 3, 4, 4, seed=seed), normal(n, 3, 4, 4, seed=seed + 1)
    expected = numpy_correspondence(a.numpy(), b.numpy())
    assert expected > 0
    assert correspondence(a, b).item() == pytest.approx(expected, rel=1e-9)
    lengths = scale * (1 + normal(n, 1, 1, 1, seed=seed).abs())  # a cosine does not see them
    assert correspondence(a, b * lengths).item() == pytest.approx(expected, rel=1e-9)
    assert correspondence(a, a).item() == 0


def test_the_softmax_is_over_the_others_alone() -> None:
    found = relations(torch.eye(4)).exp()
    assert found.shape == (4, 3)
    torch.testing.assert_close(found, torch.full((4, 3), 1 / 3))  # with itself: e / (e + 3) for itself
    # two alike, a third turned away from them: similarities 1, -1 and -1, -1
    pair = relations(torch.tensor([[1.0], [1.0], [-1.0]])).exp()
    e2 = float(np.exp(2))
    torch.testing.assert_close(pair.sort(1).values[0], torch.tensor([1 / (1 + e2), e2 / (1 + e2)]))
    torch.testing.assert_close(pair[2], torch.tensor([0.5, 0.5]))


def test_correspondence_is_the_divergence_from_source_to_target_and_its_elements_mean() -> None:
    source, target = torch.tensor([[1.0], [1.0], [-1.0]]).double(), torch.eye(3).double()
    q = np.exp(2) / (1 + np.exp(2))
    row = q * np.log(2 * q) + (1 - q) * np.log(2 * (1 - q))  # KL((q, 1 - q) || (1/2, 1/2))
    assert correspondence(source, target).item() == pytest.approx(2 * row / 6, rel=1e-12)
    other_way = 0.5 * np.log(0.5 / q) + 0.5 * np.log(0.5 / (1 - q))
    assert correspondence(target, source).item() == pytest.approx(2 * other_way / 6, rel=1e-12)


def test_the_gradient_of_correspondence_is_that_of_finite_differences() -> None:
    source, target = normal(4, 2, 3), normal(4, 2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: correspondence(source, t), (target,))


@pytest.mark.parametrize("network", NETWORKS)
def test_cdc_is_zero_at_the_source_and_numpy_elsewhere(network: str) -> None:
    source = settle(small(network))
    term = CrossDomainCorrespondence(source, weight=1000.0, anchors=5)
    assert len(term.taps) == len(layers(source.generator)) - 1
    target = copy.deepcopy(source)
    target.generator.train()
    before = {name: buffer.clone() for name, buffer in target.generator.named_buffers()}
    assert term(step(target)).item() == 0
    first = next(name for name, _ in target.generator.named_parameters())
    flat = np.abs(gradients(term, target, [first])[first]).max()
    moved(target, size=0.3)
    value = term(step(target))
    assert flat < 1e-3 * np.abs(gradients(term, target, [first])[first]).max()  # the source is a minimum
    z = target.latents(8, seed=1)[:5]
    target.generator.eval()
    with torch.no_grad():
        kept, changed = tapped(term.source, z, term.taps), tapped(target.generator, z, term.taps)
    each = [numpy_correspondence(kept[t].numpy(), changed[t].numpy()) for t in term.taps]
    assert value.item() == pytest.approx(1000 * np.mean(each), rel=1e-3)
    assert value.item() > 0
    for name, buffer in target.generator.named_buffers():  # statistics did not count the anchors
        assert torch.equal(buffer, before[name])


def test_cdc_taps_lie_behind_activations() -> None:
    gan = small("dcgan")
    assert hidden_outputs(gan.generator) == ["net.3", "net.6"]
    assert all(isinstance(gan.generator.net[i], nn.ReLU) for i in (3, 6))
    assert CrossDomainCorrespondence(gan, taps=["net.2"]).taps == ["net.2"]


def test_cdc_takes_the_first_latents_and_keeps_modes() -> None:
    source = settle(small())
    term = CrossDomainCorrespondence(source, anchors=3)
    target = settle(small(seed=1))
    target.generator.train()
    target.generator.net[2].eval()
    now = step(target, 4)
    value = term(now).item()
    now.z[3] += 5
    assert term(now).item() == value
    now.z[2] += 5
    assert term(now).item() != value
    assert [m.training for m in target.generator.net[:4]] == [True, True, False, True]


@pytest.mark.parametrize("adapt", [scale_shift, low_rank, miner])
@pytest.mark.parametrize("network", ["mlp", "dcgan", "modern"])
def test_cdc_is_zero_for_a_network_that_has_just_been_adapted(
    adapt: Callable[[GAN], GAN], network: str
) -> None:
    source = settle(small(network))
    term = CrossDomainCorrespondence(source)
    assert term(step(adapt(copy.deepcopy(source)))).item() == 0


def test_cdc_keeps_a_source_of_its_own() -> None:
    source, target = settle(small()), settle(small(seed=1))
    term = CrossDomainCorrespondence(source)
    value, digits = term(step(target)).item(), term.settings()["source"]
    with torch.no_grad():
        for p in source.ema.parameters():
            p.add_(1)
    assert term(step(target)).item() == value
    assert len(digits) == 16
    assert CrossDomainCorrespondence(source).settings()["source"] != digits
    assert CrossDomainCorrespondence(settle(small())).settings()["source"] == digits
    assert not any(p.requires_grad for p in term.source.parameters())
