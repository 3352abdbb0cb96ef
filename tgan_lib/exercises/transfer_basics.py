"""Checks of chapter 08, the basics of transfer: a rate for each part, L2-SP with a new head, ImageNet's input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .core import NOTHING, Check, Wrong, wrong_if
from .value import Value, either, exercise

# --- discriminative_groups ---


def rate_mistakes(parts: list[nn.Module], rate: float, factor: float) -> dict[str, list[dict[str, Any]]]:
    """What the known mistakes give the parts, from the pixels to the head."""
    n = len(parts)
    heights = list(range(n - 1, -1, -1))  # how many parts lie above
    fall = "the rates fall by a constant amount or as 1, 1/2, 1/3"
    rates = {
        "the order is turned: the part at the pixels learns fastest. The head, last in `parts`, gets `rate`.":
        [rate / factor**i for i in range(n)],
        "the rates grow towards the pixels: divide by `factor` for each part below the head.":
        [rate * factor**i for i in heights],
        "the pixels get `rate` and every part above more: `rate` is the head's, the largest.":
        [rate * factor**i for i in range(n)],
        "every rate is divided once too often: the head itself learns at `rate`.":
        [rate / factor ** (i + 1) for i in heights],
        "every part has the same rate: `factor` is not used.": [rate] * n,
        "all parts below the head have one rate: divide again for each.": [rate / factor] * (n - 1) + [rate],
        f"{fall} of a step; each is the one above / factor.": [rate / (factor * i) if i else rate for i in heights],
        f"{fall}; each is the one above divided by `factor`.": [rate / (i + 1) for i in heights],
        f"{fall} steps: divide, and do not subtract.": [rate * (1 - i / n) for i in heights],
    }  # fmt: skip
    return {message: grouped(parts, of_parts) for message, of_parts in rates.items()}


def grouped(parts: list[nn.Module], rates: list[float]) -> list[dict[str, Any]]:
    return [{"params": list(part.parameters()), "lr": rate} for part, rate in zip(parts, rates, strict=True)]


def discriminative_groups(parts: list[nn.Module], rate: float, factor: float) -> list[dict[str, Any]]:
    return grouped(parts, [rate / factor**i for i in range(len(parts) - 1, -1, -1)])


def rates_seen(groups: Any, parts: list[nn.Module], *_: float) -> list[float]:
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
        listed = [params] if isinstance(params, Tensor) else list(params)
        wrong_if(not listed, "a group is empty, or its generator was read by a group before it: one group a part.")
        for p in listed:
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


GROUPS = Value(
    right=discriminative_groups,
    given=[([nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2, bias=False), nn.Linear(2, 4)], 0.3, 2.5)],
    seen=rates_seen,
    mistakes=rate_mistakes,
    wrong="parts[{place[0]}], counted from the pixels, has rate {got:.4g}; with rate {rate} and factor {factor} it "
    "should be {right:.4g}.",
    tolerance=(1e-4, 1e-6),
)

# --- l2sp_with_head ---


def small_transfer() -> list[tuple[nn.Module, dict[str, Tensor], float, float]]:
    """A net of a body, a norm, so that there are buffers, a head that was taken over, and a part that is new."""
    net = nn.ModuleDict({"body": nn.Linear(3, 4), "norm": nn.BatchNorm1d(4), "head": nn.Linear(4, 2)})
    start = {k: v.clone() + (torch.rand(v.shape) if v.is_floating_point() else 3) for k, v in net.state_dict().items()}
    net["extra"] = nn.Linear(2, 3)
    net["norm"].get_parameter("bias").requires_grad_(False)  # frozen, and to stay so
    return [(net, start, 0.7, 0.3)]


def penalty_parts(net: nn.Module, start: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(what was taken over less its start, what is new), each as one vector."""
    named = dict(net.named_parameters())
    change = torch.cat([(p - start[name]).flatten() for name, p in named.items() if name in start])
    return change, torch.cat([p.flatten() for name, p in named.items() if name not in start])


def l2sp_with_head(net: nn.Module, start: dict[str, Tensor], alpha: float, beta: float) -> Tensor:
    change, new = penalty_parts(net, start)
    return alpha / 2 * change.square().sum() + beta / 2 * new.square().sum()


def head_mistakes(net: nn.Module, start: dict[str, Tensor], alpha: float, beta: float) -> dict[str, Any]:
    change, new = penalty_parts(net, start)
    a, b, named = change.square().sum(), new.square().sum(), dict(net.named_parameters())
    called = {name: named.get(name, value) for name, value in start.items() if "head" in name}
    of_head = [(named[k] - start[k]).square().sum() for k in called], [p.square().sum() for p in called.values()]
    length = sum(named[name].square().sum() for name in named if name in start)
    moved = sum((value - start[name]).float().square().sum() for name, value in net.named_buffers())
    return {
        "the shared weights are pulled to 0, which is L2: subtract `start[name]` first.":
        alpha / 2 * length + beta / 2 * b,
        "the halves are missing: each term is its strength / 2 times a squared length.": alpha * a + beta * b,
        "the head is left out: the new weights are pulled to 0, with `beta`.": alpha / 2 * a,
        "only the new weights are held: add alpha/2 |w - w0|^2 over those that have a start.": beta / 2 * b,
        "the head is held with `alpha`: what is new has its own strength, `beta`.": alpha / 2 * (a + b),
        "`alpha` and `beta` are swapped: `alpha` holds what was taken over.": beta / 2 * a + alpha / 2 * b,
        "the lengths are not squared: the pull would not grow with the distance.":
        alpha / 2 * change.norm() + beta / 2 * new.norm(),
        "these are means: sum, or the pull on one weight depends on how many others there are.":
        alpha / 2 * change.square().mean() + beta / 2 * new.square().mean(),
        "these are absolute values, an L1 penalty: square them.":
        alpha / 2 * change.abs().sum() + beta / 2 * new.abs().sum(),
        "batch norm's running statistics are in the sum: they are buffers, no weights. Use named_parameters().":
        alpha / 2 * (a + moved) + beta / 2 * b,
        "the sign is turned: this rewards moving away.": -(alpha / 2 * a + beta / 2 * b),
        "a layer is taken for new by its name: new is what has no entry in `start`.": either(
            alpha / 2 * (a - sum(of_head[0])) + beta / 2 * (b + sum(of_head[1])),
            alpha / 2 * (a - sum(of_head[0])) + beta / 2 * sum(of_head[1]),
        ),
        "the value is right, but a part of it is detached, and its weights would not be held.":
        either(alpha / 2 * a.detach() + beta / 2 * b, alpha / 2 * a + beta / 2 * b.detach()),
    }  # fmt: skip


L2SP = Value(
    right=l2sp_with_head,
    given=small_transfer,
    mistakes=head_mistakes,
    what="the penalty",
    hint="take the sum over all weights",
    wrong="on a small network your penalty is {got:.4f}; it should be {right:.4f}.",
    learns=["net"],
    cut="the value is right, but no gradient reaches the weights: state_dict() and detach() cut it. Use "
    "named_parameters().",
)

# --- imagenet_input ---


def imagenet_input(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return ((images + 1) / 2 - mean[:, None, None]) / std[:, None, None]


def input_mistakes(images: Tensor, mean: Tensor, std: Tensor) -> dict[str, Any]:
    m, s, unit, right = mean[:, None, None], std[:, None, None], (images + 1) / 2, imagenet_input(images, mean, std)
    return {
        "`mean` and `std` are laid along the width: a tensor of 3 meets the last axis first. Give them the shape "
        "(3, 1, 1).": (unit - mean) / std,
        "the images are still in [-1, 1]: bring them to [0, 1] first, (images + 1) / 2.": (images - m) / s,
        "the images are in [0, 1], and that is all: subtract `mean` and divide by `std`.": unit,
        "`std` is not used: divide by it.": unit - m,
        "`mean` is not used: subtract it before dividing.": unit / s,
        "the order is turned: subtract `mean` first, then divide by `std`.": unit / s - m,
        "this multiplies by `std`: divide by it, so that the result has a spread of about 1.": (unit - m) * s,
        "`mean` is added: subtract it.": (unit + m) / s,
        "this is the way back, from the network's input to an image.": unit * s + m,
        "`std` is squared: it is a standard deviation, no variance.": (unit - m) / s.square(),
        "the images run from 0 to 255 here: `mean` and `std` are for [0, 1].": ((images + 1) * 127.5 - m) / s,
        "the range is [-0.5, 0.5] here: add 1 before halving.": (images / 2 - m) / s,
        "the range is [0, 2] here: halve it after adding 1.": (images + 1 - m) / s,
        "the result is held within bounds, or its sign is lost: it goes below 0 and above 1.":
        either(right.clamp(-1, 1), right.clamp(0, 1), right.relu(), right.abs()),
    }  # fmt: skip


INPUT = Value(
    right=imagenet_input,
    given=lambda: [  # three pixels wide, so that a wrong axis goes through
        (torch.rand(2, 3, 5, 3) * 2 - 1, torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5]))
    ],
    mistakes=input_mistakes,
    what="the result",
    hint="the shape should stay",
    wrong="a pixel of {at:.3g} becomes {got:.4g}; ((x + 1) / 2 - mean) / std is {right:.4g}.",
)

CHECKS: dict[str, Check] = {
    "discriminative_groups": exercise(GROUPS, passed="Every parameter is in one group, and the rates fall from 0.3."),
    "l2sp_with_head": exercise(
        L2SP, passed="Its value is right, and so is its gradient at the body, at the norm and at the head."
    ),
    "imagenet_input": exercise(
        INPUT, passed="Every channel is brought to [0, 1], shifted by its mean and divided by its standard deviation."
    ),
}
