"""Portraits: six styles that come with the library, their attributes, and other hands to paint them in."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from tgan_lib.data import Attributes, Images, few_shot, load, paint, split
from tgan_lib.data.portraits import FOLDER, STYLES

COUNTS = {"peeps": (12_000, 2000)}
ODDS = {"glasses": 0.2, "beard": 0.1, "mask": 0.05}  # of the peeps, as they were drawn


@pytest.fixture(scope="module")
def peeps() -> Images:
    return load("portraits:peeps", limit=3000, device="cpu")


@pytest.mark.parametrize("style", STYLES)
def test_every_style_has_a_training_and_a_test_part_in_colour(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "cpu")
    train_set, test_set = (load(f"portraits:{style}", split=part, device="cpu") for part in ("train", "test"))
    assert (len(train_set), len(test_set)) == COUNTS.get(style, (2000, 1000))
    assert train_set.data.shape[1:] == (3, 64, 64)
    assert train_set.attributes is not None
    assert "background" in list(train_set.attributes)
    for name, known in train_set.attributes.words.items():
        numbers = train_set.attributes[name]
        assert 0 <= int(numbers.min()) <= int(numbers.max()) < len(known)
    some = {tuple(image.flatten().tolist()) for image in train_set.data[:300]}
    assert len(some) > 295  # seeds that are neighbours do not draw alike
    assert STYLES[style].author in train_set.source


def test_they_take_seven_megabytes_and_name_their_authors() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 7_000_000
    assert {path.name.split(".")[0] for path in FOLDER.iterdir()} == set(STYLES)
    assert all(style.licence in ("CC0 1.0", "CC BY 4.0") for style in STYLES.values())


@pytest.mark.parametrize("name", ODDS)
def test_choices_have_the_odds_they_were_drawn_with(peeps: Images, name: str) -> None:
    chosen = peeps.having(name)
    deviation = (ODDS[name] * (1 - ODDS[name]) / 3000) ** 0.5
    assert len(chosen) / len(peeps) == pytest.approx(ODDS[name], abs=4 * deviation)


def test_an_attribute_is_seen_in_the_picture(peeps: Images) -> None:
    """The corner of a portrait has the colour that its background is said to be."""
    assert peeps.attributes is not None
    for number, colour in enumerate(peeps.attributes.words["background"]):
        of_this_colour = peeps.data[peeps.attributes["background"] == number]
        wanted = torch.tensor([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=torch.uint8)
        assert torch.equal(of_this_colour[:, :, 0, 0], wanted.expand(len(of_this_colour), 3))


def test_those_with_glasses_are_taken_by_name_and_keep_what_is_known_of_them(peeps: Images) -> None:
    dark = peeps.having("glasses", "sunglasses", "sunglasses2")
    assert dark.attributes is not None
    words = dark.attributes.words["glasses"]
    assert {words[i] for i in dark.attributes["glasses"].tolist()} == {"sunglasses", "sunglasses2"}
    assert 0 < len(dark) < len(peeps.having("glasses"))
    bare = peeps.having("glasses", "")
    assert len(bare) + len(peeps.having("glasses")) == len(peeps)
    ten = few_shot(dark, 10)
    assert ten.attributes is not None
    assert torch.isin(ten.attributes["glasses"], dark.attributes["glasses"]).all()
    halves = split(dark, 0.5)
    assert all(half.attributes is not None and len(half.attributes) == len(half) for half in halves)


def test_any_size_and_grey_too() -> None:
    small = load("portraits:ink", size=32, channels=1, limit=20, device="cpu")
    assert small.data.shape == (20, 1, 32, 32)
    assert small.attributes is not None
    assert len(small.attributes) == 20


def test_what_there_is_not_is_refused_in_a_sentence(peeps: Images) -> None:
    with pytest.raises(ValueError, match=r"no style of portraits named 'peep'.*peeps"):
        load("portraits:peep", device="cpu")
    with pytest.raises(ValueError, match="portraits has no 'val' part"):
        load("portraits:peeps", split="val", device="cpu")
    with pytest.raises(ValueError, match=r"no attribute of these images named 'glases'.*glasses"):
        peeps.having("glases")
    with pytest.raises(ValueError, match="'monocle' is no word of glasses; one of eyepatch, glasses"):
        peeps.having("glasses", "monocle")
    with pytest.raises(ValueError, match="nothing is known of"):
        load("glyphs:digits", limit=5, device="cpu").having("glasses")
    with pytest.raises(ValueError, match=r"attributes of 3000 images for 5 images"):
        Images(peeps.data[:5], attributes=peeps.attributes)
    with pytest.raises(ValueError, match=r"codes are torch\.int64"):
        Attributes(torch.zeros(3, 1, dtype=torch.long), {"glasses": ("",)})
    with pytest.raises(ValueError, match="no way to paint named 'oil'"):
        paint(peeps.data, "oil")
    with pytest.raises(ValueError, match=r"images are torch.uint8 of shape \(3000, 1, 64, 64\)"):
        paint(peeps.data[:, :1], "lines")


def test_painted_portraits_are_the_same_in_another_hand(peeps: Images) -> None:
    some = peeps.data[:50]
    recoloured = paint(some, "recoloured")
    assert torch.equal(paint(paint(recoloured, "recoloured"), "recoloured"), some)  # three changes of place
    assert not torch.equal(recoloured, some)
    black = (some == 0).all(1)
    assert (recoloured[black[:, None].expand(-1, 3, -1, -1)] == 0).all()  # lines stay
    assert torch.equal(255 - paint(some, "negative"), some)
    lines = paint(some, "lines")
    assert (lines[:, 0] == lines[:, 2]).all()
    assert (lines[black[:, None].expand(-1, 3, -1, -1)] == 0).all()
    assert lines.float().mean() > 0.6 * 255  # mostly paper


def test_the_script_that_draws_them_names_exact_versions() -> None:
    folder = Path(__file__).parents[1] / "book" / "tools" / "portraits"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert all(version[0].isdigit() for version in wanted.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted


@pytest.mark.parametrize("style", STYLES)
def test_each_styles_card_and_the_page_say_who_drew_it_and_under_which_licence(style: str) -> None:
    card = json.loads((FOLDER / f"{style}.json").read_text(encoding="utf-8"))
    assert {name: card[name] for name in asdict(STYLES[style])} == asdict(STYLES[style])
    page = (Path(__file__).parents[1] / "book" / "reference" / "portraits.md").read_text(encoding="utf-8")
    [row] = [line for line in page.splitlines() if line.startswith(f"| `portraits:{style}`")]
    assert STYLES[style].author in row
    assert STYLES[style].licence in row
