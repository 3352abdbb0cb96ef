"""Counting what images show: their attributes by a judge, which of them vanished, how far their shares moved.

A distance says that something differs; a count says what. The judge is portraits-v1, which names what a portrait was
put together from (glasses, beard, hair, ...). It is not always right, and its card says how often, by attribute; so
compare counts of its answers with counts of its answers on real images, not with the choices that were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.attributes import Attributes
from ..data.images import Images, tensor_of
from ..errors import check_kind, real_number, unknown_name
from ..features.load import extract, feature_card, load_features

JUDGE = "portraits-v1"


def name_attributes(images: Images | Tensor, style: str = "peeps") -> Attributes:
    """What the judge sees in portraits of a style: a word of each attribute for each image.

    images: `Images`, or a tensor (N, 3, H, W), uint8 or floats in [-1, 1], of any size. style: whose words to choose
    from: a target's images are named with the target's words, or, to ask what is left of a source, with the source's.
    ValueError for a style that the judge does not know.
    """
    pixels = tensor_of(images, floats="any")
    check_style(style)
    return attributes_of(extract(load_features(JUDGE, device=pixels.device), pixels, floats="any")[1], style)


def attributes_of(logits: Tensor, style: str = "peeps") -> Attributes:
    """What the judge's answers (N, outputs), at hand already, say of a style's attributes: as `name_attributes`."""
    heads = feature_card(JUDGE)["heads"][check_style(style)]
    codes = [logits[:, first : first + len(words)].argmax(1) for first, words in heads.values()]
    words = {name: tuple(words) for name, (_, words) in heads.items()}
    return Attributes(torch.stack(codes, 1).to(torch.uint8), words)


def check_style(style: str) -> str:
    known = [name for name in feature_card(JUDGE)["heads"] if name]
    if style not in known:
        raise unknown_name("style of portraits", style, known)
    return style


def name_styles(images: Images | Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """Which style the judge takes each image for: numbers (N,), and the styles that they number."""
    pixels = tensor_of(images, floats="any")
    return styles_of(extract(load_features(JUDGE, device=pixels.device), pixels, floats="any")[1])


def styles_of(logits: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """As `name_styles`, of the judge's answers (N, outputs) at hand."""
    first, styles = feature_card(JUDGE)["heads"][""]["style"]
    return logits[:, first : first + len(styles)].argmax(1), tuple(styles)


def shares(attributes: Attributes, name: str) -> Tensor:
    """The share of images that each word of an attribute has: (words,), summing to 1. ValueError for no images."""
    check_kind("attributes", attributes, Attributes, "Attributes, as name_attributes(images) gives them,")
    if not len(attributes):
        raise ValueError("there are attributes of 0 images; one or more is right")
    return torch.bincount(attributes[name], minlength=len(attributes.words[name])).double() / len(attributes)


def total_variation(found: Attributes, real: Attributes) -> dict[str, float]:
    """By attribute, half the sum of |share in `found` - share in `real`|: 0 for equal shares, 1 for nothing in common.

    Finite samples differ by chance: give two samples of real images to see by how much.
    """
    check_same(found, real)
    return {name: float((shares(found, name) - shares(real, name)).abs().sum() / 2) for name in real}


def vanished(
    found: Attributes, real: Attributes, least: float = 0.01, left: float = 0.1
) -> dict[str, list[str]]:
    """By attribute, the words that at least `least` of the real images have and that are all but gone in `found`: less
    than `left` of their share. Attributes that lost nothing are left out."""
    check_same(found, real)
    least, left = real_number("least", least, 0, 1), real_number("left", left, 0, 1)
    lost = {}
    for name, words in real.words.items():
        ours, theirs = shares(found, name), shares(real, name)
        gone = ((theirs >= least) & (ours < left * theirs)).nonzero()[:, 0].tolist()
        if gone:
            lost[name] = [words[i] for i in gone]
    return lost


def check_same(found: Attributes, real: Attributes) -> None:
    """ValueError unless both are of the same attributes and words."""
    for attributes in (found, real):
        check_kind("attributes", attributes, Attributes, "Attributes, as name_attributes(images) gives them,")
    if dict(found.words) != dict(real.words):
        names: Sequence[str] = sorted(set(found.words) ^ set(real.words)) or [
            name for name in real.words if found.words[name] != real.words[name]
        ]
        raise ValueError(
            f"the attributes are not those of one style ({names[0]} differs); name both with one style's"
        )
