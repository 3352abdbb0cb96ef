"""Counting attributes: shares, how far they moved, what vanished; and the judge that names them."""

from __future__ import annotations

import pytest
import torch

from tgan_lib.data import Attributes, load
from tgan_lib.features import feature_card
from tgan_lib.metrics import name_attributes, name_styles, shares, total_variation, vanished

WORDS = {"glasses": ("", "round", "square"), "hair": ("long", "short")}


def attributes(glasses: list[int], hair: list[int]) -> Attributes:
    return Attributes(torch.tensor([glasses, hair], dtype=torch.uint8).T.contiguous(), WORDS)


def test_shares_and_what_they_differ_by_in_numbers_worked_out_by_hand() -> None:
    real, found = attributes([0, 0, 1, 2], [0, 0, 1, 1]), attributes([0, 0, 0, 1], [1, 1, 1, 1])
    assert shares(real, "glasses").tolist() == [0.5, 0.25, 0.25]
    assert shares(found, "glasses").tolist() == [0.75, 0.25, 0.0]
    assert total_variation(found, real) == {"glasses": 0.25, "hair": 0.5}
    assert total_variation(real, real) == {"glasses": 0.0, "hair": 0.0}
    assert vanished(found, real) == {"glasses": ["square"], "hair": ["long"]}
    assert vanished(found, real, least=0.3) == {"hair": ["long"]}
    assert vanished(real, real) == {}


def test_a_word_that_is_nearly_gone_has_vanished_and_one_that_is_rare_has_not() -> None:
    real = attributes([0] * 50 + [1] * 50, [0] * 100)
    found = attributes([0] * 96 + [1] * 4, [0] * 100)
    assert vanished(found, real) == {"glasses": ["round"]}  # 4 % is less than a tenth of 50 %
    assert vanished(found, real, left=0.05) == {}
    assert (
        vanished(found, attributes([0] * 100, [0] * 100)) == {}
    )  # of what was never there nothing can be lost


def test_other_attributes_and_none_are_refused() -> None:
    one = attributes([0], [0])
    with pytest.raises(ValueError, match=r"not those of one style \(hair differs\)"):
        total_variation(one, Attributes(one.codes, WORDS | {"hair": ("long", "bald")}))
    with pytest.raises(ValueError, match="attributes of 0 images"):
        shares(attributes([], []), "hair")
    with pytest.raises(ValueError, match="no attribute of these images named 'nose'"):
        shares(one, "nose")
    with pytest.raises(TypeError, match="attributes"):
        total_variation(one, one.codes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no style of portraits named 'oil'"):
        name_attributes(torch.zeros(1, 3, 64, 64), "oil")


@pytest.mark.parametrize("size", [64, 32])
def test_the_judge_names_what_it_is_said_to_name(size: int) -> None:
    card = feature_card("portraits-v1")
    peeps = load("portraits:peeps", split="test", size=size, limit=200, device="cpu")
    assert peeps.attributes is not None
    named = name_attributes(peeps)
    for name, right in card["named_rightly"][str(size)]["peeps"].items():
        deviation = (right * (1 - right) / 200) ** 0.5 + 0.005
        share = float((named[name] == peeps.attributes[name]).float().mean())
        assert share == pytest.approx(right, abs=4 * deviation), name
    for name in ("background", "skin", "clothes", "mask"):
        assert card["named_rightly"][str(size)]["peeps"][name] > 0.9, name


def test_the_judge_tells_the_styles_apart() -> None:
    for style in ("peeps", "micah", "pixel"):
        found, styles = name_styles(load(f"portraits:{style}", split="test", limit=50, device="cpu"))
        assert float((found == styles.index(style)).float().mean()) > 0.95
