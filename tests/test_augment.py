"""DiffAugment and ADA: every transformation against its closed form, the whole against NumPy, the controller too."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.transform import Rotation
from torch import Tensor

from tgan_lib.augment import ADA, AUGMENTATIONS, Augment, DiffAugment, leaks
from tgan_lib.augment import diff_augment as module
from tgan_lib.augment.ada import COLOUR, GEOMETRY, GROUPS, TRANSFORMS, colour, draw, geometry, warp
from tgan_lib.data import load

EVERY_AUGMENT: dict[str, Callable[[], Augment]] = {
    **{f"diff {name}": lambda name=name: DiffAugment(name) for name in AUGMENTATIONS},
    **{f"ada {name}": lambda name=name: ADA(name, p=0.6) for name in ("blit", "geom", "color")},
    "diff all": DiffAugment,
    "ada all": lambda: ADA(p=0.6),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return 2 * torch.rand(*shape, generator=seeded(seed), dtype=dtype) - 1


def nothing(n: int) -> dict[str, Tensor]:
    """Draws of 0 for everything, in float64: `n` images that are left alone."""
    return {
        name: torch.zeros(n, 2 if name in ("xint", "rotate", "xfrac") else 1).double() for name in TRANSFORMS
    }


def chosen(**strengths: list[float]) -> dict[str, Tensor]:
    """Draws for one image, all 0 but those given."""
    return nothing(1) | {name: torch.tensor([s], dtype=torch.float64) for name, s in strengths.items()}


# --- what every augmentation keeps to ---


@pytest.mark.parametrize("name", EVERY_AUGMENT)
@given(
    n=st.integers(1, 5),
    channels=st.sampled_from([1, 3]),
    height=st.integers(2, 33),
    width=st.integers(2, 33),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
@settings(max_examples=8, deadline=None)
def test_shape_and_dtype_stay_and_numbers_stay_finite(
    name: str, n: int, channels: int, height: int, width: int, dtype: torch.dtype
) -> None:
    images = noise(n, channels, height, width).to(dtype)
    out = EVERY_AUGMENT[name]()(images, seeded())
    assert (out.shape, out.dtype, out.device) == (images.shape, dtype, images.device)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", EVERY_AUGMENT)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_give_the_same_augmentation(name: str, dtype: torch.dtype) -> None:
    images = noise(16, 3, 16, 16).to(dtype)
    out = EVERY_AUGMENT[name]()(images, seeded())
    expected = EVERY_AUGMENT[name]()(images.float(), seeded())
    atol = 1e-4 if dtype is torch.float64 else 0
    torch.testing.assert_close(out, expected.to(dtype), rtol=0, atol=atol)


@pytest.mark.parametrize("name", EVERY_AUGMENT)
def test_a_seed_repeats_and_each_image_has_its_own_draw(name: str) -> None:
    augment = EVERY_AUGMENT[name]()
    images = noise(1, 3, 16, 16).expand(32, -1, -1, -1)
    out = augment(images, seeded())
    assert torch.equal(out, augment(images, seeded()))
    assert not torch.equal(out, augment(images, seeded(1)))
    rng = seeded()
    assert not torch.equal(augment(images, rng), augment(images, rng))
    distinct = torch.unique(out.reshape(32, -1), dim=0)
    assert len(distinct) > 10


@pytest.mark.parametrize("name", EVERY_AUGMENT)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_by_finite_differences(name: str, channels: int) -> None:
    images = noise(2, channels, 4, 4, dtype=torch.float64).requires_grad_()
    augment = EVERY_AUGMENT[name]()
    assert torch.autograd.gradcheck(lambda x: augment(x, seeded()), (images,))


@pytest.mark.parametrize("name", EVERY_AUGMENT)
def test_nothing_is_read_back_while_training(name: str) -> None:
    """Tensors on "meta" have no values, so that an `.item()`, a `.cpu()` or an `if` on one raises."""
    augment = EVERY_AUGMENT[name]().to("meta")
    assert augment(torch.empty(4, 3, 16, 16, device="meta")).shape == (4, 3, 16, 16)
    augment.observe(torch.empty(4, device="meta"))
    augment.adjust(4)


@pytest.mark.parametrize("name", EVERY_AUGMENT)
def test_settings_are_plain_and_do_not_move(name: str) -> None:
    augment = EVERY_AUGMENT[name]()
    before = augment.settings()
    augment.observe(torch.ones(8))
    augment.adjust(8)
    assert json.loads(json.dumps(before)) == before == augment.settings()


def test_settings_say_all_that_was_asked_for() -> None:
    assert DiffAugment("cutout, color").settings() == {"name": "diffaugment", "policy": "cutout,color"}
    expected = {
        "name": "ada",
        "policy": "hue,blit",
        "p": 0.25,
        "target": 0.5,
        "images_to_one": None,
        "every": 3,
    }
    assert ADA("hue,blit", target=0.5, images_to_one=None, every=3, p=0.25).settings() == expected


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 3, 16), (2, 2, 16, 16), (2, 3, 1, 16)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    for augment in (DiffAugment(), ADA()):
        with pytest.raises(ValueError, match=r"images have shape \(.*\); \(N, 1 or 3, H, W\)"):
            augment(torch.zeros(shape))


def test_bytes_and_unknown_names_are_refused() -> None:
    for augment in (DiffAugment(), ADA()):
        with pytest.raises(ValueError, match=r"torch\.uint8; floats in \[-1, 1\] are right"):
            augment(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"no augmentation named 'colour' .*did you mean 'color'"):
        DiffAugment("translation,colour")
    with pytest.raises(ValueError, match="no augmentation named 'cutout'; known: aniso, blit"):
        ADA("blit,cutout")
    assert DiffAugment("color, cutout").names == ["color", "cutout"]


# --- DiffAugment, policy by policy ---


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_is_one_shift_for_each_image(channels: int) -> None:
    images = noise(2000, channels, 4, 4, dtype=torch.float64)
    shift = (module.brightness(images, seeded()) - images).flatten(1)
    torch.testing.assert_close(shift, shift[:, :1].expand_as(shift), rtol=0, atol=1e-12)
    assert stats.kstest(shift[:, 0].numpy(), stats.uniform(-0.5, 1).cdf).pvalue > 1e-3


def test_saturation_keeps_each_pixels_mean_and_stretches_about_it() -> None:
    images = noise(2000, 3, 4, 4, dtype=torch.float64)
    out = module.saturation(images, seeded())
    mean = images.mean(1, keepdim=True)
    torch.testing.assert_close(out.mean(1, keepdim=True), mean, rtol=0, atol=1e-12)
    factor = ((out - mean) / (images - mean)).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), rtol=0, atol=1e-6)
    assert stats.kstest(factor[:, 0].numpy(), stats.uniform(0, 2).cdf).pvalue > 1e-3
    grey = noise(8, 1, 4, 4)
    assert torch.equal(module.saturation(grey, seeded()), grey)


@pytest.mark.parametrize("channels", [1, 3])
def test_contrast_keeps_each_images_mean_and_stretches_about_it(channels: int) -> None:
    images = noise(2000, channels, 4, 4, dtype=torch.float64)
    out = module.contrast(images, seeded())
    mean = images.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(out.mean((1, 2, 3), keepdim=True), mean, rtol=0, atol=1e-12)
    factor = ((out - mean) / (images - mean)).flatten(1)
    torch.testing.assert_close(factor, factor[:, :1].expand_as(factor), rtol=0, atol=1e-6)
    assert stats.kstest(factor[:, 0].numpy(), stats.uniform(0.5, 1).cdf).pvalue > 1e-3


def test_translation_is_a_roll_with_zeros_for_what_comes_round() -> None:
    size, reach = 17, 2
    images = noise(250, 3, size, size)
    out = module.translation(images, seeded())
    seen = set()
    for image, moved in zip(images, out, strict=True):
        for dy, dx in itertools.product(range(-reach, reach + 1), repeat=2):
            rolled = image.roll((dy, dx), (1, 2))
            for dim, offset in ((1, dy), (2, dx)):
                came_round = range(offset) if offset > 0 else range(size + offset, size)
                rolled.index_fill_(dim, torch.tensor(list(came_round), dtype=torch.long), 0)
            if torch.equal(rolled, moved):
                seen.add((dy, dx))
                break
        else:
            pytest.fail("not a translation by up to 1/8")
    assert len(seen) == (2 * reach + 1) ** 2


@pytest.mark.parametrize("size", [4, 7, 10])
def test_cutout_is_a_square_around_any_pixel(size: int) -> None:
    """The squares enumerated as the authors place them: a middle anywhere, half a side around it, cut at the edge."""
    half = size // 2
    spans = {
        tuple(i for i in range(middle - half // 2, middle - half // 2 + half) if 0 <= i < size)
        for middle in range(size + 1 - half % 2)
    }
    out = module.cutout(torch.ones(1200, 3, size, size), seeded())
    seen = set()
    for image in out:
        rows = tuple((image[0] == 0).any(1).nonzero().flatten().tolist())
        columns = tuple((image[0] == 0).any(0).nonzero().flatten().tolist())
        assert (image == 0).sum() == 3 * len(rows) * len(columns)  # a full rectangle, in all channels
        assert (image == 1).sum() == image.numel() - (image == 0).sum()
        seen.add((rows, columns))
    assert seen == set(itertools.product(spans, spans))
    assert max(len(rows) * len(columns) for rows, columns in seen) == half**2


def test_diffaugment_changes_every_image_in_the_order_of_its_policy() -> None:
    images = noise(64, 3, 16, 16)
    out = DiffAugment("cutout,color")(images, seeded())
    assert (out != images).flatten(1).any(1).all()
    rng = seeded()
    expected = images
    for function in (module.cutout, module.brightness, module.saturation, module.contrast):
        expected = function(expected, rng)
    assert torch.equal(out, expected)


# --- ADA's geometry ---


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


# --- ADA's controller ---


def test_r_is_the_mean_sign() -> None:
    ada = ADA(every=1)
    ada.observe(torch.tensor([3.0, 1e-3, -2.0, 0.0]))
    ada.observe(torch.tensor([[0.1, 5.0]], dtype=torch.bfloat16))
    ada.adjust(4)
    assert ada.last_r.item() == pytest.approx((2 - 1 + 2) / 6, rel=1e-6)
    assert ada.readings() == {"ada_p": 0.0, "ada_r": ada.last_r.item()}


@given(
    seed=st.integers(0, 10**6),
    every=st.integers(1, 6),
    batch_size=st.integers(1, 64),
    images_to_one=st.sampled_from([500.0, 2000.0, 100_000.0]),
    target=st.sampled_from([-0.31, 0.0, 0.6]),
    p=st.sampled_from([0.0, 0.5, 1.0]),
)
@settings(max_examples=25, deadline=None)
def test_p_follows_its_recurrence(
    seed: int, every: int, batch_size: int, images_to_one: float, target: float, p: float
) -> None:
    ada = ADA("blit", target=target, images_to_one=images_to_one, every=every, p=p)
    assert ada.p.item() == p
    rng, seen, expected = np.random.default_rng(seed), [], np.float64(p)
    for step in range(1, 50):
        logits = rng.normal(rng.normal() * 2, 1, batch_size)
        ada.observe(torch.tensor(logits, dtype=torch.float32))
        seen.append(np.sign(logits))
        if step % ada.every == 0:
            ada.adjust(batch_size)
            r = np.mean(seen)
            expected = np.clip(expected + np.sign(r - target) * batch_size * every / images_to_one, 0, 1)
            seen = []
            assert ada.last_r.item() == pytest.approx(r, abs=1e-6)
            assert ada.p.item() == pytest.approx(expected, abs=1e-5)


def test_p_goes_from_zero_to_one_in_the_images_it_is_given() -> None:
    ada = ADA(images_to_one=6400)
    for step in range(1, 101):  # 100 steps of 64 images
        ada.observe(torch.ones(64))
        if step % ada.every == 0:
            assert ada.p < 1
            ada.adjust(64)
    assert ada.p.item() == pytest.approx(1, abs=1e-5)


def test_p_stays_without_a_rate_or_an_observation() -> None:
    fixed, waiting = ADA(p=0.25, images_to_one=None), ADA(p=0.25, images_to_one=10)
    fixed.observe(torch.ones(4))
    for ada in (fixed, waiting):
        ada.adjust(4)
        assert ada.p.item() == 0.25
    assert fixed.last_r.item() == 1
    assert waiting.last_r.item() == 0


def run(ada: ADA, steps: range) -> Tensor:
    out = torch.zeros(())
    for step in steps:
        rng = seeded(step)
        out = ada(noise(8, 1, 16, 16), rng)
        ada.observe(torch.randn(8, generator=rng) + (1 if step < 30 else -1))
        if (step + 1) % ada.every == 0:
            ada.adjust(8)
    return out


def test_a_state_taken_up_again_goes_on_exactly() -> None:
    whole, first, second = (ADA(images_to_one=200) for _ in range(3))
    expected = run(whole, range(50))
    run(first, range(22))  # in the middle of a period
    saved = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    assert saved["count"] == 16
    tensors = list(second.state_dict().values())
    second.load_state_dict(saved)
    assert all(a is b for a, b in zip(tensors, second.state_dict().values(), strict=True))  # in place
    assert torch.equal(run(second, range(22, 50)), expected)
    assert 0 < second.p < 1
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_state_moves_to_a_device() -> None:
    ada = ADA(p=0.5)
    assert ada.to("meta") is ada
    assert {tensor.device.type for tensor in ada.state_dict().values()} == {"meta"}
    assert DiffAugment().to("cpu").state_dict() == {}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"p": 1.5}, r"p is 1\.5; a probability in \[0, 1\] is right"),
        ({"target": 1.0}, r"target is 1\.0; r is a mean of signs"),
        ({"images_to_one": 0}, "images_to_one is 0; a positive number of images is right"),
        ({"every": 0}, "every is 0; 1 step or more is right"),
    ],
)
def test_wrong_numbers_are_refused(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ADA(**wrong)  # type: ignore[arg-type]


# --- leaks ---


def test_leaks_is_the_share_of_a_mixture() -> None:
    digits = load("glyphs:digits", size=28, limit=64, device="cpu")
    real = digits.batch(torch.arange(60))
    for transform in (lambda x: -x, lambda x: x.flip(3), lambda x: torch.rot90(x, 1, (2, 3))):
        mixture = torch.cat([real] * 7 + [transform(real)] * 3)
        assert leaks(mixture, real, transform) == pytest.approx(0.3, abs=1e-6)
        assert leaks(real, real, transform) == pytest.approx(0, abs=1e-9)
    assert leaks(-real[:40], real[20:], lambda x: -x) == pytest.approx(1, abs=0.1)  # other digits, all leaked
    assert leaks(real[:40], real[20:], lambda x: -x) == pytest.approx(0, abs=0.1)


def test_leaks_refuses_what_does_not_show() -> None:
    both_ways = noise(4, 1, 8, 8)
    real = torch.cat([both_ways, both_ways.flip(3)])
    with pytest.raises(ValueError, match="does not change the mean"):
        leaks(real, real, lambda x: x.flip(3))
