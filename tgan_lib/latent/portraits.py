"""Sliders through portraits: glasses, beard, hair, skin and background, each with a direction of its own.

    gan.directions = portrait_directions(gan)
    effects(gan, gan.directions, portrait_scores)  # what each of them moves

The portraits' judge (`metrics.counting`) gives every word of an attribute a logit. Words that belong together, such
as all the kinds of glasses, make a set, and a portrait's score is the log odds of the set against all other words:
above 0 where the judge would bet on it. Where words lie on a scale, as skins do from dark to light, there is a set
above every cut of the scale, and the score is the mean over the cuts, so that it grows from each word to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..data.images import Images, tensor_of
from ..features.load import extract, feature_card, load_features
from ..gan import GAN
from ..metrics.counting import JUDGE
from .directions import attribute_directions

# Log odds beyond these are held: how sure a judge is of what is plain to see is no property of a picture.
MOST_ODDS = 8.0
GLASSES = ("glasses", "glasses2", "glasses3", "glasses4", "glasses5", "sunglasses", "sunglasses2")
LONG = (  # hair, and what is worn as hair, that falls beside the neck
    *("bangs", "bangs2", "dreads1", "dreads2", "grayMedium", "hijab", "long", "longAfro", "longBangs"),
    *("longCurly", "medium1", "medium2", "medium3", "mediumBangs", "mediumBangs2", "mediumBangs3"),
    "mediumStraight",
)
SKINS = ("#694d3d", "#ae5d29", "#d08b5b", "#edb98a", "#ffdbb4")  # dark to light
GROUNDS = ("#b6e3f4", "#d1d4f9", "#c0aede", "#ffffff", "#ffd5dc", "#ffdfbf")  # more and more red than blue
WARM_CLOTHES = ("#e279c7", "#e78276", "#fdea6b", "#ffcf77")


def cuts(scale: Sequence[str]) -> list[tuple[str, ...]]:
    """The words above each cut of a scale, lowest cut first."""
    return [tuple(scale[i:]) for i in range(1, len(scale))]


# What a score is called, the attribute it looks at, and its sets of words; no word at all means any but "".
SCORES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "glasses": ("glasses", [GLASSES]),
    "beard": ("beard", [()]),
    "long hair": ("hair", [LONG]),
    "light skin": ("skin", cuts(SKINS)),
    "warm background": ("background", cuts(GROUNDS)),
    "warm clothes": ("clothes", [WARM_CLOTHES]),
}
# Scored so that the other directions leave it alone, and no slider: colours of clothes lie on a circle, and along a
# straight line from -3 to 3 warm ones went from 44 to no more than 80 in 100 (peeps-64).
NO_SLIDER = "warm clothes"


def log_odds(logits: Tensor, inside: Tensor) -> Tensor:
    """log(p / (1 - p)) of the words `inside` (W,), truth values, by a judge's logits (N, W): (N,)."""
    return logits[:, inside].logsumexp(1) - logits[:, ~inside].logsumexp(1)


def portrait_scores(images: Images | Tensor) -> dict[str, Tensor]:
    """Scores of portraits in the style of peeps: name -> (N,), above 0 where the judge sees it, from -8 to 8.

    images: `Images`, or a tensor (N, 3, H, W), uint8 or floats in [-1, 1], of any size. Names: "glasses", "beard",
    "long hair", "light skin", "warm background", "warm clothes". For `latent.effects`; what the judge names wrongly,
    and how often, stands on its card.
    """
    pixels = tensor_of(images, floats="any")
    logits = extract(load_features(JUDGE, device=pixels.device), pixels, floats="any")[1]
    heads, found = feature_card(JUDGE)["heads"]["peeps"], {}
    for name, (attribute, sets) in SCORES.items():
        first, words = heads[attribute]
        part = logits[:, first : first + len(words)]
        each = [
            log_odds(part, torch.tensor([word in chosen if chosen else word != "" for word in words]))
            for chosen in sets
        ]
        found[name] = torch.stack(each).clamp(-MOST_ODDS, MOST_ODDS).mean(0)
    return found


def portrait_directions(gan: GAN, n: int = 4000, seed: int = 0) -> dict[str, Tensor]:
    """Directions along which a generator of peeps puts on glasses, and so on: name -> unit vector (latent_dim,).

    Those of `attribute_directions` with `portrait_scores`, each made to leave the other scores alone; named as the
    scores are, without that of clothes.
    """
    found = attribute_directions(gan, n, seed, measure=portrait_scores)
    return {name: direction for name, direction in found.items() if name != NO_SLIDER}
