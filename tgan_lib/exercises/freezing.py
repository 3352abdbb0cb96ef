"""Checks of chapter 12, freezing: layers that stand still, what an optimiser is given, a backward pass's cost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .core import Check, shown, wrong_if
from .value import Value, either, exercise

# --- freeze_first ---


def small_network() -> nn.Sequential:
    """Eight children in train mode: a block with a norm inside, layers, norms of their own, activations."""
    act, block = nn.LeakyReLU(0.2), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    rest = [nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)]
    net, rng = nn.Sequential(block, act, *rest), torch.Generator().manual_seed(0)
    for p in net.parameters():
        p.data = torch.rand(p.shape, generator=rng) + 0.5
    return net.train()


def freeze(net: nn.Sequential, count: int) -> nn.Sequential:
    net[:count].requires_grad_(False).eval()
    return net


def freezing(*names: str, still: Sequence[str] = ("0", "1", "2", "3")) -> Callable[..., None]:
    """Freezes the parameters whose names begin with these, and puts the modules `still` into eval mode."""

    def freeze_first(net: nn.Sequential, count: int) -> None:
        for name, p in net.named_parameters():
            p.requires_grad_(not name.startswith(names))
        for name in still:
            net.get_submodule(name).eval()

    return freeze_first


def awake(*still: str) -> Callable[..., None]:
    """Freezes the right parameters, and only the modules `still` are in eval mode."""
    return freezing("0", "2", "3", still=still)


def without_momentum(net: nn.Sequential, count: int) -> None:
    awake()(net, count)
    for norm in ("0.1", "3"):
        net.get_submodule(norm).momentum = 0.0  # type: ignore[assignment]


def attribute(net: nn.Sequential, count: int) -> None:
    for module in net[:count]:
        module.requires_grad = False  # type: ignore[assignment]


def zeroed(net: nn.Sequential, count: int) -> None:
    for p in freeze(net, count)[:count].parameters():
        p.data.zero_()


@torch.no_grad()
def standing(returned: Any, net: nn.Sequential, count: int) -> dict[str, Any]:
    """Fact -> whether it holds (1 or 0) of `net` as the answer left it, and after a batch has gone through it."""
    fresh, state = small_network().state_dict(), net.state_dict()
    facts = {f"{name} has its old value": bool(fresh[name].equal(t)) for name, t in state.items()}
    facts |= {f"{name} wants gradients": p.requires_grad for name, p in net.named_parameters()}
    own = {id(p) for p in net.parameters()}
    twin = isinstance(returned, nn.Module) and any(id(p) not in own for p in returned.parameters())
    idle = all(p.requires_grad for p in net.parameters()) and all(m.training for m in net.modules())
    facts["a frozen copy is returned"] = idle and twin
    facts["a module has an attribute requires_grad"] = idle and any("requires_grad" in vars(m) for m in net.modules())
    x, before = torch.linspace(-1, 3, 18).cos().reshape(6, 3), copy.deepcopy(state)
    net(x)
    facts |= {f"a batch moves {n}": not before[n].equal(t) for n, t in net.state_dict().items() if "running" in n}
    alone = torch.allclose(net[:4](x)[:1], net[:4](x[:3])[:1], 1e-4, 1e-4)
    return facts | {"the front's features depend on an image's company": not alone}


FREEZE = Value(
    right=freeze,
    given=lambda: [(small_network(), 4), (small_network(), 5)],  # child 4 is an activation
    changes=["net"],
    seen=standing,
    wrong="with count {count}, is it so that {part} (1: yes, 0: no)? In your network {got:g}; it should be {right:g}.",
    mistakes={
        "nothing has changed: all parameters still want gradients, and every part trains.": lambda net, count: net,
        "a copy is frozen and returned; `net` itself, which training goes on with, is as it was.": lambda net, count: (
            freeze(copy.deepcopy(net), count)
        ),
        "a module's own `requires_grad` is a new attribute that nothing reads: set it on each parameter, or call the "
        "module's requires_grad_(False).": attribute,
        "the values themselves have changed; freezing keeps every value and only stops it from moving.": zeroed,
        "eval() stops the norms' statistics, and no weight: every parameter still wants gradients, so an optimiser "
        "will move it.": either(freezing("none"), freezing("none", still=[""])),
        "everything is frozen, so nothing is left to learn; stop at the first `count` children.": either(
            freezing(""), freezing("", still=[]), freezing("", still=[""])
        ),
        "these are the *last* children, next to the output; freeze from the input's end.": lambda net, count: (
            net[-count:].requires_grad_(False).eval()
        ),
        "only weights are frozen; the biases, and the norms' shifts, still train.": freezing(
            "0.0.w", "0.1.w", "2.w", "3.w"
        ),
        "the linear layers are frozen, and the norms between them still train their scale and shift.": freezing(
            "0.0", "2"
        ),
        "only the norms are frozen; the linear layers before them still train.": freezing("0.1", "3"),
        "the block that is child 0 still trains: what is inside a child must be frozen too.": freezing("2", "3"),
        "these are the first `count` *parameters*; it counts children, and a layer has two.": lambda net, count: (
            freezing(*list(dict(net.named_parameters()))[:count])(net, count)
        ),
        "one child too few is frozen: the last of the `count` still trains.": lambda net, count: freeze(net, count - 1),
        "one child too many is frozen: the one after `count` should train.": lambda net, count: freeze(net, count + 1),
        "requires_grad is off, but a batch norm in train mode goes on moving its running mean and variance with every "
        "batch, and no gradient is asked: put the frozen children into eval mode too.": awake(),
        "the norm inside the block, child 0, still moves its statistics: looking at the children's own types does not "
        "find it, and child.eval() does.": awake("3"),
        "the norm that is child 3 still moves its statistics; put every frozen child into eval mode.": awake("0"),
        "the running statistics stand still, but are not used: a frozen norm still normalises by the batch at hand, so "
        "that an image's features depend on its company. Use eval mode.": without_momentum,
        "the norm behind the frozen part has stopped too: the whole network is in eval mode; only the frozen children "
        "should be.": awake(""),
    },
)

# --- parameters_to_train ---


class PartlyFrozen(nn.Sequential):
    """A block of two layers, two layers that share their weight, and a norm; what `frozen` names is frozen."""

    def __init__(self, *frozen: str) -> None:
        first, inner, second, third = (nn.Linear(3, 3) for _ in range(4))
        third.weight = second.weight
        super().__init__(nn.Sequential(first, inner), second, third, nn.BatchNorm1d(3))
        for name, p in self.named_parameters():
            p.requires_grad_(not name.startswith(frozen))


def to_train(network: nn.Module) -> list[nn.Parameter]:
    return [p for p in network.parameters() if p.requires_grad]


def times_held(returned: Any, network: nn.Module) -> dict[str, int]:
    """How often each parameter of the network stands in the list, and how many other tensors."""
    odd = {
        "an iterator, which can be read once: count it, or give it to a second optimiser, and that one gets nothing. "
        "Return a list.": hasattr(returned, "__next__"),
        f"{shown(returned)}; return a list of the parameters alone.": not isinstance(returned, (list, tuple)),
    }
    for what, is_so in odd.items():
        wrong_if(is_so, f"your function returns {what}")
    wrong_if(
        any(not isinstance(p, Tensor) for p in returned),
        "the list holds something that is no parameter, as the pairs of named_parameters are, with their names; return "
        "the parameters themselves, in one flat list.",
    )
    held = [id(p) for p in returned]
    counts = {name: held.count(id(p)) for name, p in network.named_parameters()}
    return counts | {OTHERS: len(held) - sum(counts.values())}


OTHERS = "what is not of the network"
TRAIN = Value(
    right=to_train,
    given=lambda: [(PartlyFrozen("0.1", "2"),), (PartlyFrozen("0.0", "3"),), (PartlyFrozen(""),)],
    seen=times_held,
    wrong="`{part}` is in the list {got:g} times; it should be there {right:g} times.",
    mistakes={
        "some of these tensors are not the network's own parameters, but copies, buffers or views without gradients "
        "(.data, .detach(), state_dict); an optimiser would move something else.": either(
            lambda net: [p.data for p in to_train(net)], lambda net: list(net.state_dict().values())
        ),
        "the frozen layers are in the list too: without a gradient they are passed over today, and a stale gradient or "
        "momentum moves them tomorrow. Ask each parameter for requires_grad.": lambda net: list(net.parameters()),
        "these are the frozen layers, and they alone: the condition is the wrong way round.": lambda net: [
            p for p in net.parameters() if not p.requires_grad
        ],
        "the weight that two layers share is there twice; an optimiser must hold each parameter once "
        "(network.parameters() sees to that).": lambda net: [p for child in net.children() for p in to_train(child)],
        "the first tensor is left out.": lambda net: [p for p in list(net.parameters())[1:] if p.requires_grad],
        "the last tensor is left out.": lambda net: [p for p in list(net.parameters())[:-1] if p.requires_grad],
        "only weights are in the list: biases, and a norm's shift, train as well.": lambda net: [
            p for name, p in net.named_parameters() if p.requires_grad and "weight" in name
        ],
    },
)

# --- backward_cost ---

# What a forward pass through each layer costs, from the input to the output, and which layers train. No two of the
# formulas below agree on all of them.
BACKWARD: list[tuple[list[float], list[bool]]] = [
    ([2.0, 3.0, 5.0, 7.0], [False, False, True, True]),
    ([2.0, 3.0, 5.0, 7.0], [True, True, False, False]),
    ([2.0, 3.0, 5.0, 7.0], [True, True, True, True]),
    ([2.0, 3.0, 5.0, 7.0], [False, True, False, True]),
    ([11.0, 1.0, 4.0], [False, True, False]),
    ([0.5, 3.0], [False, True]),
]


def backward(costs: Sequence[float], trains: Sequence[bool]) -> float:
    return float(sum(c * (train + any(trains[:i])) for i, (c, train) in enumerate(zip(costs, trains, strict=True))))


def until_frozen(costs: Sequence[float], trains: Sequence[bool]) -> float:
    """What it would cost if the pass stopped at the first frozen layer that it meets, coming from the output."""
    kept = trains[::-1].index(False) if False in trains else len(trains)
    return 2 * sum(costs[len(costs) - kept :])


def cost_mistakes(c: Sequence[float], t: Sequence[bool]) -> dict[str, float]:
    """What the known mistakes make of costs and of which layers train."""
    lowest = t.index(True)
    weights, all_of, right = sum(x for x, train in zip(c, t, strict=True) if train), sum(c), backward(c, t)
    return {
        "the gradient is carried all the way to the images, which nobody asks for: below the lowest layer that trains "
        "nothing needs it.": weights + all_of,
        "the lowest layer that trains passes a gradient to its input, but nothing below it trains, so that product is "
        "not computed.": weights + sum(c[lowest:]),
        "these are the weights' gradients alone; to reach a layer, the gradient must also pass through all the layers "
        "above it, a product each.": weights,
        "frozen layers count as free wherever they are; one that lies above a layer that trains must still pass the "
        "gradient on.": weights + sum(x for i, x in enumerate(c) if t[i] and i > lowest),
        "two products for each layer that trains and none for the others: a frozen layer above a trained one costs one "
        "product, and the lowest trained one needs no gradient for its input.": 2 * weights,
        "`trains` makes no difference here: this is the cost with every layer training.": 2 * all_of - c[0],
        "this is twice the forward pass, whatever trains: the rule of thumb for a network that trains as a whole.": 2
        * all_of,
        "the frozen layers' weight gradients are counted too; only layers that train need theirs.": all_of
        + sum(c[lowest + 1 :]),
        "the gradient goes the wrong way: it comes in at the output, the end of the list, and passes every layer down "
        "to the lowest one that trains.": weights + sum(c[::-1][t[::-1].index(True) + 1 :]),
        "the pass stops at the first frozen layer that it meets; it must go on while any layer below trains.": (
            until_frozen(c, t)
        ),
        "the forward pass is counted too; the question is about the backward pass.": right + all_of,
        "this is a share of the whole pass's cost; return the cost itself.": right / (2 * all_of - c[0]),
    }


COST = Value(right=backward, given=BACKWARD, what="the cost", mistakes=cost_mistakes, tolerance=1e-6)
NO_COST = COST.at(
    [([2.0, 3.0], [False, False])],
    wrong="where no layer trains there is no backward pass at all, and your function says {got:g}.",
)

CHECKS: dict[str, Check] = {
    "freeze_first": exercise(
        FREEZE, passed="Weights, biases, norms and their statistics stand still, and the rest goes on learning."
    ),
    "parameters_to_train": exercise(
        TRAIN, passed="The tensors that train, each once, in a list that can be read again."
    ),
    "backward_cost": exercise(COST, NO_COST, passed=f"Right for {len(BACKWARD)} networks, and 0 where nothing trains."),
}
