"""Checks of the chapter "Freezing layers": layers that stand still, what an optimiser is given, a backward pass's cost.

A small network with norms, one of them inside a block, shows what an answer froze; costs have a closed form. A
mistake is recognised by what it would leave behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .core import NOTHING, Check, Wrong, call, close, wrong_if

Answer = Callable[..., Any]

# --- freeze_first ---

FRONT = range(4)  # the children that a count of 4 freezes; a count of 5 adds an activation alone


def small_network() -> nn.Sequential:
    """Eight children in train mode: a block with a norm inside, layers, norms of their own, activations."""
    rng = torch.Generator().manual_seed(0)
    net = nn.Sequential(
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)),
        nn.LeakyReLU(0.2),
        nn.Linear(4, 4),
        nn.BatchNorm1d(4),
        nn.LeakyReLU(0.2),
        nn.Linear(4, 4),
        nn.BatchNorm1d(4),
        nn.Linear(4, 1),
    )
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.rand(p.shape, generator=rng) + 0.5)
    return net.train()


def child_of(name: str) -> int:
    """The number of the child that a parameter or buffer belongs to: "3.bias" -> 3."""
    return int(name.split(".")[0])


def copied(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors}


def check_freeze_first(answer: Answer) -> str:
    """`freeze_first(net, count)`: the first `count` children of an nn.Sequential change no more, norms included."""
    for count in (4, 5):
        net = small_network()
        names = [name for name, _ in net.named_parameters()]
        before, modes = copied(net.state_dict().items()), [m.training for m in net.modules()]
        returned = call(answer, net=net, count=count)
        wants = {name for name, p in net.named_parameters() if p.requires_grad}
        if len(wants) == len(names) and modes == [m.training for m in net.modules()]:
            wrong_if(
                isinstance(returned, nn.Module) and returned is not net,
                "a copy is frozen and returned; `net` itself, which training goes on with, is as it was.",
            )
            wrong_if(
                any("requires_grad" in vars(module) for module in net.modules()),
                "a module's own `requires_grad` is a new attribute that nothing reads: set it on each parameter, or "
                "call the module's requires_grad_(False).",
            )
            raise Wrong("nothing has changed: all parameters still want gradients, and every part trains.")
        wrong_if(
            any(not torch.equal(before[name], tensor) for name, tensor in net.state_dict().items()),
            "the values themselves have changed; freezing keeps every value and only stops it from moving.",
        )
        _check_gradients(wants, names, count)
        _check_statistics(net, before)
    return "Weights, biases, norms and their statistics stand still, and the rest goes on learning."


def _check_gradients(wants: set[str], names: list[str], count: int) -> None:
    """Do the parameters `wants` require gradients, of all `names`, as they should with the first `count` frozen?"""
    stopped = set(names) - wants
    right = {name for name in names if child_of(name) in FRONT}
    last = {name for name in names if child_of(name) >= 8 - count}
    norms = {name for name in right if name in ("0.1.weight", "0.1.bias", "3.weight", "3.bias")}
    known: list[tuple[set[str], str]] = [
        (
            set(),
            "eval() stops the norms' statistics, and no weight: every parameter still wants gradients, so an "
            "optimiser will move it.",
        ),
        (set(names), "everything is frozen, so nothing is left to learn; stop at the first `count` children."),
        (last, "these are the *last* children, next to the output; freeze from the input's end."),
        (
            {name for name in right if name.endswith("weight")},
            "only weights are frozen; the biases, and the norms' shifts, still train.",
        ),
        (right - norms, "the linear layers are frozen, and the norms between them still train their scale and shift."),
        (norms, "only the norms are frozen; the linear layers before them still train."),
        (
            {name for name in right if name.count(".") == 1},
            "the block that is child 0 still trains: what is inside a child must be frozen too.",
        ),
        (
            set(names[:count]),
            f"you have frozen the first {count} *parameters*; {count} counts children, and a layer has a weight and "
            "a bias.",
        ),
        (
            right - {"3.weight", "3.bias"},
            f"one child too few is frozen: with count {count}, child 3 should be, and still trains.",
        ),
        (right | {"5.weight", "5.bias"}, f"one child too many is frozen: with count {count}, child 5 should train."),
    ]
    for found, message in known:
        wrong_if(stopped == found, message)
    for name in names:
        wrong_if(
            name in right and name in wants,
            f"with count {count}, child {child_of(name)} still trains: {name} wants gradients.",
        )
        wrong_if(
            name not in right and name in stopped,
            f"with count {count}, child {child_of(name)} should train, and {name} no longer wants gradients.",
        )


@torch.no_grad()
def _check_statistics(net: nn.Sequential, before: dict[str, Tensor]) -> None:
    """Pass two batches through `net` as the answer left it, and look at what has moved."""
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)) * 2 + 1
    net(x)
    front = net[: len(FRONT)]
    moved = {name for name, tensor in net.state_dict().items() if not torch.equal(before[name], tensor)}
    wrong_if(
        {"0.1.running_mean", "3.running_mean"} <= moved,
        "requires_grad is off, but a batch norm in train mode goes on moving its running mean and variance with "
        "every batch, and no gradient is asked: put the frozen children into eval mode too.",
    )
    wrong_if(
        "0.1.running_mean" in moved,
        "the norm inside the block, child 0, still moves its statistics: looking at the children's own types does "
        "not find it, and child.eval() does.",
    )
    wrong_if(
        "3.running_mean" in moved,
        "the norm that is child 3 still moves its statistics; put every frozen child into eval mode.",
    )
    wrong_if(
        not close(front(x)[:1], front(x[:3])[:1]),
        "the running statistics stand still, but are not used: a frozen norm still normalises by the batch at hand, "
        "so that an image's features depend on its company. Use eval mode.",
    )
    wrong_if(
        "6.running_mean" not in moved,
        "the norm behind the frozen part has stopped too: the whole network is in eval mode; only the frozen "
        "children should be.",
    )


# --- parameters_to_train ---


class PartlyFrozen(nn.Module):
    """Four layers, the first frozen; the second and the third share their weight, the last is a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(3, 3) for _ in range(3))
        self.third.weight = self.second.weight
        self.norm = nn.BatchNorm1d(3)
        self.first.requires_grad_(False)


def check_parameters_to_train(answer: Answer) -> str:
    """`parameters_to_train(network)`: a list of the parameters that require gradients, each once."""
    network = PartlyFrozen()
    asked = [p.requires_grad for p in network.parameters()]
    got = call(answer, network=network)
    wrong_if(got is None or got is ..., NOTHING)
    wrong_if(
        asked != [p.requires_grad for p in network.parameters()],
        "your function changes which parameters require gradients; it should only look.",
    )
    _check_kind(got)
    found, right = [id(p) for p in got], {id(p) for p in network.parameters() if p.requires_grad}
    every = {id(p) for p in network.parameters()}
    wrong_if(
        bool(set(found) - every),
        "some of these tensors are not the network's own parameters, but copies, buffers or views without "
        "gradients (.data, .detach(), state_dict); an optimiser would move something else.",
    )
    wrong_if(
        set(found) == every,
        "the frozen layer is in the list too: without a gradient it is passed over today, and a stale gradient or "
        "momentum moves it tomorrow. Ask each parameter for requires_grad.",
    )
    wrong_if(
        set(found) == every - right, "this is the frozen layer, and it alone: the condition is the wrong way round."
    )
    wrong_if(
        set(found) == right and len(found) > len(right),
        "the weight that two layers share is there twice; an optimiser must hold each parameter once "
        "(network.parameters() sees to that).",
    )
    missing = [name for name, p in network.named_parameters() if id(p) in right - set(found)]
    wrong_if(bool(missing), f"{', '.join(missing)} should train and is not in the list.")
    wrong_if(bool(set(found) - right), "a frozen parameter is in the list.")
    return f"The {len(right)} tensors that train, each once, in a list that can be read again."


def _check_kind(got: Any) -> None:
    wrong_if(
        isinstance(got, (int, float)), "your function returns a number; an optimiser needs the parameters themselves."
    )
    wrong_if(isinstance(got, dict), "your function returns a dictionary; return a list of the parameters alone.")
    wrong_if(
        not isinstance(got, (list, tuple, set)) and hasattr(got, "__next__"),
        "your function returns an iterator, which can be read once: count it, or give it to a second optimiser, and "
        "that one gets nothing. Return a list.",
    )
    if isinstance(got, Tensor) or not isinstance(got, (list, tuple)):
        raise Wrong(f"your function returns a {type(got).__name__}; return a list of parameters.")
    wrong_if(
        any(isinstance(p, (tuple, str)) for p in got),
        "the list holds names; named_parameters gives pairs of a name and a parameter, and only the parameter is "
        "wanted.",
    )
    wrong_if(
        any(not isinstance(p, Tensor) for p in got),
        "the list holds something that is no parameter; return the parameters themselves, in one flat list.",
    )


# --- backward_cost ---

# What a forward pass through each layer costs, from the input to the output, and which layers train. No two of the
# formulas below agree on all of them.
BACKWARD: list[tuple[list[float], list[bool]]] = [
    ([2, 3, 5, 7], [False, False, True, True]),
    ([2, 3, 5, 7], [True, True, False, False]),
    ([2, 3, 5, 7], [True, True, True, True]),
    ([2, 3, 5, 7], [False, True, False, True]),
    ([11, 1, 4], [False, True, False]),
]


def lowest(trains: Sequence[bool]) -> int:
    """The place of the trained layer nearest the input."""
    return list(trains).index(True)


def weights(costs: Sequence[float], trains: Sequence[bool]) -> float:
    """The cost of the gradients with respect to the trained layers' weights."""
    return sum(c for c, train in zip(costs, trains, strict=True) if train)


def right_cost(costs: Sequence[float], trains: Sequence[bool]) -> float:
    return weights(costs, trains) + sum(costs[lowest(trains) + 1 :])


def until_frozen(costs: Sequence[float], trains: Sequence[bool]) -> float:
    """What it would cost if the pass stopped at the first frozen layer that it meets, coming from the output."""
    total = 0.0
    for c, train in zip(costs[::-1], trains[::-1], strict=True):
        if not train:
            break
        total += 2 * c
    return total


COST_MISTAKES: list[tuple[Callable[[Sequence[float], Sequence[bool]], float], str]] = [
    (
        lambda c, t: weights(c, t) + sum(c),
        "the gradient is carried all the way to the images, which nobody asks for: below the lowest layer that "
        "trains nothing needs it.",
    ),
    (
        lambda c, t: weights(c, t) + sum(c[lowest(t) :]),
        "the lowest layer that trains passes a gradient to its input, but nothing below it trains, so that product "
        "is not computed.",
    ),
    (
        weights,
        "these are the weights' gradients alone; to reach a layer, the gradient must also pass through all the "
        "layers above it, a product each.",
    ),
    (
        lambda c, t: weights(c, t) + sum(x for i, x in enumerate(c) if t[i] and i > lowest(t)),
        "frozen layers count as free wherever they are; one that lies above a layer that trains must still pass the "
        "gradient on.",
    ),
    (
        lambda c, t: 2 * weights(c, t),
        "two products for each layer that trains and none for the others: a frozen layer above a trained one costs "
        "one product, and the lowest trained one needs no gradient for its input.",
    ),
    (lambda c, t: 2 * sum(c) - c[0], "`trains` makes no difference here: this is the cost with every layer training."),
    (
        lambda c, t: 2 * sum(c),
        "this is twice the forward pass, whatever trains: the rule of thumb for a network that trains as a whole.",
    ),
    (
        lambda c, t: sum(c) + sum(c[lowest(t) + 1 :]),
        "the frozen layers' weight gradients are counted too; only layers that train need theirs.",
    ),
    (
        lambda c, t: weights(c, t) + sum(c[::-1][lowest(t[::-1]) + 1 :]),
        "the gradient goes the wrong way: it comes in at the output, the end of the list, and passes every layer "
        "down to the lowest one that trains.",
    ),
    (
        until_frozen,
        "the pass stops at the first frozen layer that it meets; it must go on while any layer below trains.",
    ),
    (
        lambda c, t: right_cost(c, t) + sum(c),
        "the forward pass is counted too; the question is about the backward pass.",
    ),
    (
        lambda c, t: right_cost(c, t) / (2 * sum(c) - c[0]),
        "this is a share of the whole pass's cost; return the cost itself.",
    ),
]


def check_backward_cost(answer: Answer) -> str:
    """`backward_cost(costs, trains)`: trained layers' weight gradients, plus what carries the gradient to them."""
    got = []
    for costs, trains in BACKWARD:
        value = call(answer, costs=list(costs), trains=list(trains))
        wrong_if(value is None or value is ..., NOTHING)
        got.append(_cost(value))
    for mistake, message in COST_MISTAKES:
        wrong_if(all(_near(x, mistake(*case)) for x, case in zip(got, BACKWARD, strict=True)), message)
    for value, (costs, trains) in zip(got, BACKWARD, strict=True):
        right = right_cost(costs, trains)
        wrong_if(
            not _near(value, right),
            f"for costs {costs} and trains {trains} your function says {value:g}; it should be {right:g}.",
        )
    nothing = _cost(call(answer, costs=[2, 3], trains=[False, False]))
    wrong_if(
        nothing != 0, f"where no layer trains there is no backward pass at all, and your function says {nothing:g}."
    )
    return f"Right for {len(BACKWARD)} networks, and 0 where nothing trains."


def _cost(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"your function returns {value!r}; a cost is one number.") from None


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 1e-6 * max(1.0, abs(b))


CHECKS: dict[str, Check] = {
    "freeze_first": check_freeze_first,
    "parameters_to_train": check_parameters_to_train,
    "backward_cost": check_backward_cost,
}
