"""Checks of chapter 10, across domains: the middle square, bytes from floats, a gain in halvings, a rank correlation.

Images are ramps in which every pixel has a value of its own, and lists are short. A mistake is recognised by computing
what that mistake would give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .core import NOTHING, Check, Raised, Wrong, call, close, wrong_if

Answer = Callable[..., Any]

# --- middle_square ---

SHAPES = ((3, 4, 10), (1, 9, 5), (3, 6, 6), (1, 7, 4), (3, 2, 9))  # wide, tall, square, and odd differences


def ramp(channels: int, height: int, width: int) -> Tensor:
    """An image in which no two numbers are equal, and no mean of neighbours is a number of it: the squares."""
    return torch.arange(float(channels * height * width)).square().reshape(channels, height, width)


def check_middle_square(answer: Answer) -> str:
    """`middle_square(image)`: (C, H, W) -> (C, side, side), the middle, side the smaller of H and W."""
    for shape in SHAPES:
        image = ramp(*shape)
        try:
            got = call(answer, image=image.clone())
        except Raised as error:
            raise Wrong(f"for an image of shape {shape} it fails. Seen: {error}") from error
        wrong_if(got is None or got is ..., NOTHING)
        wrong_if(not isinstance(got, Tensor), f"your function returns {type(got).__name__}; a tensor is wanted.")
        _check_square(got, image)
    return f"The middle, as large as it can be, for all {len(SHAPES)} shapes tried."


def _check_square(got: Tensor, image: Tensor) -> None:
    channels, height, width = image.shape
    side = min(height, width)
    wrong_if(
        got.ndim != 3,
        f"the result has {got.ndim} axes, of lengths {tuple(got.shape)}; an image has three, (C, side, side).",
    )
    wrong_if(
        got.shape[0] != channels or (got.shape[2] == width > side and got.shape[1] < height),
        f"the result has shape {tuple(got.shape)} for an image of shape {tuple(image.shape)}: the first axis holds "
        "the channels and is not to be cropped.",
    )
    wrong_if(
        got.shape == (channels, max(height, width), max(height, width)) and height != width,
        "the result has the longer side: a square of that size holds pixels that the image does not have. Take the "
        "smaller of height and width.",
    )
    wrong_if(
        torch.equal(got, image) and height != width,
        f"an image of {height} rows and {width} columns comes back as it was, and is no square.",
    )
    wrong_if(
        got.shape != (channels, side, side),
        f"the result has shape {tuple(got.shape)} for an image of shape {tuple(image.shape)}; "
        f"{(channels, side, side)} is the largest square.",
    )
    rows, columns = height - side, width - side
    middle = [
        image[:, t : t + side, lf : lf + side]
        for t in {rows // 2, (rows + 1) // 2}
        for lf in {columns // 2, (columns + 1) // 2}
    ]
    if any(torch.equal(got.to(image.dtype), m) for m in middle):
        return
    wrong_if(
        torch.equal(got, image[:, :side, :side]),
        "the square starts at the top left corner: what is left over has to be cut off both sides.",
    )
    wrong_if(
        torch.equal(got, image[:, rows:, columns:]),
        "the square ends at the bottom right corner: all that is left over is cut off one side.",
    )
    wrong_if(
        not torch.isin(got, image).all(),
        "the result has values that no pixel of the image has: it was squashed or stretched, which changes the shape "
        "of things. Cut, and resize nothing.",
    )
    wrong_if(
        torch.equal(got, image[:, torch.arange(side) * height // side][:, :, torch.arange(side) * width // side]),
        "rows or columns were left out in between, which squashes the picture: cut off both ends, and keep all that "
        "lies between them.",
    )
    wrong_if(
        torch.equal(got.flatten().sort().values, middle[0].flatten().sort().values),
        "the right pixels, in another order: something was flipped or transposed.",
    )
    raise Wrong(
        f"for {height} rows and {width} columns the square is off the middle: cut off half of the difference, "
        f"{(rows + columns) // 2}, before it."
    )


# --- to_bytes ---

# Floats whose right bytes no two of the mistakes below share. None lies half way: there two bytes are the nearest.
FLOATS = torch.tensor([-1.0, -0.9969, -0.5, 0.001, 0.25, 0.499, 0.77, 0.9969, 1.0])
OUTSIDE = torch.tensor([-1.3, -1.004, 1.004, 1.3])


def _bytes(x: Tensor) -> Tensor:
    return ((x + 1) * 127.5).round().clamp(0, 255)


BYTE_MISTAKES: list[tuple[Callable[[Tensor], Tensor], str]] = [
    (
        lambda x: (x * 255).round().clamp(0, 255),
        "this is the way back from [0, 1]: the floats run from -1 to 1, and all that is below grey has become black.",
    ),
    (
        lambda x: (x * 127.5).round().clamp(0, 255),
        "1 has not been added first: the dark half of the range has become black.",
    ),
    (
        lambda x: ((x + 1) * 127.5).floor().clamp(0, 255),
        "the numbers are cut off and not rounded, which darkens the picture by half a step on average.",
    ),
    (lambda x: ((x + 1) * 127.5).ceil().clamp(0, 255), "the numbers are rounded up: take the nearest."),
    (
        lambda x: ((x + 1) * 128).round().clamp(0, 255),
        "256 steps were spread over the range; there are 255 between 0 and 255, so the factor is 127.5.",
    ),
    (
        lambda x: ((x + 1) * 128).floor().clamp(0, 255),
        "bins of 1/128 were taken, whose lower ends are no inverse of x / 127.5 - 1: multiply by 127.5 and round.",
    ),
    (lambda x: ((x + 1) / 2).round().clamp(0, 255), "the result runs from 0 to 1: bytes run to 255."),
    (
        lambda x: ((x + 1) * 255).round().clamp(0, 255),
        "1 was added, but the range from 0 to 2 was multiplied by 255: the light half of the range has become white.",
    ),
]


def check_to_bytes(answer: Answer) -> str:
    """`to_bytes(x)`: floats in [-1, 1] -> uint8, the nearest; what lies outside, to the nearer end."""
    x = FLOATS.clone()
    got = call(answer, x=x)
    wrong_if(got is None or got is ..., NOTHING)
    wrong_if(not isinstance(got, Tensor), f"your function returns {type(got).__name__}; a tensor is wanted.")
    wrong_if(
        not torch.equal(x, FLOATS),
        "your function has changed the tensor that it was given: an operation whose name ends in _ works in place.",
    )
    wrong_if(got.shape != x.shape, f"floats of shape {tuple(x.shape)} became {tuple(got.shape)}.")
    for mistake, message in BYTE_MISTAKES:
        wrong_if(close(got.double(), mistake(FLOATS).double()), message)
    right = _bytes(FLOATS)
    for value, seen, wanted in zip(FLOATS.tolist(), got.tolist(), right.tolist(), strict=True):
        wrong_if(seen != wanted, f"{value:g} becomes {seen:g}; the nearest byte is {wanted:g}.")
    wrong_if(
        got.dtype != torch.uint8,
        f"the numbers are right, but their type is {got.dtype}: an image file holds torch.uint8.",
    )
    narrow = torch.tensor([-0.2, 0.1, 0.3])
    wrong_if(
        not torch.equal(call(answer, x=narrow.clone()), _bytes(narrow).byte()),
        "an image that fills only a part of the range was stretched over all of it: the ends are -1 and 1, whatever "
        "an image holds.",
    )
    _check_outside(answer)
    return "Rounded, bounded, and of the right type; bytes made floats come back as they were."


def _check_outside(answer: Answer) -> None:
    got = call(answer, x=OUTSIDE.clone())
    right = _bytes(OUTSIDE).byte()
    wrapped = ((OUTSIDE + 1) * 127.5).round().long().remainder(256)
    wrong_if(
        torch.equal(got.long(), wrapped) or (not torch.equal(got, right) and got[-1] < 128),
        "a value a little above 1 becomes nearly black: as uint8, 256 is 0 again. Bring the numbers into 0 to 255 "
        "before you change the type.",
    )
    wrong_if(
        not torch.equal(got, right),
        f"{', '.join(f'{x:g}' for x in OUTSIDE.tolist())} lie outside and become "
        f"{', '.join(map(str, got.tolist()))}; each should go to its nearer end, 0 or 255.",
    )


# --- log_gain ---

# One number for each seed. The seeds of one start differ by a lot, so that means of ratios and ratios of means do too.
GAINS = (([400.0, 100.0], [50.0, 50.0], 2.0), ([8.0, 2.0, 64.0], [4.0, 16.0, 64.0], -2 / 3), ([5.0], [5.0], 0.0))


def _numbers(values: Any) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


GAIN_MISTAKES: list[tuple[Callable[[Tensor, Tensor], Tensor], str]] = [
    (
        lambda s, t: (t / s).log2().mean(),
        "the sign is turned: a gain is positive where the transferred distance is the smaller one.",
    ),
    (lambda s, t: (s / t).log().mean(), "this is the natural logarithm; in halvings it is the one to base 2."),
    (lambda s, t: (s / t).log10().mean(), "this is the logarithm to base 10; halvings are counted to base 2."),
    (
        lambda s, t: (s.mean() / t.mean()).log2(),
        "the distances were averaged before the ratio was taken, so that the seed with the largest decides: take each "
        "seed's logarithm, then the mean.",
    ),
    (
        lambda s, t: (s / t).mean().log2(),
        "the ratios were averaged before the logarithm was taken: a 4 and a 1/4 then make a gain. Take the logarithm "
        "of each seed first.",
    ),
    (
        lambda s, t: -(t / s).mean().log2(),
        "the ratios were averaged before the logarithm was taken, which favours the seeds with a small ratio. Take "
        "the logarithm of each seed first.",
    ),
    (lambda s, t: (s / t).log2().abs().mean(), "the sign is lost: a seed whose distance was doubled counts -1, not 1."),
    (
        lambda s, t: (s / t).mean(),
        "this is the mean ratio; no gain should be 0, and twice as good as far from it as twice as bad: a logarithm.",
    ),
    (
        lambda s, t: (s - t).mean(),
        "this is a difference of distances, whose size depends on the target and its feature network: take a ratio.",
    ),
    (
        lambda s, t: ((s - t) / s).mean(),
        "this is the share that was saved: it cannot exceed 1, and falls without end. The logarithm of the ratio "
        "treats both sides alike.",
    ),
    (lambda s, t: (s / t).log2().sum(), "the seeds were added up: take their mean."),
]


def check_log_gain(answer: Answer) -> str:
    """`log_gain(scratch, transferred)`: the mean over seeds of log2(scratch / transferred)."""
    got = []
    for scratch, transferred, _ in GAINS:
        found = call(answer, scratch=_numbers(scratch), transferred=_numbers(transferred))
        wrong_if(found is None or found is ..., NOTHING)
        got.append(_one_number(found))
    made = torch.tensor(got, dtype=torch.float64)
    right = torch.tensor([gain for _, _, gain in GAINS], dtype=torch.float64)
    if close(made, right):
        return "In halvings, seed by seed: 1 where the distance was halved, -1 where it was doubled."
    for mistake, message in GAIN_MISTAKES:
        like = torch.stack([mistake(_numbers(s), _numbers(t)) for s, t, _ in GAINS])
        wrong_if(close(made, like), message)
    place = next(i for i in range(len(GAINS)) if not close(made[i], right[i]))
    scratch, transferred, gain = GAINS[place]
    raise Wrong(
        f"for {scratch} from scratch and {transferred} transferred it is {got[place]:.4g}; {gain:.4g} is right."
    )


def _one_number(value: Any) -> float:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise Wrong(f"your function returns {value.numel()} numbers, one for each seed; the gain is their mean.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Wrong(f"your function returns {type(value).__name__}; the gain is one number.") from None


# --- rank_correlation ---

# (x, y): far from a line; with ties in one; with ties in both; falling.
LISTS = (
    ([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 20.0, 3.0, 400.0, 50.0]),
    ([3.0, 1.0, 3.0, 9.0, 2.0], [10.0, 7.0, 12.0, 11.0, 1.0]),
    ([0.0, 0.0, 0.0, 5.0, 6.0, 7.0], [2.0, 1.0, 1.0, 4.0, 3.0, 3.0]),
    ([0.1, 0.7, 0.2, 30.0], [5.0, -2.0, 4.0, -9.0]),
)


def _mean_ranks(v: Tensor) -> Tensor:
    return (v[:, None] > v).sum(1) + ((v[:, None] == v).sum(1) + 1).double() / 2


def _order(v: Tensor) -> Tensor:
    return v.argsort(stable=True).double()


def _places(v: Tensor) -> Tensor:
    return v.argsort(stable=True).argsort(stable=True).double()


def _lowest(v: Tensor) -> Tensor:
    return (v[:, None] > v).sum(1).double()


def _highest(v: Tensor) -> Tensor:
    return (v[:, None] >= v).sum(1).double()


def _dense(v: Tensor) -> Tensor:
    return v.unique(return_inverse=True)[1].double()


def _pearson(x: Tensor, y: Tensor) -> Tensor:
    a, b = x - x.mean(), y - y.mean()
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()


def _by_differences(x: Tensor, y: Tensor) -> Tensor:
    n = len(x)
    return 1 - 6 * (x - y).square().sum() / (n * (n * n - 1))


def _kendall(x: Tensor, y: Tensor) -> Tensor:
    above = torch.triu(torch.ones(len(x), len(x)), 1).bool()
    signs = ((x[:, None] - x).sign() * (y[:, None] - y).sign())[above]
    return signs.mean()


def _kendall_b(x: Tensor, y: Tensor) -> Tensor:
    a, b = (x[:, None] - x).sign(), (y[:, None] - y).sign()
    return (a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()


def _uncentred(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum() / (x.square().sum() * y.square().sum()).sqrt()


RANK_MISTAKES: list[tuple[Callable[[Tensor, Tensor], Tensor], str]] = [
    (_pearson, "this is the correlation of the values themselves: put ranks in their place first."),
    (
        lambda x, y: _pearson(_order(x), _order(y)),
        "`argsort` alone says which value comes first, second, ...; a value's rank is the other way round, the "
        "argsort of the argsort (and ties need more).",
    ),
    (
        lambda x, y: _pearson(_places(x), _places(y)),
        "equal values got different ranks, by where they stood in the list: give each the mean of their places.",
    ),
    (
        lambda x, y: _pearson(_lowest(x), _lowest(y)),
        "equal values share the lowest of their places: let them share the mean.",
    ),
    (
        lambda x, y: _pearson(_highest(x), _highest(y)),
        "equal values share the highest of their places: let them share the mean.",
    ),
    (
        lambda x, y: _pearson(_dense(x), _dense(y)),
        "after equal values the count goes on as if there had been one (dense ranks): three equal values take up "
        "three places.",
    ),
    (
        lambda x, y: _by_differences(_mean_ranks(x), _mean_ranks(y)),
        "the formula with the squared differences of ranks holds without ties only: take the correlation of the ranks.",
    ),
    (_kendall, "this counts pairs that agree (Kendall's); Spearman's is the correlation of the ranks."),
    (
        _kendall_b,
        "this counts pairs that agree (Kendall's, its form for ties); Spearman's is the correlation of the ranks.",
    ),
    (
        lambda x, y: _uncentred(_mean_ranks(x), _mean_ranks(y)),
        "the mean rank has not been taken off: positive numbers alone always seem to go together.",
    ),
    (
        lambda x, y: _pearson(_mean_ranks(x), _mean_ranks(y)) * (len(x) - 1) / len(x),
        "the covariance was divided by n, the standard deviations by n - 1 (`std` does that): take the same for both.",
    ),
    (
        lambda x, y: _pearson(_mean_ranks(x), _mean_ranks(y)).abs(),
        "the sign is lost: where one list falls as the other rises, the correlation is negative.",
    ),
    (
        lambda x, y: ((_mean_ranks(x) - _mean_ranks(x).mean()) * (_mean_ranks(y) - _mean_ranks(y).mean())).mean(),
        "this is the covariance of the ranks: divide by both standard deviations.",
    ),
    (
        lambda x, y: -_pearson(_mean_ranks(x), _mean_ranks(y)),
        "the sign is turned: one list was ranked from the top, the other from the bottom.",
    ),
]


def check_rank_correlation(answer: Answer) -> str:
    """`rank_correlation(x, y)`: the correlation of the ranks, ties at the mean of their places."""
    lists = [(_numbers(x), _numbers(y)) for x, y in LISTS]
    got = []
    for x, y in lists:
        found = call(answer, x=x.clone(), y=y.clone())
        wrong_if(found is None or found is ..., NOTHING)
        got.append(_correlation(found))
    made = torch.tensor(got, dtype=torch.float64)
    right = torch.stack([_pearson(_mean_ranks(x), _mean_ranks(y)) for x, y in lists])
    if close(made, right):
        return "Right without ties, with ties, and where one falls as the other rises."
    for mistake, message in RANK_MISTAKES:
        wrong_if(close(made, torch.stack([mistake(x, y) for x, y in lists])), message)
    place = int((made - right).abs().gt(1e-4).nonzero()[0])
    x_list, y_list = LISTS[place]
    raise Wrong(f"for {x_list} and {y_list} it is {got[place]:.4f}; {right[place].item():.4f} is right.")


def _correlation(value: Any) -> float:
    if isinstance(value, (tuple, list)) or (isinstance(value, Tensor) and value.numel() != 1):
        raise Wrong(
            "your function returns more than one number; the correlation is one (take it out of a matrix or a result)."
        )
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Wrong(f"your function returns {type(value).__name__}; a number is wanted.") from None


CHECKS: dict[str, Check] = {
    "middle_square": check_middle_square,
    "to_bytes": check_to_bytes,
    "log_gain": check_log_gain,
    "rank_correlation": check_rank_correlation,
}
