"""Checks of chapter 13, small updates: a folded norm, a low-rank layer, its size, how low the rank of a matrix is.

A mistake is recognised by computing what that mistake would give. All is linear, so every answer has a closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d

from .core import NOTHING, Check, Raised, Wrong, call, call_drawing, close, wrong_if

Answer = Callable[..., Any]


def _written(value: Any) -> None:
    wrong_if(value is None or value is ..., NOTHING)


def _number(value: Any, what: str) -> float:
    """`value` as a float; Wrong unless it is one number."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        shape = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise Wrong(f"your function returns a value {shape}; {what} is one number.") from None


def _tensor(value: Any, shape: tuple[int, ...], what: str) -> Tensor:
    wrong_if(not isinstance(value, Tensor), f"{what} is a {type(value).__name__}; it should be a tensor.")
    wrong_if(tuple(value.shape) != shape, f"{what} has shape {tuple(value.shape)}; it should have {tuple(shape)}.")
    found: Tensor = value
    return found


# --- fold_norm ---


def _norm(channels: int) -> nn.BatchNorm2d:
    """A norm in eval mode of whose numbers no two are alike, with an eps that cannot be overlooked."""
    norm = nn.BatchNorm2d(channels, eps=0.5).eval().requires_grad_(False)
    for tensor, low in ((norm.weight, 0.5), (norm.bias, -1.0), (norm.running_mean, -2.0), (norm.running_var, 1.5)):
        assert tensor is not None
        tensor.copy_(low + 2 * torch.rand(channels))
    return norm


def weight_mistakes(weight: Tensor, norm: nn.BatchNorm2d) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of a weight (C, C, C, C), and how to call them."""
    var = norm.running_var
    assert var is not None
    std = (var + norm.eps).sqrt()
    scale = norm.weight / std

    def times(s: Tensor) -> Tensor:
        return weight * s.view(1, -1, 1, 1)

    return [
        (weight, "the weight is as it was: each output channel's weights are multiplied by its scale."),
        (
            weight * scale.view(-1, 1, 1, 1),
            "the scale runs along axis 0, the inputs; a transposed convolution's outputs are axis 1 of its weight.",
        ),
        (
            weight * scale,
            "the scale is broadcast along the kernel's last axis; give it the shape (1, C, 1, 1), so that it runs "
            "along the output channels.",
        ),
        (times(norm.weight / var.sqrt()), "eps is left out: the norm divides by the root of variance plus eps."),
        (
            times(norm.weight / (var.sqrt() + norm.eps)),
            "eps is added after the root; the norm adds it to the variance and takes the root then.",
        ),
        (
            times(norm.weight / (var + norm.eps)),
            "the norm divides by the standard deviation; yours divides by the variance, the root is missing.",
        ),
        (times(norm.weight * std), "the standard deviation multiplies; a norm divides by it."),
        (times(1 / std), "the norm's own scale, `norm.weight`, is left out."),
        (times(norm.weight), "the running variance is left out: the norm divides by its root before it scales."),
    ]


def bias_mistakes(norm: nn.BatchNorm2d) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the bias (C,), and how to call them."""
    mean, var = norm.running_mean, norm.running_var
    assert mean is not None
    assert var is not None
    scale = norm.weight / (var + norm.eps).sqrt()
    return [
        (norm.bias, "the weight is right, the bias forgets the running mean: it is subtracted before scaling."),
        (norm.bias + scale * mean, "the weight is right, but in the bias the mean is added; a norm subtracts it."),
        (
            norm.bias - mean,
            "the weight is right, but in the bias the mean is not scaled, and the norm subtracts it before it scales.",
        ),
        (
            norm.bias - mean / (var + norm.eps).sqrt(),
            "the weight is right, but in the bias the mean is divided by the standard deviation and not multiplied by "
            "`norm.weight`.",
        ),
        (-scale * mean, "the weight is right, the bias forgets the norm's own shift, `norm.bias`."),
        (
            scale * (norm.bias - mean),
            "the weight is right, but the norm's shift is multiplied by the scale; it is added after scaling.",
        ),
        (torch.zeros_like(mean), "the weight is right, the bias is 0: what the norm subtracts and adds goes there."),
    ]


def check_fold_norm(answer: Answer) -> str:
    """`fold_norm(weight, norm)`: (weight, bias) of one transposed convolution that does both."""
    norm = _norm(3)
    weight = torch.randn(3, 3, 3, 3)  # as many inputs as outputs as pixels, so that a wrong axis is not refused
    before = weight.clone()
    got_weight, got_bias = _folded(answer, weight, norm)
    wrong_if(
        not close(weight, before), "the weight that was given has changed: multiply into a new tensor, not in place."
    )
    for value, message in weight_mistakes(before, norm):
        wrong_if(close(got_weight, value), message)
    for value, message in bias_mistakes(norm):
        wrong_if(close(got_bias, value), message)
    _check_folded(weight, norm, got_weight, got_bias, "")
    weight, norm = torch.randn(5, 2, 4, 4), _norm(2)
    try:
        got_weight, got_bias = _folded(answer, weight, norm)
    except Raised as error:
        raise Wrong(f"right for 3 channels in and out, but with 5 in and 2 out {error}") from error
    _check_folded(weight, norm, got_weight, got_bias, "right for 3 channels in and out, but with 5 in and 2 out ")
    return "One layer does what the convolution and the norm did."


def _folded(answer: Answer, weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    value = call_drawing(answer, weight=weight, norm=norm)
    _written(value)
    if isinstance(value, nn.Module):
        value = (value.weight, value.bias)
    wrong_if(
        not isinstance(value, (tuple, list)) or len(value) != 2,
        "your function returns one thing; two are wanted, the new weight and the new bias.",
    )
    found = (_tensor(value[0], tuple(weight.shape), "the new weight"), value[1])
    return found[0], _tensor(found[1], (weight.shape[1],), "the new bias")


@torch.no_grad()
def _check_folded(weight: Tensor, norm: nn.BatchNorm2d, new: Tensor, bias: Tensor, when: str) -> None:
    x = torch.randn(2, weight.shape[0], 4, 4)
    right = norm(conv_transpose2d(x, weight, stride=2, padding=1))
    off = float((conv_transpose2d(x, new, bias, stride=2, padding=1) - right).abs().max())
    wrong_if(off > 1e-3, f"{when}the folded layer's outputs are off by up to {off:.3g}; they should be the same.")


# --- low_rank_forward ---


def forward_mistakes(x: Tensor, weight: Tensor, a: Tensor, b: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of a square layer, and how to call them."""
    own, added = x @ weight.T, x @ a.T @ b.T
    return [
        (own, "only the frozen W is applied: B A is missing."),
        (added, "only B A is applied: the frozen W is missing."),
        (x @ (weight + b @ a), "the transpose is missing: W has a row for each output, so a layer computes x W^T."),
        (own + x @ (b @ a), "W is transposed and B A is not: both have a row for each output."),
        (x @ weight + added, "B A is transposed and W is not: both have a row for each output."),
        (
            own + added / len(a),
            "B A is divided by the rank, as a factor alpha / rank with alpha 1 would do; here the factor is 1.",
        ),
        (x @ (weight * (b @ a)).T, "B A multiplies W; it is added to it."),
        (own - added, "B A is subtracted; it is added."),
    ]


def check_low_rank_forward(answer: Answer) -> str:
    """`low_rank_forward(x, weight, a, b)`: x (W + B A)^T, with W (out, in), A (rank, in), B (out, rank)."""
    x, weight = torch.randn(5, 4), torch.randn(4, 4)  # square, so that a missing transpose is not refused
    a, b = torch.randn(2, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    before = weight.clone()
    got = _outputs(answer, x, weight, a, b)
    wrong_if(
        not close(weight.detach(), before),
        "W itself has changed: it is frozen, so add B A to a copy, or apply the two parts one after the other.",
    )
    wrong_if(weight.requires_grad, "W has been made to want gradients: it is frozen, and only A and B train.")
    with torch.no_grad():
        for value, message in forward_mistakes(x, before, a, b):
            wrong_if(close(got.detach(), value), message)
        right = x @ (before + b @ a).T
    wrong_if(
        not close(got.detach(), right),
        f"the outputs are off by up to {float((got.detach() - right).abs().max()):.3g} from x (W + B A)^T.",
    )
    wrong_if(
        not got.requires_grad, "the outputs are right, but no gradient flows through them: A and B are what trains."
    )
    to_a, to_b = torch.autograd.grad(got.sum(), [a, b], allow_unused=True)
    for name, gradient in (("A", to_a), ("B", to_b)):
        wrong_if(gradient is None, f"the outputs are right, but no gradient reaches {name}: it is detached.")
    wrong_if(
        not (close(to_a, b.sum(0)[:, None] * x.sum(0)) and close(to_b, (x @ a.T).sum(0).expand(4, 2))),
        "the outputs are right, but the gradient for A or B is not: part of B A is detached.",
    )
    _check_other_shapes(answer)
    return "Value, gradients for A and B, and W unchanged at the start, where B is 0."


def _check_other_shapes(answer: Answer) -> None:
    """A layer from 6 to 3, whose B is 0 as at the start."""
    x, weight, a, b = torch.randn(2, 6), torch.randn(3, 6), torch.randn(2, 6), torch.zeros(3, 2)
    try:
        got = _outputs(answer, x, weight, a, b)
    except Raised as error:
        raise Wrong(f"right for a square W, but with 6 inputs and 3 outputs {error}") from error
    wrong_if(
        not close(got.detach(), x @ weight.T),
        "right for a square W, but with 6 inputs, 3 outputs and B = 0 the outputs are not x W^T.",
    )


def _outputs(answer: Answer, x: Tensor, weight: Tensor, a: Tensor, b: Tensor) -> Tensor:
    value = call(answer, x=x, weight=weight, a=a, b=b)
    _written(value)
    return _tensor(value, (len(x), len(weight)), "what your function returns")


# --- break_even_rank ---

SIZES = [(6272, 64), (128, 1024), (64, 16), (10, 10), (3, 6), (12, 4), (7, 1)]

RANK_MISTAKES: list[tuple[Callable[[int, int], float], str]] = [
    (
        lambda m, n: m * n // (m + n),
        "rounded down: where the division leaves a rest, B A is still the smaller one at this rank.",
    ),
    (
        lambda m, n: m * n // (m + n) + 1,
        "one too large where the division is exact: 'as many' counts as even, so for 10 by 10 rank 5 is right.",
    ),
    (
        lambda m, n: round(m * n / (m + n)),
        "rounded to the nearest: where that is down, B A is still the smaller one. Round up.",
    ),
    (
        lambda m, n: min(m, n),
        "that is the largest rank that W can have; B A has outgrown W before, because it is two matrices.",
    ),
    (lambda m, n: n, "only B is counted, with a row for each of W's; A has a column for each of W's."),
    (lambda m, n: m, "only A is counted, with a column for each of W's; B has a row for each of W's."),
    (lambda m, n: m + n, "that is how many numbers rank 1 has; the question is at which rank they are W's number."),
    (lambda m, n: m * n / (m + n), "this is where the two lines cross, not a whole rank: round up."),
]


def check_break_even_rank(answer: Answer) -> str:
    """`break_even_rank(rows, columns)`: the smallest rank at which A and B hold as many numbers as W, or more."""
    got = [call(answer, rows=m, columns=n) for m, n in SIZES]
    wrong_if(any(v is None or v is ... for v in got), NOTHING)
    numbers = [_number(value, "a rank") for value in got]
    for mistake, message in RANK_MISTAKES:
        wrong_if(close(torch.tensor(numbers), torch.tensor([float(mistake(*size)) for size in SIZES])), message)
    for (m, n), seen in zip(SIZES, numbers, strict=True):
        right = -(-m * n // (m + n))
        wrong_if(
            seen != right,
            f"for a W of {m} by {n} your function says {seen:g}; at rank {right} A and B hold {right * (m + n):,} "
            f"numbers and W {m * n:,}, and a rank below they hold fewer.",
        )
    for value in got:
        is_float = value.is_floating_point() if isinstance(value, Tensor) else isinstance(value, float)
        wrong_if(is_float, f"the ranks are right, but {value!r} is a float and a rank is a whole number.")
    return f"Right for all {len(SIZES)} sizes tried."


# --- top_share ---

STRETCHES = (4.0, 2.0, 1.0, 0.5)

SHARE_MISTAKES: list[tuple[Callable[[Tensor, int], Tensor | float], str]] = [
    (lambda s, r: s[:r].sum() / s.sum(), "the singular values are not squared: a share of the squared norm is asked."),
    (
        lambda s, r: s[:r].norm() / s.norm(),
        "that is the root of the share: norms are compared, and squared norms are asked.",
    ),
    (lambda s, r: 1 - s[:r].square().sum() / s.square().sum(), "that is the share which is left over: 1 minus it."),
    (
        lambda s, r: s[-r:].square().sum() / s.square().sum(),
        "the smallest singular values are summed, not the largest: mind the order in which they come.",
    ),
    (
        lambda s, r: s[r - 1].square() / s.square().sum(),
        "that is the share of one direction alone, the rank-th; sum those before it too.",
    ),
    (
        lambda s, r: s[: r - 1].square().sum() / s.square().sum(),
        "one direction too few is summed: rank 1 has one, so the slice ends at `rank`.",
    ),
    (lambda s, r: s[:r].square().sum() / s[0].square(), "divided by the largest alone; divide by the sum of all."),
    (lambda s, r: s[:r].square().sum(), "the sum of squares is not yet a share: divide by that of all."),
    (
        lambda s, r: s[:r].pow(4).sum() / s.pow(4).sum(),
        "these are fourth powers: the eigenvalues of M^T M are squares of M's singular values already.",
    ),
    (lambda s, r: 100 * s[:r].square().sum() / s.square().sum(), "that is in per cent; give a share, from 0 to 1."),
    (lambda s, r: r / len(s), "that is the share of the directions' number, whatever the matrix holds."),
]


def check_top_share(answer: Answer) -> str:
    """`top_share(matrix, rank)`: the share of the squared norm that the largest singular values hold."""
    s = torch.tensor(STRETCHES)
    left, right = (torch.linalg.qr(torch.randn(n, 4))[0] for n in (6, 4))
    matrix = left @ (s[:, None] * right.T)
    ranks = (1, 2, 3)
    numbers = [_share(answer, matrix, r) for r in ranks]
    for mistake, message in SHARE_MISTAKES:
        wrong_if(close(torch.tensor(numbers), torch.tensor([float(mistake(s, r)) for r in ranks])), message)
    _check_shares("", zip(ranks, numbers, strict=True), s)
    _check_shares("of a matrix that is wider than high ", ((r, _share(answer, matrix.T, r)) for r in ranks), s)
    _check_shares("with as many directions as there are ", [(4, _share(answer, matrix, 4))], s)
    return "Right for a matrix with known singular values, at every rank."


def _share(answer: Answer, matrix: Tensor, rank: int) -> float:
    value = call(answer, matrix=matrix.clone(), rank=rank)
    _written(value)
    return _number(value, "a share")


def _check_shares(of: str, found: Any, s: Tensor) -> None:
    for rank, seen in found:
        wanted = float(s[:rank].square().sum() / s.square().sum())
        wrong_if(
            not close(seen, wanted, 1e-3),
            f"{of}your function says {seen:.4g} at rank {rank}; with singular values 4, 2, 1, 0.5 it is {wanted:.4g}.",
        )


CHECKS: dict[str, Check] = {
    "fold_norm": check_fold_norm,
    "low_rank_forward": check_low_rank_forward,
    "break_even_rank": check_break_even_rank,
    "top_share": check_top_share,
}
