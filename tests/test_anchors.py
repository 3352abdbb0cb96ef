"""Terms that hold training to its source: against closed forms, NumPy, a plain loop, and the loop of `train`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import logsigmoid

from tgan_lib.data import Images, load
from tgan_lib.features import tapped
from tgan_lib.gan import GAN
from tgan_lib.networks import layers
from tgan_lib.training.checkpoint import CheckpointError
from tgan_lib.training.terms import Step, Term
from tgan_lib.training.train import train
from tgan_lib.transfer import (
    EWC,
    L2SP,
    CrossDomainCorrespondence,
    correspondence,
    fisher_diagonal,
    freeze_generator,
    low_rank,
    miner,
    relations,
    scale_shift,
)
from tgan_lib.transfer.regularizers import hidden_outputs

NETWORKS = ("mlp", "dcgan", "resnet", "modern")


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=64, device="cpu")


def small(network: str = "dcgan", seed: int = 0) -> GAN:
    return GAN.build(network, size=16, latent_dim=6, width=4, seed=seed, device="cpu")


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def step(gan: GAN, batch: int = 8) -> Step:
    """A step as a term sees it; images and logits are not what these terms look at."""
    z = gan.latents(batch, seed=1)
    nothing = torch.zeros(batch)
    return Step(gan, nothing, z, nothing, nothing, nothing)


def moved(gan: GAN, size: float = 0.1, seed: int = 5) -> dict[str, np.ndarray]:
    """Move every trained parameter of G; the changes by name, in float64."""
    changes = {}
    for i, (name, p) in enumerate(gan.generator.named_parameters()):
        if p.requires_grad:
            before = p.detach().double().clone()
            p.data += size * normal(*p.shape, seed=seed + i).to(p.dtype)
            changes[name] = (p.detach().double() - before).numpy()
    return changes


def gradients(term: Term, gan: GAN, names: list[str]) -> dict[str, np.ndarray]:
    parameters = dict(gan.generator.named_parameters())
    found = torch.autograd.grad(term(step(gan)), [parameters[name] for name in names])
    return {name: g.double().numpy() for name, g in zip(names, found, strict=True)}


def settle(gan: GAN, passes: int = 2) -> GAN:
    """Give batch norms statistics of their own, as training would."""
    gan.generator.train()
    with torch.no_grad():
        for i in range(passes):
            gan.generator(gan.latents(8, seed=i))
    gan.restart_average()
    return gan


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


# Cross-domain correspondence


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
    whole, parts, again = small("mlp"), small("mlp"), small("mlp", seed=8)
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
        with pytest.raises(CheckpointError, match="terms="):
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
    assert ewc.settings() == {"name": "ewc", "weight": 3.0, "samples": 2, "labels": "real", "seed": 4}
    cdc = CrossDomainCorrespondence(gan, anchors=3)
    assert cdc.settings() == {
        "name": "cross_domain_correspondence",
        "weight": 1000.0,
        "anchors": 3,
        "taps": ["net.1", "net.3", "net.5"],
        "source": cdc.hash,
    }


def test_plain_errors() -> None:
    gan = small("mlp")
    with pytest.raises(ValueError, match=r"L2SP's weight is -1; a number from 0"):
        L2SP(gan, -1)
    with pytest.raises(ValueError, match="EWC's weight is nan"):
        EWC(gan, float("nan"))
    with pytest.raises(ValueError, match=r"no network named 'generater' \(did you mean 'generator'\?\)"):
        L2SP(gan, 1, network="generater")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 0 samples; 1 or more"):
        EWC(gan, 1, samples=0)
    with pytest.raises(ValueError, match="no choice of labels named 'fake'; known: model, real"):
        EWC(gan, 1, samples=1, labels="fake")
    with pytest.raises(ValueError, match="anchors is 2; 3 or more"):
        CrossDomainCorrespondence(gan, anchors=2)
    with pytest.raises(ValueError, match="no layers to compare"):
        CrossDomainCorrespondence(gan, taps=[])
    with pytest.raises(ValueError, match=r"no layer of MLPGenerator named 'net.99'"):
        CrossDomainCorrespondence(gan, taps=["net.99"])(step(gan))
    with pytest.raises(ValueError, match="the batch has 3 latents; 4 or more"):
        CrossDomainCorrespondence(gan)(step(gan, 3))
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
