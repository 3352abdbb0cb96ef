"""Checks of chapter 11, pre-trained discriminators: frozen features, many heads' logit, equal cost, flattery."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor, nn

from .core import Check, shown, wrong_if
from .value import Value, either, exercise

# --- frozen_features ---


def awake_network() -> list[tuple[nn.Module, Tensor]]:
    """(N, 1, 2, 2) -> (N, 3), linear and a batch norm with statistics of its own, as it comes, and images."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)).train()
    with torch.no_grad():
        for tensor in (*net.parameters(), net.get_buffer("2.running_mean")):
            tensor.copy_(torch.randn(tensor.shape))
        net.get_buffer("2.running_var").copy_(torch.tensor([4.0, 1.0, 0.25]))
    return [(net, torch.linspace(-1, 1, 20).reshape(5, 1, 2, 2).cos().requires_grad_())]


def features_by(*, frozen: str = "0123456789", eval_mode: bool = True, first_pass: bool = False) -> Callable[..., Any]:
    """Features through a network whose layers `frozen` (by their numbers) take no gradient."""

    def frozen_features(network: nn.Module, images: Tensor) -> Tensor:
        for name, p in network.named_parameters():
            p.requires_grad_(name[0] not in frozen)
        if first_pass:
            network(images)
        network.train(not eval_mode)
        features: Tensor = network(images)
        return features

    return frozen_features


right_features = features_by()


def reached(returned: Any, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The features, what the network is after the call, and where gradients go."""
    wrong_if(not isinstance(returned, Tensor), f"your function returns {shown(returned)}; features are a tensor.")
    parameters = [p for p in network.parameters() if p.requires_grad]
    grads: dict[Tensor, Tensor | None] = {}
    if returned.requires_grad:
        mixed = (returned.flatten() * torch.arange(1.0, 1.0 + returned.numel()).cos()).sum()
        targets = [images, *parameters]
        grads = dict(zip(targets, torch.autograd.grad(mixed, targets, allow_unused=True), strict=True))
    gradient = grads.pop(images, None)
    return {
        "feature": returned.detach(),
        "weight or statistic of the network": torch.cat([t.double().flatten() for t in network.state_dict().values()]),
        "gradient of the images": torch.zeros_like(images) if gradient is None else gradient,
        "number of weights with a gradient": torch.tensor(sum(g is not None and bool(g.any()) for g in grads.values())),
        "end": torch.tensor(returned.requires_grad and returned.is_leaf),
    }


THROUGH = "Freeze the weights and let the gradient pass through them."
FEATURES = Value(
    right=right_features,
    given=awake_network,
    changes=["network"],
    seen=reached,
    mistakes={
        "no gradient reaches the images, so G would learn nothing: under torch.no_grad(), or after detach(), the way "
        f"back is cut. {THROUGH}":
        lambda network, images: right_features(network, images).detach(),
        "features that were cut off have been told to want a gradient; it ends in them and never reaches the images. "
        + THROUGH: lambda network, images: right_features(network, images).detach().requires_grad_(),
        "the wrong way round: the weights get a gradient and the images none. `images` must not be detached.":
        lambda network, images: features_by(frozen="")(network, images.detach()),
        "weights get a gradient, and an optimiser that is given them would move them: requires_grad_(False).":
        either(*[features_by(frozen=layers) for layers in ("", "1", "2")]),
        "nothing is frozen yet: the weights get a gradient, and batch norm, in train mode, measures each image by its "
        "batch.": features_by(frozen="", eval_mode=False),
        "the weights are still, but batch norm is in train mode: an image's features depend on its batch, and the "
        "running statistics drift. Call eval() too.": features_by(eval_mode=False),
        "batch norm's statistics have moved: images passed in train mode once. Call eval() before the first pass.":
        either(features_by(first_pass=True), features_by(frozen="", first_pass=True)),
    },
    what="the features",
    hint="return what the network gives as it is",
    wrong="a {part} is {got:.4g}; with the network frozen and in eval mode, and its features passed on as they come, "
    "it is {right:.4g}.",
)  # fmt: skip

# --- multi_scale_logit ---


def three_scales() -> list[tuple[list[Tensor], list[nn.Module]]]:
    """Maps (4, c, s, s) of three sizes, largest first, and heads that turn each into logits of both signs."""
    maps = [torch.randn(4, c, s, s) + 4 * torch.randn(4, 1, 1, 1) for c, s in ((2, 6), (3, 4), (4, 1))]
    heads: list[nn.Module] = [nn.Conv2d(part.shape[1], 1, 1) for part in maps]
    for head, bias in zip(heads, (0.5, -1.0, 0.2), strict=True):
        nn.init.normal_(head.get_parameter("weight"))
        nn.init.constant_(head.get_parameter("bias"), bias)
    return [([part.requires_grad_() for part in maps], heads)]


def multi_scale_logit(maps: list[Tensor], heads: list[nn.Module]) -> Tensor:
    return torch.stack([head(part).mean((1, 2, 3)) for part, head in zip(maps, heads, strict=True)]).mean(0)


def logit_mistakes(maps: list[Tensor], heads: list[nn.Module]) -> dict[str, Any]:
    each = [head(part).flatten(1) for part, head in zip(maps, heads, strict=True)]
    joined, right = torch.cat(each, 1), multi_scale_logit(maps, heads)

    def of_each(reduce: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.stack([reduce(logits) for logits in each])

    means = of_each(lambda x: x.mean(1))
    return {
        "all positions were put into one average, so the largest map has the most votes: average within each head "
        "first, then over heads.": joined.mean(1),
        "the heads are summed; take their average, or the logit grows with their number.": means.sum(0),
        "positions and heads are summed; average over the positions, then over the heads.": joined.sum(1),
        "the largest vote was taken; every head counts alike: average over the heads.": means.amax(0),
        "the smallest vote was taken; every head counts alike: average over the heads.": means.amin(0),
        "the middle vote was taken; every head counts alike: average over the heads.": means.median(0).values,
        "positions are summed: a larger map then shouts louder. Average over positions.":
        of_each(lambda x: x.sum(1)).mean(0),
        "the largest logit of each head was taken; one odd patch would decide. Average over positions.":
        of_each(lambda x: x.amax(1)).mean(0),
        "only the last head is asked; each has its say.": means[-1],
        "only the first head is asked; each has its say.": means[0],
        "a head is left out; each has its say.": either(means[:-1].mean(0), means[1:].mean(0)),
        "a sigmoid has been applied: D returns logits, and the loss does the rest.": right.sigmoid(),
        "probabilities were averaged; average the logits, which the loss takes.":
        of_each(lambda x: x.sigmoid().mean(1)).mean(0),
        "the sign is lost, or the logit is held within bounds: a logit may be any number.":
        either(right.abs(), right.relu(), right.clamp(-1, 1), means.abs().mean(0), means.relu().mean(0)),
        "a part of the way is detached, so that a head or a map learns nothing from its vote.":
        either((means[0].detach() + means[1:].sum(0)) / 3, (means[-1].detach() + means[:-1].sum(0)) / 3),
        "one number came back for the whole batch: D gives a logit for each image, so keep the first axis.":
        right.mean(),
    }  # fmt: skip


def stacked(returned: Any, *_: Any) -> Any:
    """A list of the heads' votes as one tensor, whose shape then says what is wrong with it."""
    votes = returned if isinstance(returned, (list, tuple)) else []
    return torch.stack([*votes]) if votes and all(isinstance(v, Tensor) and len(v) == 4 for v in votes) else returned


LOGIT = Value(
    right=multi_scale_logit,
    given=three_scales,
    seen=stacked,
    mistakes=logit_mistakes,
    what="the logit",
    hint="one for each image; average over the positions and over the heads",
    wrong="for image {place[0]} your logit is {got:.3f}; it should be {right:.3f}.",
    learns=["maps", "heads"],
    cut="the values are right, but no gradient reaches the maps, so that neither head nor G would learn.",
)

# --- equal_cost_steps ---


def equal_cost_steps(seconds: float, times: list[float], steps: int) -> int:
    return int(seconds / median(times[1:]) * steps)


def cost_mistakes(s: float, t: list[float], k: int) -> dict[str, Any]:
    kept, right = sorted(t[1:]), s / median(t[1:]) * k
    mistakes = {
        "the first round is counted too; it warms up, and says nothing of a long run. Leave it out.": s / median(t) * k,
        "that is the mean: one round that was disturbed decides it. Take the median.": s / fmean(kept) * k,
        "that is the mean of all rounds: the first one warms up, and one that was disturbed decides. Leave the first "
        "out and take the median.": s / fmean(t) * k,
        "that is the quickest round; a run meets the others too. Take the median.": s / kept[0] * k,
        "that is the slowest round; a run meets the others too. Take the median.": s / kept[-1] * k,
        "of an even number of rounds the lower of the two in the middle was taken, as torch.median does; the median is "
        "their mean.": s / kept[(len(kept) - 1) // 2] * k,
        "of an even number of rounds the upper of the two in the middle was taken; the median is their mean.": s
        / kept[len(kept) // 2]
        * k,
        "whole rounds were counted; a run may end within a round. Round the steps down, not the rounds.": s
        // median(kept)
        * k,
        "that is how many *rounds* fit into the time; a round has several steps.": s / median(kept),
        "a round's time is divided by its steps to get the cost of one; here it was multiplied.": s
        / (median(kept) * k),
        "seconds times cost; seconds divided by the cost is wanted.": s * median(kept) / k,
    }
    odd = [kept[:-1], kept[1:], t[1:-1], t[2:], sorted(t)[1:]]
    return {message: either(int(value), value) for message, value in mistakes.items()} | {
        "besides the first, another round is left out, the slowest, say: the median takes care of it.":
        either(*[int(s / median(rounds) * k) for rounds in odd]),
        "the number is right, but there is no part of a step: round down to a whole number.": right,
        "rounded up, the last step does not fit into the time: round down.": either(math.ceil(right), round(right)),
    }  # fmt: skip


ROUNDS = [
    (30.0, [2.0, 0.30, 0.34, 0.31, 0.95], 8),
    (10.0, [0.50, 0.26, 0.21, 0.23], 4),
    (60.0, [1.25, 1.7, 1.1, 1.3, 1.2, 5.0], 10),
]
COST = Value(
    right=equal_cost_steps,
    given=ROUNDS,
    mistakes=cost_mistakes,
    what="the number of steps",
    hint="one number is wanted",
    wrong="for {seconds:g} s and rounds of {steps} steps that took {times} s, your function says {got:g}; {right:g} "
    "steps fit.",
    tolerance=1e-9,
)

# --- flattery ---


def flattery(a_by_own: float, b_by_own: float, a_by_other: float, b_by_other: float) -> float:
    return math.log((b_by_own / a_by_own) / (b_by_other / a_by_other))


def flattery_mistakes(aw: float, bw: float, ao: float, bo: float) -> dict[str, Any]:
    own, other, right = bw / aw, bo / ao, flattery(aw, bw, ao, bo)
    return {
        "distances of two networks were subtracted; they have other units, so compare ratios.": (bw - aw) - (bo - ao),
        "the two leads were subtracted; how many *times* larger one is, is their ratio, and its logarithm is wanted.":
        own - other,
        "the ratio less 1 is 0 at the right place, but a lead of twice and one of half are not opposites in it; take "
        "the logarithm.": own / other - 1,
        "that is the ratio itself; take its logarithm, so that no flattery is 0 and not 1.": own / other,
        "the sign is turned: flattery is positive when a looks better through its own network.": -right,
        "the sign is lost: flattery is negative where a looks worse through its own network.":
        either(abs(right), max(0.0, right)),
        "the logarithm is to base 2; take the natural one.": right / math.log(2),
        "the logarithm is to base 10; take the natural one.": right / math.log(10),
        "that is a's lead through its own network alone: a may simply be better. Set it against its lead through the "
        "other.": math.log(own),
        "that is a's lead through the other network alone; set it against its lead through its own.": math.log(other),
        "one GAN's distances through two networks have other units; compare the two GANs within each network first.":
        math.log(ao / aw),
        "the two leads were added, which says who is better; flattery is by how much they differ.":
        math.log(own * other),
    }  # fmt: skip


FLATTERY = Value(
    right=flattery,
    # distances of GAN a and of GAN b through the network that is in a's D, then through another one
    given=[(20.0, 30.0, 8.0, 4.0), (5.0, 50.0, 6.0, 30.0), (40.0, 10.0, 90.0, 30.0), (7.0, 14.0, 100.0, 200.0)],
    mistakes=flattery_mistakes,
    what="flattery",
    hint="one number is wanted",
    fails="it fails for some distances: ",
)

CHECKS: dict[str, Check] = {
    "frozen_features": exercise(
        FEATURES, passed="The images get their gradient, the weights none, and batch norm keeps its statistics."
    ),
    "multi_scale_logit": exercise(LOGIT, passed="One logit for each image, and each head has one vote."),
    "equal_cost_steps": exercise(COST, passed=f"Right for all {len(ROUNDS)} measurements tried."),
    "flattery": exercise(FLATTERY, passed="Units cancel, and 0 means that both networks see the same lead."),
}
