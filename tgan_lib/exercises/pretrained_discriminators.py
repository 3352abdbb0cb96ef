"""Checks of chapter 11, pre-trained discriminators: frozen features, many heads' logit, equal cost, flattery.

Networks are linear, with a batch norm whose statistics are known, so that every right value has a closed form; a
mistake is recognised by computing what that mistake would give.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .core import NOTHING, Check, Raised, Wrong, call, close, number, wrong_if

Answer = Callable[..., Any]

# --- frozen_features ---


def _network() -> nn.Sequential:
    """(N, 1, 2, 2) -> (N, 3): linear, a batch norm with statistics of its own, as it comes: in train mode, awake."""
    linear, norm = nn.Linear(4, 3), nn.BatchNorm1d(3)
    values: dict[str, Any] = {
        "weight": [[1.0, -1.0, 0.5, 0.0], [0.0, 2.0, 0.0, 1.0], [-0.5, 0.0, 1.0, 1.0]],
        "bias": [0.1, -0.2, 0.3],
    }
    linear.load_state_dict({name: torch.tensor(value) for name, value in values.items()})
    values = {
        "weight": [1.0, 2.0, -1.0],
        "bias": [0.0, 1.0, 0.5],
        "running_mean": [0.5, -1.0, 2.0],
        "running_var": [4.0, 1.0, 0.25],
    }
    norm.load_state_dict({name: torch.tensor(value) for name, value in values.items()}, strict=False)
    return nn.Sequential(nn.Flatten(), linear, norm).train()


def check_frozen_features(answer: Answer) -> str:
    """`frozen_features(network, images)`: features that pass a gradient to the images and none to the weights."""
    net, reference = _network(), _network().eval().requires_grad_(False)
    images = torch.linspace(-1, 1, 20).reshape(5, 1, 2, 2).cos().requires_grad_()
    plain = images.detach().clone().requires_grad_()
    right, of_batch = reference(plain), _network()(images.detach()).detach()
    got = call(answer, network=net, images=images)
    wrong_if(got is None or got is ..., NOTHING)
    wrong_if(not isinstance(got, Tensor), f"your function returns {type(got).__name__}; features are a tensor.")
    wrong_if(
        got.shape != right.shape,
        f"the features have shape {tuple(got.shape)}; the network gives {tuple(right.shape)}: return that as it is.",
    )
    as_batch, as_right = close(got, of_batch), close(got, right)
    wrong_if(
        not as_batch and not close(net.state_dict()["2.running_mean"], reference.state_dict()["2.running_mean"]),
        "batch norm's statistics have moved: images passed in train mode once. Call eval() before the first pass.",
    )
    wrong_if(
        not as_batch and not as_right,
        "the features are not what the network gives for these images: pass them on as they come.",
    )
    weight = torch.arange(1.0, 4.0)
    reaches_weights = False
    if got.requires_grad:
        (got @ weight).sum().backward()
        reaches_weights = any(p.grad is not None and bool((p.grad != 0).any()) for p in net.parameters())
    reaches_images = images.grad is not None and bool((images.grad != 0).any())
    if as_batch:
        wrong_if(
            reaches_weights,
            "nothing is frozen yet: the weights get a gradient, and batch norm, in train mode, measures each image by "
            "its batch.",
        )
        raise Wrong(
            "the weights are still, but batch norm is in train mode: an image's features depend on its batch, and the "
            "running statistics drift. Call eval() too."
        )
    wrong_if(
        reaches_weights and not reaches_images,
        "the wrong way round: the weights get a gradient and the images none. `images` must not be detached.",
    )
    wrong_if(
        not reaches_images and got.requires_grad and got.grad_fn is None,
        "features that were cut off have been told to want a gradient; it ends in them and never reaches the images. "
        "Freeze the weights and let the gradient pass through them.",
    )
    wrong_if(
        not reaches_images,
        "no gradient reaches the images, so G would learn nothing: under torch.no_grad(), or after detach(), the way "
        "back is cut. Freeze the weights and let the gradient pass through them.",
    )
    wrong_if(
        reaches_weights,
        "the weights get a gradient, and an optimiser that is given them would move them: requires_grad_(False).",
    )
    (right @ weight).sum().backward()
    wrong_if(
        not close(_gradient(images), _gradient(plain)),
        "the features are right, but the gradient that the images get is not the network's own.",
    )
    return "The images get their gradient, the weights none, and batch norm keeps its statistics."


def _gradient(images: Tensor) -> Tensor:
    assert images.grad is not None
    return images.grad


# --- multi_scale_logit ---


def _scales() -> tuple[list[Tensor], list[nn.Module]]:
    """Maps (4, c, s, s) of three sizes, largest first, and heads that turn each into a map of logits."""
    rng = torch.Generator().manual_seed(0)
    maps = [torch.randn(4, c, s, s, generator=rng) for c, s in ((2, 6), (3, 4), (4, 1))]
    heads: list[nn.Module] = []
    for part in maps:
        head = nn.Conv2d(part.shape[1], 1, 1)
        with torch.no_grad():
            head.weight.copy_(torch.randn(head.weight.shape, generator=rng))
            head.get_parameter("bias").fill_(float(len(heads)))
        heads.append(head)
    return maps, heads


def check_multi_scale_logit(answer: Answer) -> str:
    """`multi_scale_logit(maps, heads)`: each head's average over positions, then the average over heads, (N,)."""
    maps, heads = _scales()
    for part in maps:
        part.requires_grad_()
    got = call(answer, maps=maps, heads=heads)
    wrong_if(got is None or got is ..., NOTHING)
    wrong_if(
        isinstance(got, (list, tuple)),
        f"your function returns {len(got) if isinstance(got, (list, tuple)) else 0} things, one for each head perhaps; "
        "average them into one logit for each image.",
    )
    wrong_if(not isinstance(got, Tensor), f"your function returns {type(got).__name__}; logits are a tensor.")
    each = [head(part).flatten(1) for part, head in zip(maps, heads, strict=True)]
    means = torch.stack([logits.mean(1) for logits in each])
    right = means.mean(0)
    wrong_if(
        got.ndim == 0,
        "one number came back for the whole batch: D gives a logit for each image, so keep the first axis.",
    )
    wrong_if(
        got.shape != right.shape,
        f"the logits have shape {tuple(got.shape)}; one for each image, {tuple(right.shape)}, is wanted.",
    )
    joined = torch.cat(each, 1)
    mistakes = [
        (
            joined.mean(1),
            "all positions were put into one average, so the largest map has the most votes: average within each "
            "head first, then over heads.",
        ),
        (means.sum(0), "the heads are summed; take their average, or the logit grows with their number."),
        (joined.sum(1), "positions and heads are summed; average over the positions, then over the heads."),
        (means.amax(0), "the largest vote was taken; every head counts alike: average over the heads."),
        (means.amin(0), "the smallest vote was taken; every head counts alike: average over the heads."),
        (
            torch.stack([logits.sum(1) for logits in each]).mean(0),
            "positions are summed: a larger map then shouts louder. Average over positions.",
        ),
        (
            torch.stack([logits.amax(1) for logits in each]).mean(0),
            "the largest logit of each head was taken; one odd patch would decide. Average over positions.",
        ),
        (means[-1], "only the last head is asked; each has its say."),
        (means[0], "only the first head is asked; each has its say."),
        (right.sigmoid(), "a sigmoid has been applied: D returns logits, and the loss does the rest."),
        (
            torch.stack([logits.sigmoid().mean(1) for logits in each]).mean(0),
            "probabilities were averaged; average the logits, which the loss takes.",
        ),
    ]
    for mistake, message in mistakes:
        wrong_if(close(got, mistake), message)
    wrong_if(not close(got, right), f"for the first image your logit is {got[0]:.3f}; it should be {right[0]:.3f}.")
    wrong_if(
        not got.requires_grad or any(g is None for g in torch.autograd.grad(got.sum(), maps, allow_unused=True)),
        "the values are right, but no gradient reaches the maps, so that neither head nor G would learn.",
    )
    return "One logit for each image, and each head has one vote."


# --- equal_cost_steps ---

# (seconds of training, seconds that `steps` steps took in each round, steps), no two of the mistakes below alike on all
ROUNDS: list[tuple[float, list[float], int]] = [
    (30.0, [2.0, 0.30, 0.34, 0.31, 0.95], 8),
    (10.0, [0.50, 0.26, 0.21, 0.23], 4),
    (60.0, [9.0, 1.7, 1.1, 1.3, 1.2, 5.0], 10),
]


def _median(values: list[float]) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(0.5))


COST_MISTAKES: list[tuple[Callable[[float, list[float], int], float], str]] = [
    (
        lambda s, t, k: s / _median(t) * k,
        "the first round is counted too; it warms up, and says nothing of a long run. Leave it out.",
    ),
    (
        lambda s, t, k: s / (sum(t[1:]) / len(t[1:])) * k,
        "that is the mean: one round that was disturbed decides it. Take the median.",
    ),
    (
        lambda s, t, k: s / (sum(t) / len(t)) * k,
        "that is the mean of all rounds: the first one warms up, and one that was disturbed decides. Leave the first "
        "out and take the median.",
    ),
    (lambda s, t, k: s / min(t[1:]) * k, "that is the quickest round; a run meets the others too. Take the median."),
    (
        lambda s, t, k: s / sorted(t[1:])[(len(t) - 2) // 2] * k,
        "of an even number of rounds the lower of the two in the middle was taken, as torch.median does; the median "
        "is their mean.",
    ),
    (
        lambda s, t, k: s // _median(t[1:]) * k,
        "whole rounds were counted; a run may end within a round. Round the steps down, not the rounds.",
    ),
    (lambda s, t, k: s / _median(t[1:]), "that is how many *rounds* fit into the time; a round has several steps."),
    (
        lambda s, t, k: s / (_median(t[1:]) * k),
        "a round's time is divided by its steps to get the cost of one; here it was multiplied.",
    ),
    (lambda s, t, k: s * _median(t[1:]) / k, "seconds times cost; seconds divided by the cost is wanted."),
]


def check_equal_cost_steps(answer: Answer) -> str:
    """`equal_cost_steps(seconds, times, steps)`: whole steps that fit, by the median round without the first."""
    got = [call(answer, seconds=s, times=list(t), steps=k) for s, t, k in ROUNDS]
    wrong_if(any(value is None or value is ... for value in got), NOTHING)
    numbers = [number(value, "one number is wanted") for value in got]
    exact = [s / _median(t[1:]) * k for s, t, k in ROUNDS]
    for mistake, message in COST_MISTAKES:
        wrong_if(all(abs(n - mistake(*r)) < 1 for n, r in zip(numbers, ROUNDS, strict=True)), message)
    for seen, wanted, (s, t, k) in zip(numbers, exact, ROUNDS, strict=True):
        wrong_if(
            abs(seen - wanted) >= 1,
            f"for {s:g} s and rounds of {k} steps that took {t} s, your function says {seen:g}; "
            f"{int(wanted)} steps fit.",
        )
    wrong_if(
        any(n != int(n) for n in numbers),
        "the number is right, but there is no part of a step: round down to a whole number.",
    )
    wrong_if(
        any(n > e for n, e in zip(numbers, exact, strict=True)),
        "rounded up, the last step does not fit into the time: round down.",
    )
    for value in got:
        is_float = value.is_floating_point() if isinstance(value, Tensor) else isinstance(value, float)
        wrong_if(is_float, f"the numbers are right, but {value!r} is a float and `train` takes whole steps.")
    return f"Right for all {len(ROUNDS)} measurements tried."


# --- flattery ---

# distances of GAN a and of GAN b through the network that is in a's D, then through another one
TABLES: list[tuple[float, float, float, float]] = [
    (20.0, 30.0, 8.0, 4.0),
    (5.0, 50.0, 6.0, 30.0),
    (40.0, 10.0, 90.0, 30.0),
    (7.0, 14.0, 100.0, 200.0),
]
FLATTERY_MISTAKES: list[tuple[Callable[[float, float, float, float], float], str]] = [
    (
        lambda aw, bw, ao, bo: (bw - aw) - (bo - ao),
        "distances of two networks were subtracted; they have other units, so compare ratios.",
    ),
    (
        lambda aw, bw, ao, bo: bw / aw - bo / ao,
        "the two leads were subtracted; how many *times* larger one is, is their ratio, and its logarithm is wanted.",
    ),
    (
        lambda aw, bw, ao, bo: (bw / aw) / (bo / ao) - 1,
        "the ratio less 1 is 0 at the right place, but a lead of twice and one of half are not opposites in it; take "
        "the logarithm.",
    ),
    (
        lambda aw, bw, ao, bo: (bw / aw) / (bo / ao),
        "that is the ratio itself; take its logarithm, so that no flattery is 0 and not 1.",
    ),
    (
        lambda aw, bw, ao, bo: -math.log((bw / aw) / (bo / ao)),
        "the sign is turned: flattery is positive when a looks better through its own network.",
    ),
    (lambda aw, bw, ao, bo: math.log2((bw / aw) / (bo / ao)), "the logarithm is to base 2; take the natural one."),
    (lambda aw, bw, ao, bo: math.log10((bw / aw) / (bo / ao)), "the logarithm is to base 10; take the natural one."),
    (
        lambda aw, bw, ao, bo: math.log(bw / aw),
        "that is a's lead through its own network alone: a may simply be better. Set it against its lead through the "
        "other.",
    ),
    (
        lambda aw, bw, ao, bo: math.log(bo / ao),
        "that is a's lead through the other network alone; set it against its lead through its own.",
    ),
    (
        lambda aw, bw, ao, bo: math.log(ao / aw),
        "one GAN's distances through two networks have other units; compare the two GANs within each network first.",
    ),
    (
        lambda aw, bw, ao, bo: math.log(bw / aw) + math.log(bo / ao),
        "the two leads were added, which says who is better; flattery is by how much they differ.",
    ),
]


def check_flattery(answer: Answer) -> str:
    """`flattery(a_by_own, b_by_own, a_by_other, b_by_other)`: log of a's lead through its network over the other."""
    names = ("a_by_own", "b_by_own", "a_by_other", "b_by_other")
    got = []
    for table in TABLES:
        try:
            got.append(call(answer, **dict(zip(names, table, strict=True))))
        except Raised as error:
            raise Wrong(f"it fails for the distances {table}: {error}") from error
    wrong_if(any(value is None or value is ... for value in got), NOTHING)
    numbers = [number(value, "one number is wanted") for value in got]
    for mistake, message in FLATTERY_MISTAKES:
        wrong_if(all(close(n, mistake(*t)) for n, t in zip(numbers, TABLES, strict=True)), message)
    for seen, (aw, bw, ao, bo) in zip(numbers, TABLES, strict=True):
        wanted = math.log((bw / aw) / (bo / ao))
        wrong_if(
            not close(seen, wanted),
            f"through a's own network the distances are {aw:g} and {bw:g}, through the other {ao:g} and {bo:g}: "
            f"your function says {seen:.3f}; it should be {wanted:.3f}.",
        )
    return "Units cancel, and 0 means that both networks see the same lead."


CHECKS: dict[str, Check] = {
    "frozen_features": check_frozen_features,
    "multi_scale_logit": check_multi_scale_logit,
    "equal_cost_steps": check_equal_cost_steps,
    "flattery": check_flattery,
}
