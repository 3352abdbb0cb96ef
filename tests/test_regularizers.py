"""L2-SP, EWC and its Fisher information: against closed forms, NumPy, a plain loop, and the loop of `train`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from moved_gans import gradients, moved, normal, settle, small, step
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import logsigmoid

from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.plain import hash_of
from tgan_lib.training.checkpoint import CheckpointError
from tgan_lib.training.terms import Term
from tgan_lib.training.train import train
from tgan_lib.transfer import (
    EWC,
    L2SP,
    CrossDomainCorrespondence,
    correspondence,
    fisher_diagonal,
    freeze_generator,
    low_rank,
    relations,
    scale_shift,
)


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=64, device="cpu")


# L2-SP


@given(weight=st.floats(0.01, 50), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_l2sp_is_half_the_squared_distance_and_its_gradient_the_change(weight: float, seed: int) -> None:
    gan = small("mlp")
    term = L2SP(gan, weight)
    assert term(step(gan)).item() == 0
    changes = moved(gan, seed=seed)
    expected = weight / 2 * sum((c**2).sum() for c in changes.values())
    assert term(step(gan)).item() == pytest.approx(expected, rel=1e-5)
    for name, gradient in gradients(term, gan, list(changes)).items():
        np.testing.assert_allclose(gradient, weight * changes[name], rtol=1e-5, atol=1e-6 * weight)


def test_l2sp_holds_what_trains_in_the_network_named() -> None:
    gan = freeze_generator(small(), 1)
    free = {n for n, p in gan.generator.named_parameters() if p.requires_grad}
    assert set(L2SP(gan, 1.0).start) == free < set(dict(gan.generator.named_parameters()))
    term = L2SP(gan, 2.0, network="discriminator")
    assert term.side == "discriminator"
    assert set(term.start) == set(dict(gan.discriminator.named_parameters()))
    with torch.no_grad():
        next(gan.discriminator.parameters())[0, 0, 0, 0] += 3
    assert term(step(gan)).item() == pytest.approx(9.0, rel=1e-6)


def test_a_penalised_run_ends_nearer_to_its_start(digits: Images) -> None:
    def distance(weight: float) -> float:
        gan = small("mlp")
        term = L2SP(gan, weight)
        train(gan, digits, steps=6, batch_size=8, learning_rate=0.01, terms=[term], progress=False)
        return term(step(gan)).item() / weight

    assert distance(100.0) < 0.5 * distance(1e-6)


# Fisher information


@given(n=st.integers(1, 40), d=st.integers(1, 5), seed=st.integers(0, 99), chunk=st.integers(1, 50))
@settings(max_examples=15, deadline=None)
def test_fisher_of_logistic_regression(n: int, d: int, seed: int, chunk: int) -> None:
    w, b, x = normal(d, seed=seed), normal(1, seed=seed + 1), 2 * normal(n, d, seed=seed + 2)

    def logit(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
        return parameters["w"] @ one + parameters["b"][0]

    p = 1 / (1 + np.exp(-(x.numpy() @ w.numpy() + b.numpy())))
    for labels, share in (("model", p * (1 - p)), ("real", (1 - p) ** 2)):
        found = fisher_diagonal(logit, {"w": w, "b": b}, x, labels, batch_size=chunk)
        expected = (share[:, None] * x.numpy() ** 2).mean(0)
        np.testing.assert_allclose(found["w"].numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(found["b"].numpy(), [share.mean()], rtol=1e-12)


def test_fisher_is_the_mean_of_squares_and_not_the_square_of_the_mean() -> None:
    x = torch.tensor([[2.0], [-2.0]])  # at w = 0 the two gradients cancel
    found = fisher_diagonal(lambda p, one: (p["w"] * one).sum(), {"w": torch.zeros(1)}, x, "real")
    assert found["w"].item() == pytest.approx(0.25 * 4)


@pytest.mark.parametrize("network", ["mlp", "dcgan", "resnet"])
def test_fisher_of_a_generator_equals_a_loop_over_samples_and_labels(network: str) -> None:
    gan = settle(small(network))
    g, d = gan.generator, gan.discriminator
    with torch.no_grad():  # logits away from 0, so that labels differ
        list(d.parameters())[-1].add_(0.7)
    terms = {labels: EWC(gan, 1.0, samples=3, labels=labels, seed=3) for labels in ("model", "real")}
    g.eval(), d.eval()
    parameters = dict(g.named_parameters())
    total = {(labels, name): np.zeros(p.shape) for labels in terms for name, p in parameters.items()}
    for z in gan.latents(3, seed=3):
        s = d(g(z[None])).sum()
        for real, probability in ((True, torch.sigmoid(s).item()), (False, torch.sigmoid(-s).item())):
            log_likelihood = logsigmoid(s if real else -s)
            slopes = torch.autograd.grad(log_likelihood, list(parameters.values()), retain_graph=True)
            for name, slope in zip(parameters, slopes, strict=True):
                square = slope.double().numpy() ** 2 / 3
                total["model", name] += probability * square
                total["real", name] += real * square
    for (labels, name), expected in total.items():
        assert expected.max() > 0
        found = terms[labels].fisher[name].numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())


# EWC


def test_ewc_weighs_each_change_by_its_fisher_information() -> None:
    gan = settle(small())
    term = EWC(gan, 40.0, samples=8)
    assert term(step(gan)).item() == 0
    changes = moved(gan)
    fisher = {name: f.double().numpy() for name, f in term.fisher.items()}
    expected = 20 * sum((fisher[name] * c**2).sum() for name, c in changes.items())
    assert expected > 0
    assert term(step(gan)).item() == pytest.approx(expected, rel=1e-5)
    for name, gradient in gradients(term, gan, list(changes)).items():
        want = 40 * fisher[name] * changes[name]
        np.testing.assert_allclose(gradient, want, rtol=1e-5, atol=1e-6 * abs(want).max())
    flat = np.concatenate([f.ravel() for f in fisher.values()])
    assert term.scale == pytest.approx(flat.mean(), rel=1e-5)
    for f in term.fisher.values():
        f.fill_(1)
    gan = settle(small())
    l2sp = L2SP(gan, 40.0)
    moved(gan)
    assert term(step(gan)).item() == pytest.approx(l2sp(step(gan)).item(), rel=1e-6)


def test_ewc_leaves_the_gan_as_it_was() -> None:
    gan = settle(small())
    gan.generator.train()
    gan.discriminator.train()
    gan.discriminator.net[0].eval()
    state = {name: copy.deepcopy(m.state_dict()) for name, m in gan.modules().items()}
    one, two = EWC(gan, 1.0, samples=4, seed=2), EWC(gan, 1.0, samples=4, seed=2)
    for name, before in state.items():
        after = gan.modules()[name].state_dict()
        assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(m.training for m in gan.generator.modules())
    assert [m.training for m in gan.discriminator.net[:2]] == [False, True]
    assert all(p.grad is None and p.requires_grad for p in gan.discriminator.parameters())
    assert all(torch.equal(one.fisher[name], two.fisher[name]) for name in one.fisher)
    other = EWC(gan, 1.0, samples=4, seed=2, judge=small(seed=9).discriminator)
    assert any(not torch.equal(one.fisher[name], other.fisher[name]) for name in one.fisher)


def test_ewc_of_adapters_is_about_the_adapters() -> None:
    gan = low_rank(settle(small()), rank=2)
    term = EWC(gan, 1.0, samples=3)
    assert all(name.endswith((".a", ".b")) for name in term.fisher)
    # B is 0 at first, so that A changes nothing yet
    assert all((f.max() > 0) == name.endswith(".b") for name, f in term.fisher.items())


# In training


@pytest.mark.parametrize("kind", ["l2sp", "l2sp_d", "ewc", "cdc"])
def test_a_resumed_run_holds_to_what_it_began_with(digits: Images, tmp_path: Path, kind: str) -> None:
    source = small("mlp", seed=3)

    def term(gan: GAN) -> Term:
        if kind == "ewc":
            return EWC(gan, 1e6, samples=4)
        if kind == "cdc":
            return CrossDomainCorrespondence(source)
        return L2SP(gan, 10.0, network="discriminator" if kind == "l2sp_d" else "generator")

    options: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.01, "progress": False}
    whole, parts, again = small("mlp"), small("mlp"), small("mlp")
    train(whole, digits, steps=3, terms=[term(whole)], **options)
    train(parts, digits, steps=1, terms=[term(parts)], run_dir=tmp_path, **options)
    train(again, digits, steps=3, terms=[term(again)], run_dir=tmp_path, **options)
    for name, network in whole.modules().items():
        state = again.modules()[name].state_dict()
        assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())


def test_a_resumed_run_refuses_another_source(digits: Images, tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 8, "progress": False, "run_dir": tmp_path}
    train(small("mlp"), digits, steps=1, terms=[CrossDomainCorrespondence(small("mlp"))], **options)
    for other in (CrossDomainCorrespondence(small("mlp", seed=4)), L2SP(small("mlp"), 1.0)):
        with pytest.raises(CheckpointError, match=r"with terms\[0\]"):
            train(small("mlp"), digits, steps=2, terms=[other], **options)


def test_no_value_is_read_back_from_the_device() -> None:
    """Tensors without values: whatever looks at one (item, float, if) raises here."""
    gan = settle(small())
    terms = [L2SP(gan, 1.0), EWC(gan, 1.0, samples=2), CrossDomainCorrespondence(gan)]
    now = step(gan)
    with FakeTensorMode(allow_non_fake_inputs=True):
        total = sum(term(now) for term in terms)
        found = torch.autograd.grad(total, list(gan.generator.parameters()))
    assert [g.shape for g in found] == [p.shape for p in gan.generator.parameters()]


def test_settings_are_plain_values() -> None:
    gan = small("mlp")
    assert L2SP(gan, 2).settings() == {"name": "l2sp", "weight": 2.0, "network": "generator"}
    ewc = EWC(gan, 3, samples=2, labels="real", seed=4)
    assert ewc.settings() == {
        **{"name": "ewc", "weight": 3.0, "samples": 2, "labels": "real", "seed": 4},
        **{"relative": False, "judge": None},
    }
    cdc = CrossDomainCorrespondence(gan, anchors=3)
    assert cdc.settings() == {
        "name": "cross_domain_correspondence",
        "weight": 1000.0,
        "anchors": 3,
        "taps": ["net.1", "net.3", "net.5"],
        "source": cdc.hash,
    }


def test_relative_ewc_means_what_l2sp_means_and_is_known_again_where_it_is_rounded_otherwise() -> None:
    gan = settle(small())
    plain, relative = EWC(gan, 4.0, samples=8), EWC(gan, 4.0, samples=8, relative=True)
    assert relative.scale == pytest.approx(1, rel=1e-5)
    changes = moved(gan)
    fisher = {name: f.double().numpy() / plain.scale for name, f in plain.fisher.items()}
    expected = 2 * sum((fisher[name] * c**2).sum() for name, c in changes.items())
    assert relative(step(gan)).item() == pytest.approx(expected, rel=1e-4)
    assert relative.settings()["weight"] == 4.0  # F, which threads round, is in the state and not compared
    judge = small(seed=9).discriminator
    assert EWC(gan, 1, samples=1, judge=judge).settings()["judge"] == hash_of(judge.state_dict())
    last = list(judge.parameters())[-1]
    last.data.fill_(1e4)  # sure of everything
    with pytest.raises(ValueError, match="the mean of the Fisher information is 0"):
        EWC(gan, 1, samples=2, judge=judge, relative=True)


def test_plain_errors() -> None:
    gan = small("mlp")
    for make, words in {
        lambda: L2SP(gan, -1): r"L2SP's weight is -1; a number from 0",
        lambda: L2SP(gan, "1"): r"L2SP's weight is '1'; a number from 0",  # type: ignore[arg-type]
        lambda: EWC(gan, float("nan")): "EWC's weight is nan",
        lambda: L2SP(gan, 1, "generater"): r"no network named 'generater' \(did you mean",  # type: ignore[arg-type]
        lambda: EWC(gan, 1, samples=0): "EWC's samples is 0; a whole number",
        lambda: EWC(gan, 1, samples=1, labels="fake"): "no choice of labels named 'fake'; known: model, real",
        lambda: CrossDomainCorrespondence(gan, anchors=2): "anchors is 2; a whole number",
        lambda: CrossDomainCorrespondence(gan, taps="net.2"): "taps is 'net.2'; a list of layers' names",
        lambda: CrossDomainCorrespondence(gan, taps=[]): "no layers to compare",
        lambda: CrossDomainCorrespondence(gan, taps=["net.99"])(step(gan)): "no layer of .* named 'net.99'",
        lambda: CrossDomainCorrespondence(gan)(step(gan, 3)): "the batch has 3 latents; 4 or more",
        lambda: relations(torch.ones(1, 3)): r"activations have shape \(1, 3\)",
        lambda: correspondence(
            torch.ones(3, 2), torch.ones(4, 2)
        ): "3 samples of the source and 4 of the target",
        lambda: fisher_diagonal(lambda p, x: x.sum(), {}, torch.ones(0, 2)): r"inputs have shape \(0, 2\)",
    }.items():
        with pytest.raises(ValueError, match=words):
            make()
    term = L2SP(gan, 1)
    with pytest.raises(
        ValueError, match=r"L2SP was made for other parameters of the generator, such as net.0.bias"
    ):
        term(step(scale_shift(gan)))
    gan.generator.requires_grad_(False)
    with pytest.raises(
        ValueError, match="every parameter of MLPGenerator is frozen, so there is nothing to hold"
    ):
        L2SP(gan, 1)
