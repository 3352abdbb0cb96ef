"""Checks of chapter 13, small updates: a folded norm, a low-rank layer, its size, how low the rank of a matrix is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .core import Check, shown, wrong_if
from .value import Value, exercise

# --- fold_norm ---


def norm_of(channels: int) -> nn.BatchNorm2d:
    """A norm in eval mode of whose numbers no two are alike, with an eps that cannot be overlooked."""
    norm = nn.BatchNorm2d(channels, eps=0.5).eval().requires_grad_(False)
    signs = 1.0 - 2 * (torch.arange(channels) % 2)
    for tensor, low in ((norm.weight, 0.5), (norm.bias, 0.4), (norm.running_mean, 0.3), (norm.running_var, 1.5)):
        assert tensor is not None
        tensor.copy_((low + 2 * torch.rand(channels)) * (1 if low == 1.5 else signs))
    return norm


def statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A norm's running mean and variance, (C,) each."""
    return norm.get_buffer("running_mean"), norm.get_buffer("running_var")


def fold(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    mean, var = statistics(norm)
    scale = norm.weight / (var + norm.eps).sqrt()
    return weight * scale.view(1, -1, 1, 1), norm.bias - scale * mean


def weight_mistakes(weight: Tensor, norm: nn.BatchNorm2d) -> dict[str, Any]:
    """What the known mistakes make of a weight (C, C, C, C), each with the right bias."""
    var, bias = statistics(norm)[1], fold(weight, norm)[1]
    std = (var + norm.eps).sqrt()
    scale = norm.weight / std
    scales = {
        "the scale runs along axis 0, the inputs; a transposed convolution's outputs are axis 1 of its "
        "weight.": scale.view(-1, 1, 1, 1),
        "the scale is broadcast along the kernel's last axis; give it the shape (1, C, 1, 1), so that it runs along "
        "the output channels.": scale,
        "the weight is as it was: each output channel's weights are multiplied by its scale.": torch.ones(()),
    }
    wrong = {
        "eps is left out: the norm divides by the root of variance plus eps.": norm.weight / var.sqrt(),
        "eps is added after the root; the norm adds it to the variance and takes the root then.": norm.weight
        / (var.sqrt() + norm.eps),
        "the norm divides by the standard deviation; yours divides by the variance, the root is missing.": scale / std,
        "the standard deviation multiplies; a norm divides by it.": norm.weight * std,
        "the norm's own scale, `norm.weight`, is left out.": 1 / std,
        "the scale's sign is lost: `norm.weight` may be negative.": scale.abs(),
        "the running variance is left out: the norm divides by its root before it scales.": norm.weight,
    }
    scales |= {message: s.view(1, -1, 1, 1) for message, s in wrong.items()}
    return {message: (weight * s, bias) for message, s in scales.items()}


def bias_mistakes(weight: Tensor, norm: nn.BatchNorm2d) -> dict[str, Any]:
    """What the known mistakes make of the bias (C,), each with the right weight."""
    (mean, var), (new, right) = statistics(norm), fold(weight, norm)
    scale = norm.weight / (var + norm.eps).sqrt()
    biases = {
        "the bias forgets the running mean: it is subtracted before scaling.": norm.bias,
        "in the bias the mean is added; a norm subtracts it.": norm.bias + scale * mean,
        "in the bias the mean is not scaled, and the norm subtracts it before it scales.": norm.bias - mean,
        "in the bias the mean is divided by the standard deviation and not multiplied by `norm.weight`.": norm.bias
        - mean * scale / norm.weight,
        "the bias forgets the norm's own shift, `norm.bias`.": -scale * mean,
        "the norm's shift is multiplied by the scale; it is added after scaling.": scale * (norm.bias - mean),
        "the bias is 0: what the norm subtracts and adds goes there.": torch.zeros_like(mean),
        "the bias is the right one with its sign turned.": -right,
    }
    return {message: (new, bias) for message, bias in biases.items()}


def part(i: int) -> Callable[..., Any]:
    """The new weight or the new bias, of a pair or of a layer."""

    def taken(returned: Any, weight: Tensor, norm: nn.BatchNorm2d) -> Any:
        pair = (returned.weight, returned.bias) if isinstance(returned, nn.ConvTranspose2d) else returned
        wrong_if(
            not isinstance(pair, (tuple, list)) or len(pair) != 2 or any(one is None for one in pair),
            f"your function returns {shown(returned)}; two are wanted, the new weight and the new bias.",
        )
        return pair[i]

    return taken


WEIGHT = Value(
    right=fold,
    # as many inputs as outputs as pixels, so that a wrong axis is not refused
    given=lambda: [(torch.randn(3, 3, 3, 3), norm_of(3))],
    seen=part(0),
    mistakes=weight_mistakes,
    what="the new weight",
    draws=True,  # as a new layer does, which may be how it comes back
)
BUT_BIAS = "the weight is right, but "
BIAS = WEIGHT.at(WEIGHT.given, seen=part(1), mistakes=bias_mistakes, what="the new bias", but=BUT_BIAS)
BUT_OTHERS = "right for 3 channels in and out, but with 5 in and 2 out "
OTHER_WEIGHT = WEIGHT.at(lambda: [(torch.randn(5, 2, 4, 4), norm_of(2))], but=BUT_OTHERS)
OTHER_BIAS = OTHER_WEIGHT.at(OTHER_WEIGHT.given, seen=part(1), what="the new bias", but=BUT_OTHERS)


# --- low_rank_forward ---


def adapted(x: Tensor, weight: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return x @ weight.T + x @ a.T @ b.T


def forward_mistakes(x: Tensor, weight: Tensor, a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """What the known mistakes make of a square layer."""
    own, added = x @ weight.T, x @ a.T @ b.T
    return {
        "only the frozen W is applied: B A is missing.": own,
        "only B A is applied: the frozen W is missing.": added,
        "the transpose is missing: W has a row for each output, so a layer computes x W^T.": x @ (weight + b @ a),
        "W is transposed and B A is not: both have a row for each output.": own + x @ (b @ a),
        "B A is transposed and W is not: both have a row for each output.": x @ weight + added,
        "B A is divided by the rank, as a factor alpha / rank with alpha 1 would do; here the factor is 1.": own
        + added / len(a),
        "B A multiplies W; it is added to it.": x @ (weight * (b @ a)).T,
        "B A is subtracted; it is added.": own - added,
        "the outputs are right, but x W^T is detached: no gradient passes W to the layers below, which may train.": (
            own.detach() + added
        ),
        "the outputs are right, but the input of B A is detached, and the layers below get a part of their gradient "
        "alone.": own + x.detach() @ a.T @ b.T,
    }


def layer(inputs: int, outputs: int, start: float) -> Any:
    """A function that draws the arguments: five rows, W, A, and B times `start`."""
    return lambda: [
        (torch.randn(5, inputs), torch.randn(outputs, inputs), torch.randn(2, inputs), torch.randn(outputs, 2) * start)
    ]


FORWARD = Value(
    right=adapted,
    given=layer(4, 4, 1.0),  # square, so that a missing transpose is not refused
    mistakes=forward_mistakes,
    what="the output",
    wrong="the output at {place} is {got:.3f}; x (W + B A)^T is {right:.3f} there.",
    learns=["x", "a", "b"],
    cut="the outputs are right, but no gradient reaches `{name}`: it is detached. A and B are what trains, and the "
    "layers below may.",
    slope="the outputs are right, but the gradient in `{name}` is not: part of B A is detached.",
)
OBLONG = FORWARD.at(
    layer(6, 3, 1.0),
    but="right for a square W, but with 6 inputs and 3 outputs ",
    wrong="the outputs are not x (W + B A)^T.",
)
START = OBLONG.at(
    layer(6, 3, 0.0),
    but="right for a random B, but with B = 0, as at the start, ",
    learns=[],
    wrong="the outputs are not x W^T.",
)

# --- break_even_rank ---

SIZES = [(6272, 64), (128, 1024), (64, 16), (10, 10), (3, 6), (12, 4), (7, 1)]
RANK = Value(
    right=lambda rows, columns: -(-rows * columns // (rows + columns)),
    given=SIZES,
    what="the rank",
    mistakes={
        "rounded down: where the division leaves a rest, B A is still the smaller one at this rank.": lambda m, n: (
            m * n // (m + n)
        ),
        "one too large where the division is exact: 'as many' counts as even, so for 10 by 10 rank 5 is "
        "right.": lambda m, n: m * n // (m + n) + 1,
        "rounded to the nearest: where that is down, B A is still the smaller one. Round up.": lambda m, n: round(
            m * n / (m + n)
        ),
        "that is the largest rank that W can have; B A has outgrown W before, because it is two matrices.": min,
        "only B is counted, with a row for each of W's; A has a column for each of W's.": lambda m, n: n,
        "only A is counted, with a column for each of W's; B has a row for each of W's.": lambda m, n: m,
        "that is how many numbers rank 1 has; the question is at which rank they are W's number.": lambda m, n: m + n,
        "this is where the two lines cross, not a whole rank: round up.": lambda m, n: m * n / (m + n),
    },
    wrong="for a W of {rows} by {columns} your function says {got:g}; at rank {right:g} A and B hold as many numbers "
    "as W, or more, and a rank below they hold fewer.",
)

# --- top_share ---


def share(matrix: Tensor, rank: int) -> Tensor:
    squares = torch.linalg.svdvals(matrix).square()
    return squares[:rank].sum() / squares.sum()


def share_mistakes(matrix: Tensor, rank: int) -> dict[str, Any]:
    """What the known mistakes make of a matrix at a rank."""
    s = torch.linalg.svdvals(matrix)
    squares, right = s.square(), share(matrix, rank)
    return {
        "the singular values are not squared: a share of the squared norm is asked.": s[:rank].sum() / s.sum(),
        "that is the root of the share: norms are compared, and squared norms are asked.": right.sqrt(),
        "that is the share which is left over: 1 minus it.": 1 - right,
        "the smallest singular values are summed, not the largest: mind the order in which they come.": squares[
            -rank:
        ].sum()
        / squares.sum(),
        "that is the share of one direction alone, the rank-th; sum those before it too.": squares[rank - 1]
        / squares.sum(),
        "one direction too few is summed: rank 1 has one, so the slice ends at `rank`.": share(matrix, rank - 1),
        "one direction too many is summed: the slice ends at `rank`, which it leaves out.": share(matrix, rank + 1),
        "divided by the largest alone; divide by the sum of all.": squares[:rank].sum() / squares[0],
        "the sum of squares is not yet a share: divide by that of all.": squares[:rank].sum(),
        "these are fourth powers: the eigenvalues of M^T M are squares of M's singular values already.": squares[:rank]
        .square()
        .sum()
        / squares.square().sum(),
        "that is in per cent; give a share, from 0 to 1.": 100 * right,
        "that is the share of the directions' number, whatever the matrix holds.": rank / len(s),
    }


def known(*ranks: int, wide: bool = False) -> Any:
    """A function that draws a matrix (6, 4) with singular values 4, 2, 1, 0.5, or one (4, 6), for each rank."""

    def cases() -> list[tuple[Tensor, int]]:
        left, right = (torch.linalg.qr(torch.randn(n, 4))[0] for n in (6, 4))
        matrix = left @ (torch.tensor([4.0, 2.0, 1.0, 0.5])[:, None] * right.T)
        return [(matrix.T if wide else matrix, rank) for rank in ranks]

    return cases


SHARE = Value(
    right=share,
    given=known(1, 2, 3),
    what="the share",
    mistakes=share_mistakes,
    wrong="your function says {got:.4g} at rank {rank}; with singular values 4, 2, 1, 0.5 it is {right:.4g}.",
)
WIDE = SHARE.at(known(1, 2, 3, wide=True), but="of a matrix that is wider than high ", wrong=SHARE.wrong)
FULL = SHARE.at(known(4), but="with as many directions as there are ", wrong=SHARE.wrong)

CHECKS: dict[str, Check] = {
    "fold_norm": exercise(
        WEIGHT, BIAS, OTHER_WEIGHT, OTHER_BIAS, passed="One layer does what the convolution and the norm did."
    ),
    "low_rank_forward": exercise(
        FORWARD, OBLONG, START, passed="Value, gradients for A and B, and W unchanged at the start, where B is 0."
    ),
    "break_even_rank": exercise(RANK, passed=f"Right for all {len(SIZES)} sizes tried."),
    "top_share": exercise(SHARE, WIDE, FULL, passed="Right for a matrix with known singular values, at every rank."),
}
