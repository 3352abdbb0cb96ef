"""Interpolation, truncation, directions and blending, against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tgan_lib import latent, zoo
from tgan_lib.features import tapped
from tgan_lib.gan import GAN, GANConfig
from tgan_lib.networks import layers
from tgan_lib.transfer import blend, miner, start_from


class Bars(nn.Module):
    """A generator whose pictures are known: one soft bar, its darkness, lean, width and height each set by
    one z.
    """

    def __init__(self, latent_dim: int = 8) -> None:
        super().__init__()
        self.stem = nn.Linear(latent_dim, latent_dim)  # gives it a device, and is not used
        side = torch.arange(28.0) - 13.5
        self.x, self.y = side[None, :], -side[:, None]

    def forward(self, z: Tensor) -> Tensor:
        ink, lean, wide, high = (z[:, i, None, None].clamp(-3, 3) for i in (1, 2, 4, 7))
        width, height = 2.5 * torch.exp(0.1 * wide), 4 * torch.exp(0.1 * high)
        x = self.x - 0.15 * lean * self.y
        bar = torch.exp(-((x / width) ** 2 + (self.y / height) ** 2) / 2)
        return (bar * (0.5 + 0.1 * ink) * 2 - 1).unsqueeze(1)


@pytest.fixture
def bars() -> GAN:
    return GAN(Bars(), nn.Flatten(), GANConfig("bars", 28, 1, 8, 1))


def test_both_ends_and_the_middle_of_an_interpolation() -> None:
    a, b = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0])
    for path in (latent.lerp, latent.slerp):
        assert torch.allclose(path(a, b, 0.0), a, atol=1e-6)
        assert torch.allclose(path(a, b, 1.0), b, atol=1e-6)
    assert torch.allclose(latent.lerp(a, b, 0.5), torch.tensor([1.5, 1.5]))
    assert torch.allclose(latent.slerp(a, b, 0.5), torch.full((2,), 3 / math.sqrt(2)))
    steps = latent.slerp(a, b, torch.linspace(0, 1, 5))
    assert steps.shape == (5, 2)
    assert torch.allclose(steps.norm(dim=1), torch.full((5,), 3.0)), "the arc keeps its distance from 0"


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0, 0.0])
def test_slerp_along_one_line_is_lerp(factor: float) -> None:
    a = torch.tensor([1.0, 2.0, -2.0])
    assert torch.allclose(latent.slerp(a, factor * a, 0.25), latent.lerp(a, factor * a, 0.25))


def test_truncation_pulls_towards_the_centre() -> None:
    z, centre = torch.tensor([[2.0, -4.0]]), torch.tensor([1.0, 1.0])
    assert torch.equal(latent.truncate(z, 0.5), torch.tensor([[1.0, -2.0]]))
    assert torch.equal(latent.truncate(z, 0.0, centre), centre[None])
    assert torch.equal(latent.truncate(z, 1.0, centre), z)


def test_closed_form_finds_the_axes_that_the_first_layer_stretches_most() -> None:
    stretch = torch.tensor([0.5, 3.0, 1.0, 2.0])
    rotation = torch.linalg.qr(torch.randn(6, 4, generator=torch.Generator().manual_seed(0))).Q
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    net[0].weight.data = rotation * stretch  # W^T W is diagonal, with the stretches squared
    found = latent.closed_form_directions(net, 3)
    assert torch.allclose(found, torch.eye(4)[[1, 3, 2]], atol=1e-6)


def stretched(stretch: list[float], units: int = 7) -> GAN:
    """A generator whose first layer stretches z by known factors along known axes, and a ReLU behind it."""
    d = len(stretch)
    gan = GAN.build("mlp", size=4, latent_dim=d, width=units, device="cpu")
    rng = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(k, d, generator=rng)).Q for k in (units, d))
    gan.ema.net[0].weight.data = left * torch.tensor(stretch) @ right.T  # type: ignore[index, union-attr]
    return gan


def test_a_miner_that_changes_nothing_changes_no_direction_and_one_that_turns_turns_them() -> None:
    source = GAN.build("dcgan", size=28, latent_dim=6, width=4, device="cpu")
    mined = miner(start_from(source), hidden=9)
    before, first = latent.closed_form_directions(source.ema, 6), latent.first_linear(source.ema)
    torch.testing.assert_close(latent.closed_form_directions(mined.ema, 6), before)
    assert torch.equal(latent.first_linear(mined.ema).weight, first.weight)
    assert latent.pca_directions(mined, 200, 2).shape == (2, 6)
    net = mined.ema.net[0].net  # type: ignore[index, union-attr]
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1))).Q
    with torch.no_grad():  # z + m(z) = turn z, as far as z = 0 sees it
        net[0].weight.copy_(torch.cat([torch.eye(6), torch.zeros(3, 6)]))
        net[0].bias.copy_(torch.full((9,), 50.0))  # where the activation is the identity
        net[2].weight.copy_(torch.cat([turn - torch.eye(6), torch.zeros(6, 3)], 1))
    turned = latent.closed_form_directions(mined.ema, 6)
    torch.testing.assert_close((turned @ turn.T).abs(), before.abs(), atol=1e-4, rtol=1e-4)
    assert not any(p.grad is not None for p in mined.ema.parameters())


def test_principal_components_of_a_linear_layer_are_the_closed_form() -> None:
    gan = stretched([4.0, 2.0, 1.0, 0.5])
    found = latent.pca_directions(gan, n=20_000, k=4)
    expected = latent.closed_form_directions(gan.ema, 4)
    _, s, vt = torch.linalg.svd(gan.ema.net[0].weight)  # type: ignore[index, union-attr]
    torch.testing.assert_close((expected @ vt.T).abs(), torch.eye(4), atol=1e-5, rtol=0)
    assert s.tolist() == pytest.approx([4, 2, 1, 0.5], rel=1e-5)
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)  # as 1 / sqrt(20 000) allows
    coarse = latent.pca_directions(gan, n=500, k=4)
    assert (found - expected).norm() < (coarse - expected).norm(), "more samples, nearer to the closed form"


@pytest.mark.parametrize("layer", ["net.0", "net.3"])
def test_principal_components_are_those_of_numpy(layer: str) -> None:
    gan = stretched([4.0, 2.0, 1.0, 0.5])
    z = gan.latents(700, seed=3)
    with torch.no_grad():
        y = tapped(gan.ema, z, [layer])[layer].double().numpy()
    y = y - y.mean(0)
    x = y @ np.linalg.svd(y, full_matrices=False)[2][:3].T
    expected = np.linalg.lstsq(x, (z - z.mean(0)).double().numpy(), rcond=None)[0]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = latent.pca_directions(gan, n=700, k=3, layer=layer, seed=3)
    assert found.dtype == torch.float32
    assert (found.abs().argmax(1) == found.argmax(1)).all(), "the largest entry is positive"
    np.testing.assert_allclose(np.abs((found.numpy() * expected).sum(1)), 1, atol=1e-5)
    assert torch.equal(found, latent.pca_directions(gan, n=700, k=3, layer=layer, seed=3))


def test_principal_components_leave_the_network_and_the_random_state_alone() -> None:
    gan = GAN.build("dcgan", width=4, latent_dim=6, device="cpu")
    gan.ema.net[2].train()  # type: ignore[index, union-attr]
    modes, state = [m.training for m in gan.ema.modules()], torch.get_rng_state()
    statistics = {key: value.clone() for key, value in gan.ema.state_dict().items()}
    deep = latent.pca_directions(gan, n=100, k=2, layer="net.3")
    assert deep.shape == (2, 6)
    assert not torch.allclose(deep, latent.pca_directions(gan, n=100, k=2), atol=1e-2)
    assert [m.training for m in gan.ema.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, statistics[key]) for key, value in gan.ema.state_dict().items())


def pair() -> tuple[GAN, GAN]:
    """Two relatives whose weights, averages and running statistics all differ."""
    source, target = (GAN.build("dcgan", width=4, latent_dim=6, seed=s, device="cpu") for s in (0, 1))
    for i, gan in enumerate((source, target)):
        for module in (gan.generator, gan.ema):
            module.train()
            for _ in range(1 + 2 * i):
                module(gan.latents(8, seed=i))
            module.eval()
    return source, target


def test_the_ends_of_a_blend_are_the_models_themselves() -> None:
    source, target = pair()
    z = source.latents(4, seed=0)
    for t, end in ((0.0, source), (1.0, target)):
        made = blend(source, target, t)
        for name in ("generator", "ema"):
            state = getattr(end, name).state_dict()
            assert all(torch.equal(v, state[k]) for k, v in getattr(made, name).state_dict().items())
        assert torch.equal(made.sample(z=z), end.sample(z=z))
    assert not torch.equal(source.sample(z=z), target.sample(z=z))


def test_between_the_ends_weights_and_statistics_are_weighted_means() -> None:
    source, target = pair()
    before = {key: value.clone() for key, value in source.ema.state_dict().items()}
    made = blend(source, target, 0.25)
    other = target.ema.state_dict()
    for key, value in made.ema.state_dict().items():
        if value.is_floating_point():
            expected = 0.75 * before[key].double() + 0.25 * other[key].double()
            torch.testing.assert_close(value.double(), expected, atol=1e-6, rtol=1e-6)
        else:
            assert torch.equal(value, before[key])
    assert all(torch.equal(v, before[k]) for k, v in source.ema.state_dict().items()), (
        "the source is untouched"
    )
    assert torch.equal(blend(source, target, 0.5).ema.net[2].num_batches_tracked, torch.tensor(3))  # type: ignore
    made.generator.net[0].weight.data.zero_()  # type: ignore[index, union-attr]
    assert source.generator.net[0].weight.abs().sum() > 0, "no tensor is shared"  # type: ignore[index, union-attr]


@pytest.mark.parametrize("chosen", [slice(0, 1), slice(1, None), slice(-1, None), slice(None)])
def test_swapped_layers_come_from_the_target_and_all_others_from_the_source(chosen: slice) -> None:
    source, target = pair()
    made = blend(source, target, 1.0, layers=chosen)
    every = [layers(gan.ema) for gan in (made, source, target)]
    for i, (ours, before, after) in enumerate(zip(*every, strict=True)):
        expected = after if i in range(len(every[0]))[chosen] else before
        for part, same in zip(ours, expected, strict=True):
            assert all(torch.equal(v, same.state_dict()[k]) for k, v in part.state_dict().items())


def test_models_that_are_not_built_alike_cannot_be_blended() -> None:
    source = GAN.build("dcgan", width=4, device="cpu")
    adapted = GAN.build("dcgan", width=4, device="cpu")
    adapted.ema.net[0].register_parameter("scale", nn.Parameter(torch.ones(1)))  # type: ignore[index, union-attr]
    for other, t, chosen, said in [
        (GAN.build("dcgan", width=8, device="cpu"), 0.5, None, "source has width 4, the target 8"),
        (GAN.build("mlp", width=4, device="cpu"), 0.5, None, "network 'dcgan', the target 'mlp'"),
        (adapted, 0.5, None, r"differ in ema.net.0.scale"),
        (source, 1.5, None, "t is 1.5"),
        (source, 0.5, slice(9, None), r"slice\(9, None, None\) holds none of the generator's 3 layers"),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            blend(source, other, t, chosen)
        assert "\n" not in str(caught.value)


def test_attributes_of_a_known_bar() -> None:
    z = torch.zeros(3, 8)
    z[1, 2] = 2.0  # leans right by 0.3 px a px
    z[2, 4] = 2.0  # wider by exp(0.2)
    seen = latent.attributes(Bars()(z))
    assert seen["slant"].tolist() == pytest.approx([0, 0.3, 0], abs=5e-3)
    assert seen["width"].tolist() == pytest.approx([2.5, 2.5, 2.5 * math.exp(0.2)], rel=0.01)
    assert seen["height"].tolist() == pytest.approx([4, 4, 4], rel=0.01)
    assert seen["stroke weight"][0].item() == pytest.approx(0.5 * 2 * math.pi * 2.5 * 4 / 28**2, rel=0.01)


def test_separated_directions_are_the_known_ones(bars: GAN) -> None:
    """The logarithm of the ink grows by 0.2 z1 + 0.1 z4 + 0.1 z7. To widen a bar with its ink kept is to pale
    it.
    """
    found = latent.attribute_directions(bars, 3000, seed=1)
    known = {
        "stroke weight": {1: 1.0},
        "slant": {2: 1.0},
        "width": {1: -0.5, 4: 1.0},
        "height": {1: -0.5, 7: 1.0},
    }
    assert set(found) == set(known)
    for name, entries in known.items():
        direction = torch.tensor([entries.get(axis, 0.0) for axis in range(8)])
        assert found[name].norm().item() == pytest.approx(1, abs=1e-6)
        assert found[name] @ direction / direction.norm() > 0.995, f"{name}: {found[name].tolist()}"
    whole = latent.attribute_directions(bars, 3000, seed=1, separate=False)["stroke weight"]
    assert whole[[1, 4, 7]].tolist() == pytest.approx([0.816, 0.408, 0.408], abs=0.03)


@pytest.mark.parametrize("separate", [True, False])
def test_each_direction_moves_its_own_property_steadily(bars: GAN, separate: bool) -> None:
    z = bars.latents(200, seed=5)
    for name, direction in latent.attribute_directions(bars, 2000, separate=separate).items():
        steps = [latent.attributes(bars.sample(z=z + a * direction))[name].mean() for a in (-2, -1, 0, 1, 2)]
        assert all(a < b for a, b in pairwise(steps)), f"{name}: {steps}"


def test_the_shipped_models_directions_move_their_properties() -> None:
    gan = zoo.load("mnist-dcgan", device="cpu")
    z = gan.latents(200, seed=5)
    assert set(gan.directions) == {"height", "slant", "stroke weight", "width"}
    for name, direction in gan.directions.items():
        steps = [latent.attributes(gan.sample(z=z + a * direction))[name].mean() for a in (-2, -1, 0, 1, 2)]
        assert all(a < b for a, b in pairwise(steps)), f"{name}: {steps}"


def test_bad_input_is_answered_in_one_sentence(bars: GAN) -> None:
    for call, said in [
        (lambda: latent.lerp(torch.zeros(3), torch.zeros(4), 0.5), r"\(3,\) and \(4,\)"),
        (lambda: latent.truncate(torch.zeros(1, 2), -1), "truncation is -1"),
        (lambda: latent.closed_form_directions(nn.Linear(4, 9), 5), "5 directions .* between 1 and 4"),
        (lambda: latent.closed_form_directions(nn.ReLU()), "ReLU has no linear layer"),
        (lambda: latent.pca_directions(bars, k=9), "9 directions .* between 1 and 8"),
        (lambda: latent.pca_directions(bars, n=16), "n is 16"),
        (
            lambda: latent.pca_directions(GAN.build("mlp", size=4, width=1, device="cpu"), 200, 4, "net.0"),
            "4 directions were asked for; the layer 'net.0' has 1 outputs",
        ),
        (
            lambda: latent.pca_directions(bars, layer="stern"),
            "layer of Bars named 'stern' .did you mean 'stem'",
        ),
        (lambda: latent.attributes(torch.zeros(28, 28)), r"shape \(28, 28\)"),
        (lambda: latent.attribute_directions(bars, 16), "n is 16"),
        (
            lambda: latent.attribute_directions(bars, 99, measure=lambda x: {"grey": x.mean((1, 2, 3)) * 0}),
            "grey",
        ),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
