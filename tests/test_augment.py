"""What every augmentation keeps to, and DiffAugment's policies against their closed forms."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from augmentations import EVERY_AUGMENT, noise, seeded
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tgan_lib.augment import ADA, DiffAugment
from tgan_lib.augment import diff_augment as module

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
    assert DiffAugment("cutout, color").settings() == {
        "name": "diffaugment",
        "policy": "cutout,color",
        "rounding": "down",
    }
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
    for kind, word in ((DiffAugment, "color"), (ADA, "blit")):
        with pytest.raises(ValueError, match=f"policy is '{word},{word}'; each name once is right"):
            kind(f"{word},{word}")
        with pytest.raises(ValueError, match="no augmentation named ''"):
            kind("")
        for policy in (None, 3, ["color"]):
            with pytest.raises(TypeError, match=r"policy is .*; names with commas between them"):
                kind(policy)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"images is .*; a tensor \(N, 1 or 3, H, W\)"):
            kind()(np.zeros((2, 3, 8, 8)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no rounding named 'up'; known: down, nearest"):
        DiffAugment(rounding="up")


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


@pytest.mark.parametrize(("side", "down"), [(16, 2), (28, 3), (30, 3), (31, 3), (32, 4), (64, 8)])
def test_translation_reaches_as_far_as_its_rounding_says(side: int, down: int) -> None:
    images = torch.zeros(2000, 1, side, side)
    images[:, :, side // 2, side // 2] = 1
    nearest = int(side / 8 + 1 / 2)  # the authors' code
    for rounding, furthest in (("down", down), ("nearest", nearest)):
        at = DiffAugment("translation", rounding)(images, seeded()).flatten(1).argmax(1)
        for offset in (at // side - side // 2, at % side - side // 2):
            assert sorted(set(offset.tolist())) == list(range(-furthest, furthest + 1))


@pytest.mark.parametrize("size", [4, 7, 10])
def test_cutout_is_a_square_around_any_pixel(size: int) -> None:
    """The squares enumerated as the authors place them: a middle anywhere, half a side around it, cut at the edge."""
    half = int(size / 2 + 1 / 2)  # as their code rounds
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
