"""Checks of chapter 08, the basics of transfer: a rate for each part, L2-SP with a new head, ImageNet's input.

A mistake is recognised by computing what that mistake would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .core import NOTHING, Check, Wrong, call, close, scalar, wrong_if

Answer = Callable[..., Any]

# --- discriminative_groups ---

RATE, FACTOR, COUNT = 0.3, 2.5, 4
SAME, LINEAR = "every part has the same rate", "the rates fall by a constant amount or as 1, 1/2, 1/3"


def rate_mistakes(rate: float, factor: float, n: int) -> list[tuple[list[float], str]]:
    """What the known mistakes give the n parts, from the pixels to the head, and how to call them."""
    heights = list(range(n - 1, -1, -1))  # how many parts lie above
    return [
        (
            [rate / factor**i for i in range(n)],
            "the order is turned: the part at the pixels learns fastest. The head, last in `parts`, gets `rate`.",
        ),
        (
            [rate * factor**i for i in heights],
            "the rates grow towards the pixels: divide by `factor` for each part below the head.",
        ),
        (
            [rate * factor**i for i in range(n)],
            "the pixels get `rate` and every part above more: `rate` is the head's, the largest.",
        ),
        (
            [rate / factor ** (i + 1) for i in heights],
            "every rate is divided once too often: the head itself learns at `rate`.",
        ),
        ([rate] * n, f"{SAME}: `factor` is not used."),
        ([rate / factor] * (n - 1) + [rate], "all parts below the head have one rate: divide again for each."),
        ([rate / (factor * i) if i else rate for i in heights], f"{LINEAR} of a step; each is the one above / factor."),
        ([rate / (i + 1) for i in heights], f"{LINEAR}; each is the one above divided by `factor`."),
        ([rate * (1 - i / n) for i in heights], f"{LINEAR} steps: divide, and do not subtract."),
    ]


def check_discriminative_groups(answer: Answer) -> str:
    """`discriminative_groups(parts, rate, factor)`: one group a part, lr = rate / factor**(parts above it)."""
    parts: list[nn.Module] = [nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2, bias=False), nn.Linear(2, 4)]
    groups = call(answer, parts=list(parts), rate=RATE, factor=FACTOR)
    rates = _rates(groups, parts)
    for wrong, message in rate_mistakes(RATE, FACTOR, COUNT):
        wrong_if(close(torch.tensor(rates), torch.tensor(wrong)), message)
    right = [RATE / FACTOR**i for i in range(COUNT - 1, -1, -1)]
    for place, (seen, wanted) in enumerate(zip(rates, right, strict=True), 1):
        wrong_if(
            not close(seen, wanted),
            f"part {place} of {COUNT}, counted from the pixels, has rate {seen:.4g}; with rate {RATE} and factor "
            f"{FACTOR} it should be {wanted:.4g}.",
        )
    return f"Every parameter is in one group, and the rates fall from {RATE} to {right[0]:.3g}."


def _rates(groups: Any, parts: list[nn.Module]) -> list[float]:
    """The rate that each part is given, or `Wrong` where a parameter is missing, doubled or split."""
    wrong_if(groups is None or groups is ..., NOTHING)
    if isinstance(groups, torch.optim.Optimizer):
        groups = groups.param_groups
    if not isinstance(groups, (list, tuple)) or not groups:
        raise Wrong(f"your function returns {type(groups).__name__!r}; a list of dictionaries is wanted, one a part.")
    wrong_if(
        any(not isinstance(group, dict) for group in groups),
        "the list holds no dictionaries: an optimiser takes {'params': ..., 'lr': ...} for each group.",
    )
    for key in ("params", "lr"):
        missing = [group for group in groups if key not in group]
        wrong_if(bool(missing), f"a group has no {key!r}: an optimiser takes the keys 'params' and 'lr'.")
    held: dict[int, float] = {}
    for group in groups:
        params, rate = group["params"], group["lr"]
        wrong_if(
            not isinstance(params, Iterable),
            f"'params' is {type(params).__name__!r}; it takes the parameters: part.parameters().",
        )
        wrong_if(
            not isinstance(rate, (int, float, Tensor)),
            f"'lr' is {type(rate).__name__!r}; it takes a number, the part's rate.",
        )
        for p in [params] if isinstance(params, Tensor) else list(params):
            if isinstance(p, tuple) and len(p) == 2:  # a name and a parameter, which optimisers take too
                p = p[1]
            wrong_if(
                not isinstance(p, Tensor),
                f"'params' holds {type(p).__name__!r} objects; it takes the parameters: part.parameters().",
            )
            wrong_if(id(p) in held, "a parameter is in two groups, which no optimiser takes: one group a part.")
            held[id(p)] = float(rate)
    rates = []
    for place, part in enumerate(parts, 1):
        found = [held.get(id(p)) for p in part.parameters()]
        wrong_if(
            all(rate is None for rate in found),
            f"part {place} of {len(parts)}, counted from the pixels, is in no group, so it would not learn at all.",
        )
        wrong_if(
            None in found,
            f"part {place} has parameters in no group (a bias, say): give the group all of part.parameters().",
        )
        wrong_if(len(set(found)) > 1, f"part {place} has parameters with different rates; one rate a part.")
        rates.append(float(found[0] or 0.0))
    return rates


# --- l2sp_with_head ---


class _Small(nn.Module):
    """A body with a norm, so that there are buffers, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)


def head_mistakes(
    shared: list[Tensor], start: list[Tensor], new: list[Tensor], buffers: Tensor, alpha: float, beta: float
) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of shared parameters, where they began, and new ones."""
    change = torch.cat([(p - q).flatten() for p, q in zip(shared, start, strict=True)])
    body, head = torch.cat([p.flatten() for p in shared]), torch.cat([p.flatten() for p in new])
    a, b = change.square().sum(), head.square().sum()
    z = body.square().sum()
    return [
        (
            alpha / 2 * z + beta / 2 * b,
            "the shared weights are pulled to 0, which is L2: subtract `start[name]` first.",
        ),
        (alpha * a + beta * b, "the halves are missing: each term is its strength / 2 times a squared length."),
        (alpha / 2 * a, "the head is left out: the new weights are pulled to 0, with `beta`."),
        (beta / 2 * b, "only the new weights are held: add alpha/2 |w - w0|^2 over those that have a start."),
        (alpha / 2 * (a + b), "the head is held with `alpha`: what is new has its own strength, `beta`."),
        (beta / 2 * a + alpha / 2 * b, "`alpha` and `beta` are swapped: `alpha` holds what was taken over."),
        (
            alpha / 2 * change.norm() + beta / 2 * head.norm(),
            "the lengths are not squared: the pull would not grow with the distance.",
        ),
        (
            alpha / 2 * change.square().mean() + beta / 2 * head.square().mean(),
            "these are means: sum, or the pull on one weight depends on how many others there are.",
        ),
        (
            alpha / 2 * change.abs().sum() + beta / 2 * head.abs().sum(),
            "these are absolute values, an L1 penalty: square them.",
        ),
        (
            alpha / 2 * (a + buffers.square().sum()) + beta / 2 * b,
            "batch norm's running statistics are in the sum: they are buffers, no weights. Use named_parameters().",
        ),
        (-(alpha / 2 * a + beta / 2 * b), "the sign is turned: this rewards moving away."),
    ]


def check_l2sp_with_head(answer: Answer) -> str:
    """`l2sp_with_head(net, start, alpha, beta)`: alpha/2 |w - w0|^2 where there is a start, beta/2 |w|^2 elsewhere."""
    net, alpha, beta = _Small(), 0.7, 0.3
    start = {
        name: tensor.detach().clone() + (torch.rand_like(tensor) if tensor.is_floating_point() else 3)
        for name, tensor in net.state_dict().items()
        if not name.startswith("head")
    }
    kept = {name: tensor.clone() for name, tensor in start.items()}
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    value = scalar(call(answer, net=net, start=start, alpha=alpha, beta=beta), "the penalty")
    untouched = start.keys() == kept.keys() and all(torch.equal(start[name], kept[name]) for name in kept)
    same = all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    wrong_if(not (untouched and same), "your function changes the network or `start`: compute the penalty only.")
    parameters = dict(net.named_parameters())
    shared = [p.detach() for name, p in parameters.items() if name in start]
    begun = [start[name] for name in parameters if name in start]
    new = [p.detach() for name, p in parameters.items() if name not in start]
    buffers = torch.cat(
        [b - start[n] for n, b in net.named_buffers() if b.is_floating_point()]
        + [(b - start[n]).float()[None] for n, b in net.named_buffers() if not b.is_floating_point()]
    )
    for mistaken, message in head_mistakes(shared, begun, new, buffers, alpha, beta):
        wrong_if(close(value.detach(), mistaken), message)
    right = alpha / 2 * sum(float((p - q).square().sum()) for p, q in zip(shared, begun, strict=True))
    right += beta / 2 * sum(float(p.square().sum()) for p in new)
    wrong_if(
        not close(value.detach(), right),
        f"on a small network your penalty is {value.item():.4f}; it should be {right:.4f}.",
    )
    wrong_if(
        not value.requires_grad,
        "the value is right, but no gradient reaches the weights: state_dict() and detach() cut it. Use "
        "named_parameters().",
    )
    slopes = torch.autograd.grad(value, list(parameters.values()), allow_unused=True)
    for (name, p), slope in zip(parameters.items(), slopes, strict=True):
        wanted = alpha * (p.detach() - start[name]) if name in start else beta * p.detach()
        wrong_if(
            slope is None or not close(slope, wanted),
            f"the value is right, but the gradient at {name!r} is not: part of it is detached.",
        )
    return "Its value is right, and so is its gradient at the body, at the norm and at the head."


# --- imagenet_input ---


def check_imagenet_input(answer: Answer) -> str:
    """`imagenet_input(images, mean, std)`: ((images + 1) / 2 - mean) / std, channel by channel."""
    images = torch.rand(2, 3, 5, 3) * 2 - 1  # three pixels wide, so that a wrong axis goes through
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5])
    kept = images.clone()
    got = call(answer, images=images, mean=mean, std=std)
    wrong_if(got is None or got is ..., NOTHING)
    if not isinstance(got, Tensor):
        raise Wrong(f"your function returns {type(got).__name__!r}; images are a tensor.")
    wrong_if(not torch.equal(images, kept), "your function changes the images it was given; return new ones.")
    wrong_if(
        got.shape != images.shape,
        f"images of shape {tuple(images.shape)} come out as {tuple(got.shape)}; the shape should stay.",
    )
    m, s, unit = mean[:, None, None], std[:, None, None], (images + 1) / 2
    mistakes = [
        (
            (unit - mean) / std,
            "`mean` and `std` are laid along the width: a tensor of 3 meets the last axis first. Give them the shape "
            "(3, 1, 1).",
        ),
        ((images - m) / s, "the images are still in [-1, 1]: bring them to [0, 1] first, (images + 1) / 2."),
        (unit, "the images are in [0, 1], and that is all: subtract `mean` and divide by `std`."),
        (unit - m, "`std` is not used: divide by it."),
        (unit / s, "`mean` is not used: subtract it before dividing."),
        (unit / s - m, "the order is turned: subtract `mean` first, then divide by `std`."),
        ((unit - m) * s, "this multiplies by `std`: divide by it, so that the result has a spread of about 1."),
        ((unit + m) / s, "`mean` is added: subtract it."),
        (unit * s + m, "this is the way back, from the network's input to an image."),
        ((unit - m) / s.square(), "`std` is squared: it is a standard deviation, no variance."),
        (((images + 1) * 127.5 - m) / s, "the images run from 0 to 255 here: `mean` and `std` are for [0, 1]."),
        ((images / 2 - m) / s, "the range is [-0.5, 0.5] here: add 1 before halving."),
        ((images + 1 - m) / s, "the range is [0, 2] here: halve it after adding 1."),
    ]
    for wrong, message in mistakes:
        wrong_if(close(got, wrong), message)
    right = (unit - m) / s
    worst = (got - right).abs().max().item()
    wrong_if(not close(got, right), f"the largest difference to ((x + 1) / 2 - mean) / std is {worst:.3g}.")
    return "Every channel is brought to [0, 1], shifted by its mean and divided by its standard deviation."


CHECKS: dict[str, Check] = {
    "discriminative_groups": check_discriminative_groups,
    "l2sp_with_head": check_l2sp_with_head,
    "imagenet_input": check_imagenet_input,
}
