"""The drawn worlds: the same every time, with the factors they name, and classes one can tell apart."""

from __future__ import annotations

import pytest
import torch

from tgan_lib.data import glyphs

EVERY = sorted(glyphs.DOMAINS)


@pytest.mark.parametrize("domain", EVERY)
@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (64, 1), (256, 3)])
def test_shapes_and_ranges(domain: str, size: int, channels: int) -> None:
    n = 24 if size < 256 else 2
    images, labels, factors = glyphs.draw(domain, n, size=size, channels=channels)
    assert images.shape == (n, channels, size, size)
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    assert {"slant", "width", "scale", "stretch", "angle", "x", "y", "variant"} <= set(factors)
    assert all(len(f) == n for f in factors.values())
    for name, (low, high) in glyphs.DOMAINS[domain].ranges.items():
        assert low <= factors[name].min() <= factors[name].max() <= high, name
    assert images.flatten(1).float().std(dim=1).min() > 10  # no image is blank


@pytest.mark.parametrize("domain", EVERY)
def test_a_seed_gives_the_same_images_and_another_seed_others(domain: str) -> None:
    first, labels, factors = glyphs.draw(domain, 20, channels=3, seed=5)
    again = glyphs.draw(domain, 20, channels=3, seed=5)
    assert torch.equal(first, again[0])
    assert all(torch.equal(factors[k], again[2][k]) for k in factors)
    other, other_labels, _ = glyphs.draw(domain, 20, channels=3, seed=6)
    assert torch.equal(labels, other_labels)
    assert (first != other).flatten(1).any(dim=1).all()


def test_drawing_leaves_the_global_random_state_and_threads_alone() -> None:
    torch.manual_seed(0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    glyphs.draw("digits", 5)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("domain", EVERY)
def test_the_first_images_do_not_depend_on_how_many_are_drawn(domain: str) -> None:
    few, labels, _ = glyphs.draw(domain, 7, size=24)
    many, more_labels, _ = glyphs.draw(domain, 150, size=24)
    assert torch.equal(labels, more_labels[:7])
    assert (few.int() - many[:7].int()).abs().max() <= 1  # sums of another length may round otherwise


def test_classes_take_turns_and_can_be_chosen_by_name_or_number() -> None:
    assert glyphs.draw("digits", 25)[1].bincount().tolist() == [3] * 5 + [2] * 5
    assert glyphs.draw("shapes", 4, classes=["star", 0])[1].tolist() == [3, 0, 3, 0]
    assert glyphs.DOMAINS["shapes"].names[3] == "star"


@pytest.mark.parametrize("domain", ["digits", "letters", "shapes"])
def test_factors_are_what_made_the_image(domain: str) -> None:
    """Moments of the ink follow the factors: its centre x and y, its mass the width, its shear the slant."""
    images, labels, factors = glyphs.draw(domain, 400, size=48)
    ink = images[:, 0].double() / 255
    grid = (torch.arange(48).double() + 0.5) / 24 - 1
    mass = ink.sum((1, 2))
    cx, cy = (ink.sum(1) @ grid) / mass, (ink.sum(2) @ grid) / mass
    dx, dy = grid - cx[:, None], grid - cy[:, None]
    shear = -torch.einsum("nyx,ny,nx->n", ink, dy, dx) / torch.einsum("nyx,ny->n", ink, dy**2)

    def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
        """Within classes: each class has its own centre and mass."""
        a, b = a.double().clone(), b.double().clone()
        for c in labels.unique():
            a[labels == c] -= a[labels == c].mean()
            b[labels == c] -= b[labels == c].mean()
        return float((a * b).sum() / (a.norm() * b.norm()))

    assert correlation(cx, factors["x"]) > 0.8
    assert correlation(cy, factors["y"]) > 0.8
    if domain == "shapes":
        assert correlation((mass / factors["stretch"]).log(), factors["scale"]) > 0.75
    else:
        assert correlation(mass, factors["width"]) > 0.8
        assert correlation(shear, factors["slant"]) > 0.5  # the angle leans too


def test_stroke_width_is_in_half_image_sides() -> None:
    """A plain 1 inks width x size pixels across its middle, up to its lean and its wobble."""
    images, _, factors = glyphs.draw("digits", 400, size=64, classes=["1"])
    plain = factors["variant"] == 0
    across = images[plain, 0, 28:36].double().sum(2).mean(1) / 255
    lean = torch.cos(factors["slant"][plain].double() - factors["angle"][plain].double())
    assert (across * lean / (factors["width"][plain] * 64)).mean() == pytest.approx(1, abs=0.05)


def test_glyphs_stay_inside_the_picture() -> None:
    for domain in ("digits", "letters", "shapes"):
        images, _, _ = glyphs.draw(domain, 500, size=32)
        edge = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], dim=-1)
        assert (edge.amax((1, 2)) > 128).double().mean() < 0.02, domain


@pytest.mark.parametrize("domain", EVERY)
def test_colour_images_show_their_ink_on_their_paper(domain: str) -> None:
    images, _, factors = glyphs.draw(domain, 60, size=32, channels=3)
    for image, ink, paper in zip(images, factors["ink"], factors["paper"], strict=True):
        pixels = image.flatten(1).T.float() / 255
        for colour in (ink, paper):
            assert (pixels - colour).abs().amax(1).min() < 0.01
    luma = torch.tensor([0.299, 0.587, 0.114])
    contrast = ((factors["ink"] - factors["paper"]) @ luma).abs()
    assert contrast.min() > 0.08
    assert contrast.mean() > 0.3


@pytest.mark.parametrize("domain", EVERY)
def test_classes_can_be_told_apart(domain: str) -> None:
    """Ridge regression on blurred pixels, trained on one seed, names most images of another."""
    x, y, _ = glyphs.draw(domain, 1500, size=24, seed=0)
    x_new, y_new, _ = glyphs.draw(domain, 400, size=24, seed=1)

    def features(images: torch.Tensor) -> torch.Tensor:
        flat = images.float() / 255
        if domain == "textures":  # what repeats has no place: look at the spectrum
            flat = torch.fft.fft2(flat - flat.mean((2, 3), keepdim=True)).abs()[..., :13] / 24
        return torch.cat(
            [torch.nn.functional.avg_pool2d(flat, 2).flatten(1), torch.ones(len(flat), 1)], dim=1
        )

    a = features(x)
    targets = torch.nn.functional.one_hot(y).float()
    weights = torch.linalg.solve(a.T @ a + torch.eye(a.shape[1]), a.T @ targets)
    accuracy = ((features(x_new) @ weights).argmax(1) == y_new).float().mean()
    assert accuracy > 0.7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": "digit", "n": 1}, "did you mean 'digits'"),
        ({"domain": "digits", "n": 0}, "n is 0"),
        ({"domain": "digits", "n": 1, "size": 8}, "size is 8; glyphs are drawn at 16 to 256"),
        ({"domain": "digits", "n": 1, "channels": 4}, "channels is 4"),
        ({"domain": "shapes", "n": 1, "classes": ["stars"]}, "did you mean 'star'"),
        ({"domain": "shapes", "n": 1, "classes": [99]}, "named 99"),
        ({"domain": "shapes", "n": 1, "classes": []}, "classes is empty"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        glyphs.draw(**arguments)
    assert "\n" not in str(caught.value)
