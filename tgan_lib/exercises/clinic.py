"""Checks of chapter 07, the clinic: five broken pieces of a training, mended.

Networks are linear and small, so that every right value is known; the messages name the mistake that was seen
and leave the mend to the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .core import NOTHING, Check, Raised, Wrong, close, wrong_if
from .core import call_drawing as call  # its networks and latents may draw
from .linear import LinearDiscriminator, LinearGenerator, all_parameters, all_statistics

Answer = Callable[..., Any]


def tensor_of_shape(value: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """`value`, or `Wrong` where it is no tensor of floats with this shape."""
    wrong_if(value is None or value is ..., NOTHING)
    wrong_if(not isinstance(value, Tensor), f"your function returns a {type(value).__name__}; {what} are one tensor.")
    seen = tuple(value.shape)
    wrong_if(seen != shape, f"{what} should have the shape {shape}; yours have {seen}.")
    return value


# --- fresh_latents ---


def check_fresh_latents(answer: Answer) -> str:
    """`fresh_latents(n, latent_dim, rng)`: (n, latent_dim) numbers from N(0, 1), other ones at every call."""

    def drawn(rng: torch.Generator) -> Tensor:
        given = call(answer, n=500, latent_dim=20, rng=rng)
        return tensor_of_shape(given, (500, 20), "500 latents of 20 numbers").detach()

    one, same, other = (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
    torch.manual_seed(8128)  # no seed that an answer is likely to set
    before = torch.get_rng_state()
    first, second = drawn(one), drawn(one)
    wrong_if(
        close(first, second),
        "two calls in a row give the same latents: G would see these few for ever. Something in your function "
        "sets back what it draws from.",
    )
    wrong_if(
        close(first[0], first[1]) and close(first[0], first[-1]),
        "all rows are the same latent, so that a batch would be one image, many times.",
    )
    wrong_if(
        len(first.unique(dim=0)) < len(first),
        "some rows are the same latent, so that a batch would hold the same image twice.",
    )
    wrong_if(close(first[:, 0], first[:, 1]), "the numbers of a latent are one number, many times.")
    elsewhere = not torch.equal(torch.get_rng_state(), before)
    again = drawn(same)
    wrong_if(
        elsewhere and not close(again, first),
        "new latents at each call, but they are drawn from torch's global generator and not from `rng`, so that "
        "the seed of a run does not fix them.",
    )
    wrong_if(
        not close(again, first), "two generators `rng` with one seed give different latents: no run could be repeated."
    )
    wrong_if(close(drawn(other), first), "`rng` makes no difference: another seed gives the same latents.")
    wrong_if(
        elsewhere,
        "right numbers, but on the way your function draws from torch's global generator or sets its seed, "
        "which other parts of a program use too.",
    )
    _check_normal(torch.cat([first, second]))
    return "New at each call, the same for the same seed, and normal."


def _check_normal(z: Tensor) -> None:
    mean, std, largest = z.mean().item(), z.std().item(), z.abs().max().item()
    wrong_if(
        z.min() >= 0 and largest <= 1,
        "the numbers are spread evenly over 0 to 1; latents here are normal, and half of them negative.",
    )
    wrong_if(largest < 2.5, f"no number is beyond {largest:.2f}; a normal distribution has tails.")
    wrong_if(
        abs(mean) > 0.05 or abs(std - 1) > 0.05,
        f"mean {mean:.2f} and standard deviation {std:.2f}; 0 and 1 are wanted.",
    )
    wrong_if(
        z.norm(dim=1).std() < 0.3,
        "all latents have nearly the same length; those of N(0, 1) differ, so take the numbers as they are drawn.",
    )


# --- two_optimisers ---


def check_two_optimisers(answer: Answer) -> str:
    """`two_optimisers(generator, discriminator)`: (G's optimiser, D's), each with all of its own parameters."""
    generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    discriminator = LinearDiscriminator([1.0, 2.0, 3.0, 4.0])
    pair = call(answer, generator=generator, discriminator=discriminator)
    wrong_if(pair is None or pair is ..., NOTHING)
    wrong_if(
        isinstance(pair, torch.optim.Optimizer),
        "your function returns one optimiser; each player needs its own, since they step at different moments.",
    )
    wrong_if(
        not isinstance(pair, (tuple, list)) or len(pair) != 2,
        f"your function returns a {type(pair).__name__}; a pair of two optimisers is wanted.",
    )
    wrong_if(
        any(not isinstance(one, torch.optim.Optimizer) for one in pair),
        f"the pair holds {' and '.join(type(one).__name__ for one in pair)}; optimisers are wanted.",
    )
    wrong_if(pair[0] is pair[1], "both are the same optimiser; each of its steps would move whatever it holds.")
    held = [{id(p) for group in one.param_groups for p in group["params"]} for one in pair]
    owned = [{id(p) for p in net.parameters()} for net in (generator, discriminator)]
    _check_whose(held, owned)
    rates = [group["lr"] for one in pair for group in one.param_groups]
    wrong_if(any(not rate > 0 for rate in rates), f"the learning rates are {rates}; at 0 nothing moves.")
    wrong_if(
        any(group.get("maximize") for one in pair for group in one.param_groups),
        "with `maximize` an optimiser climbs its loss; in this chapter both players' losses are written to go down.",
    )
    return "Each optimiser holds its own player's parameters, all of them, and nothing else."


def _check_whose(held: list[set[int]], owned: list[set[int]]) -> None:
    """Whose parameters are in G's optimiser, and whose in D's?"""
    g_held, d_held = held
    g_owned, d_owned = owned
    wrong_if(g_held == d_owned and d_held == g_owned, "the two are in the wrong order: G's optimiser comes first.")
    wrong_if(
        g_held == d_owned,
        "the first optimiser, G's, holds D's parameters: its steps change D, and G stays as it was drawn.",
    )
    wrong_if(d_held == g_owned, "the second optimiser, D's, holds G's parameters: D never learns.")
    for name, mine, own, others in (("G", g_held, g_owned, d_owned), ("D", d_held, d_owned, g_owned)):
        wrong_if(
            bool(mine & others),
            f"{name}'s optimiser holds parameters of both players: a step for the one moves the other.",
        )
        missing = len(own - mine)
        wrong_if(
            missing > 0, f"{name}'s optimiser lacks {missing} of {name}'s {len(own)} parameters, which stay as drawn."
        )
        wrong_if(bool(mine - own), f"{name}'s optimiser holds parameters that belong to neither player.")


# --- turn_gradients ---


def check_turn_gradients(answer: Answer) -> str:
    """`turn_gradients(generator, discriminator, x, z)`: into each `.grad`, the gradient of that player's loss alone."""
    d = LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3)
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    x, z = torch.rand(5, 1, 2, 2) * 2 - 1, torch.randn(5, 3)
    stale = 0.7
    for p in (*g.parameters(), *d.parameters()):
        p.grad = torch.full_like(p, stale)
    before = [all_parameters(net) for net in (g, d)]
    call(answer, generator=g, discriminator=d, x=x.clone(), z=z.clone())
    if all(p.grad is not None and bool((p.grad == stale).all()) for p in (*g.parameters(), *d.parameters())):
        raise Wrong("no gradient has changed: call backward on each loss.")
    wrong_if(
        any(not close(all_parameters(net), old) for net, old in zip((g, d), before, strict=True)),
        "a network's weights have moved: only the gradients are wanted, and no step.",
    )
    wrong_if(
        any(not p.requires_grad for p in (*g.parameters(), *d.parameters())),
        "after the call some parameters no longer want gradients, and the next turn would leave them where they are.",
    )
    _check_whose_gradients(g, d, x, z, stale)
    return "Each network holds its own loss's gradient, and nothing of the other's or of the turn before."


def _flat_grad(net: nn.Module) -> Tensor:
    """What lies in a network's `.grad`, in one vector; 0 where there is none."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in net.parameters()])


def _check_whose_gradients(g: nn.Module, d: nn.Module, x: Tensor, z: Tensor, stale: float) -> None:
    def slope(loss: Tensor, net: nn.Module) -> Tensor:
        found = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
        return torch.cat([part.flatten() for part in found])

    real, fake = d(x), d(g(z))
    d_loss, g_loss = softplus(-real).mean() + softplus(fake).mean(), softplus(-fake).mean()
    d_right, g_right = slope(d_loss, d), slope(g_loss, g)
    in_d, in_g = _flat_grad(d), _flat_grad(g)
    to_d, to_g = slope(g_loss, d), slope(d_loss, g)  # what each loss sends into the other network

    def is_sum(found: Tensor, *terms: Tensor) -> bool:
        return close(found, torch.stack(terms).sum(0))

    old_d, old_g = torch.full_like(in_d, stale), torch.full_like(in_g, stale)
    d_old = any(is_sum(in_d, *terms, old_d) for terms in ([d_right], [d_right, to_d]))
    g_old = any(is_sum(in_g, *terms, old_g) for terms in ([g_right], [g_right, to_g]))
    wrong_if(
        d_old and g_old,
        "both networks still hold the gradients of the turn before, and the new ones are added to them.",
    )
    for name, old in (("D", d_old), ("G", g_old)):
        wrong_if(old, f"{name} still holds the gradient of the turn before; the new one is added to it.")
    d_leak, g_leak = is_sum(in_d, d_right, to_d), is_sum(in_g, g_right, to_g)
    wrong_if(
        d_leak and g_leak,
        "each network's gradient is the sum of both losses' gradients: both backward passes run through both.",
    )
    wrong_if(
        g_leak,
        "G's gradient is a sum: its own loss's, and what D's loss sent into it through the generated images. "
        "The two pull in opposite directions.",
    )
    wrong_if(d_leak, "D's gradient is a sum: its own loss's, and what G's loss left in it on the way to the images.")
    wrong_if(close(in_g, to_g), "G holds the gradient of D's loss: it would learn to be told apart.")
    wrong_if(close(in_d, to_d), "D holds the gradient of G's loss; its own is gone.")
    _check_each_loss(in_d, in_g, d_right, g_right, real, fake, lambda loss, net: slope(loss, {"d": d, "g": g}[net]))


def _check_each_loss(
    in_d: Tensor,
    in_g: Tensor,
    d_right: Tensor,
    g_right: Tensor,
    real: Tensor,
    fake: Tensor,
    slope: Callable[[Tensor, str], Tensor],
) -> None:
    """No gradient of another's is left; is each network's own what it should be?"""
    real_half = slope(softplus(-real).mean(), "d")
    d_mistakes = [
        (
            real_half + slope(softplus(-fake).mean(), "d"),
            "D learns that the generated images are real ones: both halves of its loss have the same label.",
        ),
        (
            slope(softplus(real).mean() + softplus(-fake).mean(), "d"),
            "D's labels are the wrong way round: it learns to call the real images generated.",
        ),
        (real_half, "D's gradient comes from the real images alone."),
        (d_right - real_half, "D's gradient comes from the generated images alone."),
        (torch.zeros_like(in_d), "no gradient reaches D."),
        (d_right / 2, "D's gradient is half of ours: add the means over real and generated images."),
        (d_right * len(real), "D's gradient grows with the batch: take means, not sums."),
        (-d_right, "D's gradient has the wrong sign."),
    ]
    g_mistakes = [
        (torch.zeros_like(in_g), "no gradient reaches G: in its own loss the images may not be cut off from it."),
        (
            slope(-softplus(fake).mean(), "g"),
            "G's gradient is the minimax loss's; here G minimises softplus(-D(G(z))).",
        ),
        (g_right * len(fake), "G's gradient grows with the batch: take the mean, not the sum."),
        (-g_right, "G's gradient has the wrong sign: it would learn to be called generated."),
    ]
    for found, right, mistakes, name in ((in_d, d_right, d_mistakes, "D"), (in_g, g_right, g_mistakes, "G")):
        for value, message in mistakes:
            wrong_if(close(found, value), message)
        wrong_if(
            not close(found, right),
            f"{name}'s gradient has norm {found.norm():.4f} and is not its loss's, which has norm {right.norm():.4f}.",
        )


# --- draw_samples ---


def check_draw_samples(answer: Answer) -> str:
    """`draw_samples(generator, z)`: images in eval mode, no graph, the generator left as it was found."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Unflatten(1, (1, 2, 2)))
    for _ in range(3):
        net(torch.randn(16, 3) * 2 + 1)  # running statistics that differ from those of the batch below
    z = torch.randn(6, 3)
    with torch.no_grad():
        right, statistics = net.eval()(z), all_statistics(net)
        mixed = net.train()(z)
    net[1].load_state_dict(_with_statistics(net[1], statistics))
    images = tensor_of_shape(call(answer, generator=net, z=z), (6, 1, 2, 2), "the images of 6 latents")
    wrong_if(
        close(images.detach(), mixed),
        "the images are those of training mode: batch norm takes its mean and variance from these very latents, "
        "so that each image depends on the others.",
    )
    wrong_if(not close(images.detach(), right), "these are not the generator's images of `z` in eval mode.")
    wrong_if(
        not net.training,
        "the images are right, but the generator was in training mode before the call and is in eval mode "
        "after it: the training that goes on will no longer normalise by the batch.",
    )
    wrong_if(
        not all(part.training for part in net.modules()),
        "the images are right, but only the generator itself says that it is training again; its layers, batch "
        "norm among them, are still in eval mode.",
    )
    wrong_if(
        not torch.is_grad_enabled(),
        "the images are right, but gradients are still switched off after the call, and nothing learns any more.",
    )
    wrong_if(
        not close(all_statistics(net), statistics),
        "the images are right, but batch norm's running averages have changed: drawing samples has trained them.",
    )
    wrong_if(
        images.requires_grad,
        "the images carry the graph that made them: each stored grid would keep its whole pass in memory.",
    )
    wrong_if(
        any(not p.requires_grad for p in net.parameters()), "after the call G's parameters no longer want gradients."
    )
    call(answer, generator=net.eval(), z=z)
    wrong_if(
        any(part.training for part in net.modules()),
        "right for a generator in training, but one that was in eval mode before the call is in training mode "
        "after it.",
    )
    return "Eval mode for the samples, no graph, and the mode as it was found, either one."


def _with_statistics(norm: nn.Module, statistics: Tensor) -> dict[str, Tensor]:
    """A batch norm's state with these running means and variances in it."""
    mean, variance = statistics.chunk(2)
    return norm.state_dict() | {"running_mean": mean, "running_var": variance}


# --- mixes_images ---


class _Spread(nn.Module):
    """D(x) = x . w plus the spread of the whole batch, as a discriminator with a minibatch statistic has."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = LinearDiscriminator([1.0, -2.0, 0.5, 1.5])

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.inner(images) + images.std()
        return found


def check_mixes_images(answer: Answer) -> str:
    """`mixes_images(discriminator, x)`: does an image's logit depend on the other images of the batch?"""
    x = torch.rand(6, 1, 2, 2) * 2 - 1
    flat = (nn.Flatten(), nn.Linear(4, 3))

    def headed(*layers: nn.Module) -> nn.Module:
        return nn.Sequential(*flat, *layers, nn.Linear(3, 1), nn.Flatten(0))

    normed = headed(nn.BatchNorm1d(3))
    plain, layered = headed(nn.Tanh()), headed(nn.LayerNorm(3))
    dropping, spread = headed(nn.Dropout(0.5)), _Spread()
    try:
        says = {
            name: _yes_or_no(call(answer, discriminator=d, x=x.clone()))
            for name, d in {"plain": plain, "normed": normed, "layered": layered, "spread": spread}.items()
        }
    except Raised as error:
        if "more than 1 value per channel" in str(error):
            raise Wrong(
                "in training mode a batch norm cannot take a single image, so that comparing with an image on its "
                "own is no test of it."
            ) from error
        raise
    wrong_if(
        not says["normed"] and not normed.training,
        "for batch norm you say no, after putting it into eval mode, where it does not look at the batch; the "
        "question is about training.",
    )
    wrong_if(
        says == {"plain": False, "normed": True, "layered": False, "spread": False},
        "a discriminator without any batch norm, which adds the batch's standard deviation to each logit, mixes "
        "images too: test what D does and not which layers it has.",
    )
    wrong_if(
        says["layered"] and not says["plain"],
        "for layer norm you say yes; it normalises each image by itself, whatever its name has in common.",
    )
    wrong_if(all(says.values()), "you say yes to every discriminator, a plain linear one among them.")
    wrong_if(not any(says.values()), "you say no to every discriminator, one with batch norm in training among them.")
    right = {"plain": False, "normed": True, "layered": False, "spread": True}
    said = {True: "yes", False: "no"}
    for name, what in {
        "plain": "a D without any norm",
        "normed": "a D with batch norm, in training mode",
        "layered": "a D with layer norm",
        "spread": "a D that adds the batch's standard deviation",
    }.items():
        wrong_if(says[name] != right[name], f"for {what} you say {said[says[name]]}.")
    wrong_if(
        _yes_or_no(call(answer, discriminator=normed.eval(), x=x.clone())),
        "right in training mode; but in eval mode batch norm uses its running averages, and you still say yes.",
    )
    wrong_if(
        any(_yes_or_no(call(answer, discriminator=dropping, x=x.clone())) for _ in range(4)),
        "for a D with dropout you say yes: two passes differ by chance, whatever the other images are.",
    )
    return "Right for six discriminators, one with dropout and one with no norm at all among them."


def _yes_or_no(value: Any) -> bool:
    wrong_if(value is None or value is ..., NOTHING)
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    wrong_if(
        not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"),
        f"your function returns a {type(value).__name__}; the answer is True or False.",
    )
    return bool(value)


CHECKS: dict[str, Check] = {
    "fresh_latents": check_fresh_latents,
    "two_optimisers": check_two_optimisers,
    "turn_gradients": check_turn_gradients,
    "draw_samples": check_draw_samples,
    "mixes_images": check_mixes_images,
}
