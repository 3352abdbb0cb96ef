"""Checks of chapter 10, across domains: a middle square, bytes from floats, a gain in halvings, a rank correlation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .core import Check
from .value import Value, either, exercise

# --- middle_square ---


def ramp(channels: int, height: int, width: int) -> Tensor:
    """An image in which no two numbers are equal, and no mean of neighbours is a number of it: squares, less 300."""
    return torch.arange(float(channels * height * width)).square().reshape(channels, height, width) - 300


def middle_square(image: Tensor) -> Tensor:
    return middles(image)[0]


def middles(image: Tensor) -> list[Tensor]:
    """The middle square, and where an odd number of rows or columns is left over the one beside it: both are right."""
    side = min(image.shape[1:])
    rows, columns = image.shape[1] - side, image.shape[2] - side
    return [
        image[:, t : t + side, lf : lf + side]
        for t, lf in ((rows // 2, columns // 2), ((rows + 1) // 2, (columns + 1) // 2))
    ]


def one_middle(returned: Any, image: Tensor) -> Any:
    """The first of the middles for either of them."""
    alike = [
        isinstance(returned, Tensor) and returned.shape == middle.shape and bool((returned == middle).all())
        for middle in middles(image)
    ]
    return middle_square(image) if any(alike) else returned


def square_mistakes(image: Tensor) -> dict[str, Any]:
    (_, height, width), right = image.shape, middle_square(image)
    side = min(height, width)
    even = torch.arange(side)
    return {
        "the square starts at the top left corner: what is left over has to be cut off both sides.":
        image[:, :side, :side],
        "the square ends at the bottom right corner: all that is left over is cut off one side.":
        image[:, height - side :, width - side :],
        "rows or columns were left out in between, which squashes the picture: cut off both ends, and keep all that "
        "lies between them.": image[:, even * height // side][:, :, even * width // side],
        "the square is where it should be, but its numbers have changed: cut, and leave the pixels as they are.":
        either(right.abs(), right.clamp(-1, 1), right.clamp(0, 1), right.clamp(min=0), right / 2 + 0.5),
        "the image comes back as it was, and is no square.": image,
    }  # fmt: skip


SHAPES = [(3, 4, 10), (1, 9, 5), (3, 6, 6), (1, 7, 4), (3, 2, 9)]  # wide, tall, square, and odd differences
SQUARE = Value(
    right=middle_square,
    given=[(ramp(*shape),) for shape in SHAPES],
    seen=one_middle,
    mistakes=square_mistakes,
    signs={
        "the result has the longer side: a square of that size holds pixels that the image does not have. Take the "
        "smaller of height and width.": lambda got, image: set(got.shape[1:]) == {max(image.shape[1:])},
        "the first axis holds the channels and is not to be cropped: the columns are the last.": lambda got, image: (
            got.shape[2] == image.shape[2] > image.shape[1]
        ),
        "the result has 4 axes; an image has three, (C, side, side).": lambda got, image: got.ndim == 4,
        "the right pixels, in another order: something was flipped or transposed.": lambda got, image: torch.equal(
            got.flatten().sort().values, middle_square(image).double().flatten().sort().values
        ),
        "the result has values that no pixel of the image has: it was squashed or stretched, which changes the shape "
        "of things. Cut, and resize nothing.": lambda got, image: not torch.isin(got, image.double()).all(),
    },
    what="the square",
    hint="(C, side, side), with the smaller of height and width as its side",
    wrong="the square is off the middle: cut off half of the difference of height and width before it.",
    tolerance=0.0,
)

# --- to_bytes ---


def to_bytes(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).round().clamp(0, 255).byte()


def byte_mistakes(x: Tensor) -> dict[str, Tensor]:
    return {
        "this is the way back from [0, 1]: the floats run from -1 to 1, and all that is below grey has become black.":
        x * 255,
        "1 has not been added first: the dark half of the range has become black.": x * 127.5,
        "the numbers are cut off and not rounded, which darkens the picture by half a step on average.":
        ((x + 1) * 127.5).floor(),
        "the numbers are rounded up: take the nearest.": ((x + 1) * 127.5).ceil(),
        "256 steps were spread over the range; there are 255 between 0 and 255, so the factor is 127.5.": (x + 1) * 128,
        "bins of 1/128 were taken, whose lower ends are no inverse of x / 127.5 - 1: multiply by 127.5 and round.":
        ((x + 1) * 128).floor(),
        "the result runs from 0 to 1: bytes run to 255.": (x + 1) / 2,
        "1 was added, but the range from 0 to 2 was multiplied by 255: the light half of the range has become white.":
        (x + 1) * 255,
    }  # fmt: skip


BYTES = Value(
    right=to_bytes,
    # Their right bytes are shared by no two mistakes. None lies half way: there two bytes are the nearest.
    given=[(torch.tensor([-1.0, -0.9969, -0.5, 0.001, 0.25, 0.499, 0.77, 0.9969, 1.0]),)],
    mistakes=lambda x: {message: value.round().clamp(0, 255) for message, value in byte_mistakes(x).items()},
    what="the bytes",
    hint="one byte for each float",
    wrong="{at:g} becomes {got:g}; the nearest byte is {right:g}.",
    dtype=True,
    tolerance=0.0,
)
NARROW = BYTES.at(
    [(torch.tensor([[-0.2, 0.1], [0.3, 0.2]]),)],
    mistakes={
        "an image that fills only a part of the range was stretched over all of it: the ends are -1 and 1, whatever "
        "an image holds.": lambda x: ((x - x.min()) / (x.max() - x.min()) * 255).round().byte()
    },
)
OUTSIDE = BYTES.at(
    [(torch.tensor([-1.3, -1.004, 1.004, 1.3]),)],
    mistakes={
        "a value a little above 1 becomes nearly black: as uint8, 256 is 0 again. Bring the numbers into 0 to 255 "
        "before you change the type.": lambda x: ((x + 1) * 127.5).round().long().byte()
    },
    wrong="{at:g} lies outside and becomes {got:g}; it should go to its nearer end, {right:g}.",
)

# --- log_gain ---


def log_gain(scratch: Tensor, transferred: Tensor) -> Tensor:
    return (scratch / transferred).log2().mean()


def gain_mistakes(s: Tensor, t: Tensor) -> dict[str, Tensor]:
    return {
        "the sign is turned: a gain is positive where the transferred distance is the smaller one.": log_gain(t, s),
        "this is the natural logarithm; in halvings it is the one to base 2.": (s / t).log().mean(),
        "this is the logarithm to base 10; halvings are counted to base 2.": (s / t).log10().mean(),
        "the distances were averaged before the ratio was taken, so that the seed with the largest decides: take each "
        "seed's logarithm, then the mean.": (s.mean() / t.mean()).log2(),
        "the ratios were averaged before the logarithm was taken: a 4 and a 1/4 then make a gain. Take the logarithm "
        "of each seed first.": (s / t).mean().log2(),
        "the ratios were averaged before the logarithm was taken, which favours the seeds with a small ratio. Take "
        "the logarithm of each seed first.": -(t / s).mean().log2(),
        "the sign is lost: a seed whose distance was doubled counts -1, not 1.": (s / t).log2().abs().mean(),
        "the sign of the mean is lost: where most distances have grown, the gain is negative.": log_gain(s, t).abs(),
        "this is the mean ratio; no gain should be 0, and twice as good as far from it as twice as bad: a logarithm.":
        (s / t).mean(),
        "this is a difference of distances, whose size depends on the target and its feature network: take a ratio.":
        (s - t).mean(),
        "this is the share that was saved: it cannot exceed 1, and falls without end. The logarithm of the ratio "
        "treats both sides alike.": ((s - t) / s).mean(),
        "the seeds were added up: take their mean.": (s / t).log2().sum(),
        "this is the middle seed's gain; take the mean over the seeds.": (s / t).log2().median(),
    }  # fmt: skip


def pairs(*lists: tuple[list[float], list[float]]) -> list[tuple[Tensor, Tensor]]:
    return [(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)) for a, b in lists]


GAIN = Value(
    right=log_gain,
    # One number for each seed, which differ by a lot, so that means of ratios and ratios of means do too.
    given=pairs(([400.0, 100.0], [50.0, 50.0]), ([8.0, 2.0, 64.0], [4.0, 16.0, 64.0]), ([5.0], [5.0])),
    mistakes=gain_mistakes,
    what="the gain",
    hint="take the mean over the seeds",
)

# --- rank_correlation ---


def mean_ranks(v: Tensor) -> Tensor:
    return (v[:, None] > v).sum(1) + ((v[:, None] == v).sum(1) + 1).double() / 2


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()


def pearson(a: Tensor, b: Tensor) -> Tensor:
    return cosine(a - a.mean(), b - b.mean())


def rank_correlation(x: Tensor, y: Tensor) -> Tensor:
    return pearson(mean_ranks(x), mean_ranks(y))


def rank_mistakes(x: Tensor, y: Tensor) -> dict[str, Any]:
    n, a, b, right = len(x), mean_ranks(x), mean_ranks(y), rank_correlation(x, y)
    turns = [(v[:, None] - v).sign() for v in (x, y)]  # of every pair

    def by(ranks: Callable[[Tensor], Tensor]) -> Tensor:
        return pearson(ranks(x).double(), ranks(y).double())

    return {
        "this is the correlation of the values themselves: put ranks in their place first.": pearson(x, y),
        "`argsort` alone says which value comes first, second, ...; a value's rank is the other way round, the argsort "
        "of the argsort (and ties need more).": by(lambda v: v.argsort(stable=True)),
        "equal values got different ranks, by where they stood in the list: give each the mean of their places.":
        by(lambda v: v.argsort(stable=True).argsort(stable=True)),
        "equal values share the lowest of their places: let them share the mean.":
        by(lambda v: (v[:, None] > v).sum(1)),
        "equal values share the highest of their places: let them share the mean.":
        by(lambda v: (v[:, None] >= v).sum(1)),
        "after equal values the count goes on as if there had been one (dense ranks): three equal values take up three "
        "places.": by(lambda v: v.unique(return_inverse=True)[1]),
        "the formula with the squared differences of ranks holds without ties only: take the correlation of the ranks.":
        1 - 6 * (a - b).square().sum() / (n * (n * n - 1)),
        "this counts pairs that agree (Kendall's); Spearman's is the correlation of the ranks.":
        either((turns[0] * turns[1]).sum() / (n * (n - 1)), cosine(*turns)),
        "the mean rank has not been taken off: positive numbers alone always seem to go together.": cosine(a, b),
        "the covariance was divided by n, the standard deviations by n - 1 (`std` does that): take the same for both.":
        right * (n - 1) / n,
        "the sign is lost: where one list falls as the other rises, the correlation is negative.": right.abs(),
        "a falling list is given 0: there the correlation is negative.": right.clamp(min=0),
        "this is the covariance of the ranks: divide by both standard deviations.":
        ((a - a.mean()) * (b - b.mean())).mean(),
        "the sign is turned: one list was ranked from the top, the other from the bottom.": -right,
        "this is the square of the correlation, the share of the variance.": right.square(),
    }  # fmt: skip


CORRELATION = Value(
    right=rank_correlation,
    given=pairs(  # far from a line; with ties in one; with ties in both; falling
        ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 20.0, 3.0, 400.0, 50.0]),
        ([3.0, 1.0, 3.0, 9.0, 2.0], [10.0, 7.0, 12.0, 11.0, 1.0]),
        ([0.0, 0.0, 0.0, 5.0, 6.0, 7.0], [2.0, 1.0, 1.0, 4.0, 3.0, 3.0]),
        ([0.1, 0.7, 0.2, 30.0], [5.0, -2.0, 4.0, -9.0]),
    ),
    mistakes=rank_mistakes,
    what="the correlation",
    hint="take the one number out of a matrix or a result",
)

CHECKS: dict[str, Check] = {
    "middle_square": exercise(SQUARE, passed=f"The middle, as large as it can be, for all {len(SHAPES)} shapes tried."),
    "to_bytes": exercise(
        BYTES,
        NARROW,
        OUTSIDE,
        passed="Rounded, bounded, and of the right type; bytes made floats come back as they were.",
    ),
    "log_gain": exercise(
        GAIN, passed="In halvings, seed by seed: 1 where the distance was halved, -1 where it was doubled."
    ),
    "rank_correlation": exercise(
        CORRELATION, passed="Right without ties, with ties, and where one falls as the other rises."
    ),
}
