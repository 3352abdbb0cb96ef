"""Interpolation, truncation and directions, against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from tgan_lib import latent, zoo
from tgan_lib.gan import GAN, GANConfig


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
