"""ADA's transformations: each against its closed form, all at once against NumPy, how often and how strongly."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from augmentations import chosen, noise, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn.functional import grid_sample

from tgan_lib.augment import ADA
from tgan_lib.augment.ada import COLOUR, GEOMETRY, GROUPS, TRANSFORMS, colour, draw, geometry, warp
from tgan_lib.augment.resample import Resample

# --- ADA's geometry ---


@pytest.mark.parametrize("name", ["blit", "geom", "color"])
def test_gradients_can_be_differentiated_again(name: str) -> None:
    """As R1 of x -> D(T(x)) asks; PyTorch's own sampling cannot."""
    images = noise(2, 3, 5, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: ADA(name, p=0.9)(x, seeded(3)).tanh(), images)


def test_sampling_is_pytorchs_bit_for_bit_and_so_is_its_gradient() -> None:
    images, grid = noise(2, 3, 8, 8), 1.3 * noise(2, 4, 5, 2, seed=1)
    ours, theirs = images.clone().requires_grad_(), images.clone().requires_grad_()
    out = Resample.apply(ours, grid)
    expected = grid_sample(theirs, grid, padding_mode="border", align_corners=False)
    assert torch.equal(out, expected)
    slopes = noise(2, 3, 4, 5, seed=2)
    assert torch.equal(
        torch.autograd.grad(out, ours, slopes)[0], torch.autograd.grad(expected, theirs, slopes)[0]
    )


@pytest.mark.parametrize("size", [7, 8, 28, 32])
def test_flips_quarter_turns_and_whole_shifts_move_pixels_exactly(size: int) -> None:
    images = noise(1, 3, size, size)

    def moved_by(**strengths: list[float]) -> Tensor:  # in float32, where a cosine of pi / 2 is not yet 0
        return geometry(images, {name: s.float() for name, s in chosen(**strengths).items()})

    assert torch.equal(moved_by(xflip=[1]), images.flip(3))
    turned = [moved_by(rotate90=[k]) for k in range(4)]
    for k in range(4):  # x to the right and y down: a turn by a positive angle is clockwise
        assert torch.equal(turned[k], torch.rot90(images, -k, (2, 3)))
    for dx, dy in [(1, 0), (0, -2), (-3, 2)]:
        moved = moved_by(xint=[dx / size, dy / size])
        around = np.pad(images[0].numpy(), [(0, 0), (3, 3), (3, 3)], mode="reflect")
        expected = around[:, 3 - dy : 3 - dy + size, 3 - dx : 3 - dx + size]
        np.testing.assert_array_equal(moved[0].numpy(), expected)
        inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
        assert torch.equal(moved[inner], images.roll((dy, dx), (2, 3))[inner])


def numpy_geometry(image: np.ndarray, d: dict[str, np.ndarray]) -> np.ndarray:
    """One image (C, H, W): the seven maps as matrices, multiplied forwards, inverted, sampled pixel by pixel."""
    height, width = image.shape[1:]

    def scaling(x: float, y: float) -> np.ndarray:
        return np.diag([x, y, 1.0])

    def turning(angle: float) -> np.ndarray:
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    def moving(x: float, y: float) -> np.ndarray:
        return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])

    forward = np.eye(3)
    for step in (
        scaling(-1 if d["xflip"][0] else 1, 1),
        turning(np.pi / 2 * d["rotate90"][0]),
        moving(np.round(d["xint"][0] * width), np.round(d["xint"][1] * height)),
        scaling(2 ** d["scale"][0], 2 ** d["scale"][0]),
        turning(d["rotate"][0]),
        scaling(2 ** d["aniso"][0], 2 ** -d["aniso"][0]),
        turning(d["rotate"][1]),
        moving(d["xfrac"][0] * width, d["xfrac"][1] * height),
    ):
        forward = step @ forward
    backward = np.linalg.inv(forward)
    far = 40
    row_of = np.pad(np.arange(height), far * height, mode="reflect")  # of any row, the row it reflects
    column_of = np.pad(np.arange(width), far * width, mode="reflect")
    out = np.zeros_like(image)
    for i, j in itertools.product(range(height), range(width)):
        x, y, _ = backward @ [j - (width - 1) / 2, i - (height - 1) / 2, 1]
        x, y = x + (width - 1) / 2, y + (height - 1) / 2
        x0, y0 = int(np.floor(x)), int(np.floor(y))
        for dy, dx in itertools.product((0, 1), repeat=2):
            weight = abs(1 - dy - (y - y0)) * abs(1 - dx - (x - x0))
            out[:, i, j] += (
                weight * image[:, row_of[y0 + dy + far * height], column_of[x0 + dx + far * width]]
            )
    return out


@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=25, deadline=None)
def test_all_geometry_at_once_equals_numpy(height: int, width: int, channels: int, seed: int) -> None:
    images = noise(2, channels, height, width, seed=seed, dtype=torch.float64)
    drawn = draw(2, torch.tensor(0.8), GEOMETRY, images.device, seeded(seed))
    drawn = {name: strength.double() for name, strength in drawn.items()}
    out = geometry(images, drawn).numpy()
    for i in range(2):
        one = {name: strength[i].numpy() for name, strength in drawn.items()}
        np.testing.assert_allclose(out[i], numpy_geometry(images[i].numpy(), one), rtol=0, atol=1e-10)


def test_warp_in_float32_agrees_with_float64() -> None:
    images = noise(64, 3, 28, 28)
    drawn = draw(64, torch.tensor(1.0), GEOMETRY, images.device, seeded())
    wide = geometry(images.double(), {name: strength.double() for name, strength in drawn.items()})
    torch.testing.assert_close(geometry(images, drawn).double(), wide, rtol=0, atol=5e-4)


def test_warp_is_the_identity_on_the_identity() -> None:
    for size in (5, 28, 32):
        images = noise(2, 1, size, size)
        identity = torch.eye(2, 3).expand(2, -1, -1)
        assert torch.equal(warp(images, identity), images)


# --- ADA's colours ---


def numpy_colour(image: np.ndarray, d: dict[str, np.ndarray]) -> np.ndarray:
    """One image (3, H, W): five 4 x 4 matrices on (red, green, blue, 1), as the paper writes them."""
    axis = np.ones(3) / np.sqrt(3)
    grey = np.outer(axis, axis)

    def linear(m: np.ndarray) -> np.ndarray:
        full = np.eye(4)
        full[:3, :3] = m
        return full

    add = np.eye(4)
    add[:3, 3] = d["brightness"][0]
    matrix = add
    for step in (
        2 ** d["contrast"][0] * np.eye(3),
        np.eye(3) - 2 * grey * d["lumaflip"][0],
        Rotation.from_rotvec(axis * d["hue"][0]).as_matrix(),
        grey + (np.eye(3) - grey) * 2 ** d["saturation"][0],
    ):
        matrix = linear(step) @ matrix
    flat = np.concatenate([image.reshape(3, -1), np.ones((1, image[0].size))])
    return (matrix @ flat)[:3].reshape(image.shape)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_all_colour_at_once_equals_numpy(seed: int) -> None:
    images = noise(2, 3, 4, 5, seed=seed, dtype=torch.float64)
    drawn = draw(2, torch.tensor(0.8), COLOUR, images.device, seeded(seed))
    drawn = {name: strength.double() for name, strength in drawn.items()}
    out = colour(images, drawn).numpy()
    grey = colour(images[:, :1], drawn).numpy()
    for i in range(2):
        one = {name: strength[i].numpy() for name, strength in drawn.items()}
        np.testing.assert_allclose(out[i], numpy_colour(images[i].numpy(), one), rtol=0, atol=1e-12)
        as_three = numpy_colour(images[i, :1].expand(3, -1, -1).numpy(), one)
        np.testing.assert_allclose(grey[i], as_three[:1], rtol=0, atol=1e-12)


def test_colours_one_by_one() -> None:
    images = noise(1, 3, 4, 4, dtype=torch.float64)
    close = torch.testing.assert_close
    close(colour(images, chosen(brightness=[0.3])), images + 0.3)
    close(colour(images, chosen(contrast=[1])), 2 * images)
    close(colour(images, chosen(saturation=[-40])), images.mean(1, keepdim=True).expand_as(images))
    close(colour(images, chosen(hue=[2 * math.pi / 3])), images.roll(1, 1))  # red becomes green becomes blue
    flipped = colour(images, chosen(lumaflip=[1]))
    close(flipped.mean(1), -images.mean(1))
    close(flipped - flipped.mean(1, keepdim=True), images - images.mean(1, keepdim=True))
    grey = images[:, :1]
    close(colour(grey, chosen(lumaflip=[1])), -grey)
    for name in ("hue", "saturation"):
        close(colour(grey, chosen(**{name: [1.0]})), grey, rtol=0, atol=0)


# --- how often, and how strongly ---


def test_p_of_zero_is_the_identity_bit_for_bit() -> None:
    for dtype, channels in itertools.product((torch.float16, torch.float32, torch.float64), (1, 3)):
        images = noise(64, channels, 28, 28).to(dtype)
        images[0, 0, 9, 9] = math.inf  # which interpolation would spread, even with a weight of 0
        assert torch.equal(ADA()(images, seeded()), images)


def test_images_that_are_not_chosen_are_untouched() -> None:
    images = noise(400, 3, 28, 28)
    for policy in ("geom", "color"):
        out = ADA(policy, p=0.1)(images, seeded())
        changed = (out != images).flatten(1)
        share = changed.any(1).float().mean().item()
        # 4 transformations in "geom", 5 in "color" of which the flip of luma does something half of the time
        expected = 1 - 0.9**4 * (1 if policy == "geom" else 0.95)
        assert share == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 400))


@pytest.mark.parametrize("policy", ["geom", "color", "blit,geom,color", "rotate", "xfrac", "hue"])
def test_p_of_one_changes_every_image(policy: str) -> None:
    images = noise(200, 3, 16, 16)
    assert (ADA(policy, p=1)(images, seeded()) != images).flatten(1).any(1).all()


def chance(name: str, p: float, size: int) -> float:
    """The probability that one transformation changes a noise image of this size, at strength p."""
    if name in ("xflip", "lumaflip"):
        return p / 2
    if name == "rotate90":
        return 3 * p / 4
    return p * (1 - (4 / size) ** 2) if name == "xint" else p  # P(|U(-size/8, size/8)| < 1/2) = 4 / size


@pytest.mark.parametrize("p", [0.3, 1.0])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_transformation_happens_with_its_probability(name: str, p: float) -> None:
    n, size = 2000, 16
    images = noise(n, 3, size, size)
    changed = (ADA(name, p=p)(images, seeded()) != images).flatten(1).any(1).sum().item()
    assert stats.binomtest(int(changed), n, chance(name, p, size)).pvalue > 1e-3


DISTRIBUTIONS = {
    "scale": stats.norm(0, 0.2),
    "aniso": stats.norm(0, 0.2),
    "rotate": stats.uniform(-math.pi, 2 * math.pi),
    "xint": stats.uniform(-1 / 8, 1 / 4),
    "xfrac": stats.norm(0, 1 / 8),
    "brightness": stats.norm(0, 0.2),
    "contrast": stats.norm(0, 0.5),
    "hue": stats.uniform(-math.pi, 2 * math.pi),
    "saturation": stats.norm(0, 1),
    "xflip": (0, 1),
    "lumaflip": (0, 1),
    "rotate90": (0, 1, 2, 3),
}


def test_strengths_have_the_distributions_of_the_paper() -> None:
    assert DISTRIBUTIONS.keys() == TRANSFORMS.keys() == {*GEOMETRY, *COLOUR}
    drawn = draw(4000, torch.tensor(1.0), TRANSFORMS, torch.device("cpu"), seeded())
    for name, expected in DISTRIBUTIONS.items():
        for column in drawn[name].numpy().T:
            if isinstance(expected, tuple):
                counts = [(column == value).sum() for value in expected]
                assert sum(counts) == 4000
                assert stats.chisquare(counts).pvalue > 1e-3
            else:
                assert stats.kstest(column, expected.cdf).pvalue > 1e-3, name
                if math.isfinite(expected.support()[1]):
                    assert (column.min(), column.max()) == pytest.approx(expected.support(), rel=0.01)


def test_policies_choose_transformations_and_leave_the_draws_alone() -> None:
    assert {*GROUPS["blit"], *GROUPS["geom"], *GROUPS["color"]} == {*TRANSFORMS}
    assert ADA("geom,xflip").names == {"scale", "rotate", "aniso", "xfrac", "xflip"}
    p, cpu = torch.tensor(0.5), torch.device("cpu")
    everything = draw(20, p, TRANSFORMS, cpu, seeded())
    alone = draw(20, p, ["hue"], cpu, seeded())
    assert torch.equal(everything["hue"], alone["hue"])
    assert alone["hue"].any()
    assert not any(alone[name].any() for name in TRANSFORMS if name != "hue")
