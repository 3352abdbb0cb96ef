"""Checks of chapter 07, the clinic: five broken pieces of a training, mended, and a reading of vital signs.

Networks are linear and small; the messages name the mistake that was seen and leave the mend to the reader.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .core import NOTHING, Check, Raised, Wrong, call, call_drawing, close, shown, wrong_if
from .linear import LinearDiscriminator, LinearGenerator, all_parameters
from .state import tensors_of
from .value import Value, either, exercise

Answer = Callable[..., Any]

# --- fresh_latents ---


def check_fresh_latents(answer: Answer) -> None:
    """(n, latent_dim) numbers from N(0, 1), other ones at every call, the same for the same seed."""

    def drawn(rng: torch.Generator) -> Tensor:
        value = call_drawing(answer, n=4000, latent_dim=50, rng=rng)
        wrong_if(value is None or value is ..., NOTHING)
        if not isinstance(value, Tensor):
            raise Wrong(f"your function returns {shown(value)}, a {type(value).__name__}; latents are one tensor.")
        seen = tuple(value.shape)
        wrong_if(seen != (4000, 50), f"4000 latents of 50 numbers should have the shape (4000, 50); yours have {seen}.")
        return value.detach()

    one, same, other = (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
    torch.manual_seed(8128)  # no seed that an answer is likely to set
    before = torch.get_rng_state()
    first, second = drawn(one), drawn(one)
    elsewhere = not torch.equal(torch.get_rng_state(), before)
    again, another, distinct = drawn(same), drawn(other), len(first.unique(dim=0))
    repeated, z = close(again, first), torch.cat([first, second])
    mean, std, largest = z.mean().item(), z.std().item(), z.abs().max().item()
    for message, seen in {
        "two calls in a row give the same latents: G would see these few for ever. Something in your function sets "
        "back what it draws from.": close(first, second),
        "all rows are the same latent, so that a batch would be one image, many times.": distinct == 1,
        "some rows are the same latent, so that a batch would hold the same image twice.": distinct < len(first),
        "the numbers of a latent are one number, many times.": close(first[:, 0], first[:, 1]),
        "new latents at each call, but they are drawn from torch's global generator and not from `rng`, so that the "
        "seed of a run does not fix them.": elsewhere and not repeated,
        "two generators `rng` with one seed give different latents: no run could be repeated.": not repeated,
        "`rng` makes no difference: another seed gives the same latents.": close(another, first),
        "right numbers, but on the way your function draws from torch's global generator or sets its seed, which other "
        "parts of a program use too.": elsewhere,
        "the numbers are spread evenly over 0 to 1; latents here are normal, and half of them negative.":
        bool(z.min() >= 0) and largest <= 1,
        f"no number is beyond {largest:.2f}; a normal distribution has tails.": largest < 2.5,
        f"mean {mean:.3f} and standard deviation {std:.3f}; 0 and 1 are wanted.":
        not (abs(mean) <= 0.01 and abs(std - 1) <= 0.007),  # six standard errors of 400 000 numbers
        "all latents have nearly the same length; those of N(0, 1) differ, so take the numbers as they are drawn.":
        bool(z.norm(dim=1).std() < 0.3),
    }.items():  # fmt: skip
        wrong_if(seen, message)


# --- two_optimisers ---

Owners = Callable[[nn.Module, nn.Module], list[nn.Parameter]]
of_g: Owners = lambda g, d: list(g.parameters())  # noqa: E731
of_d: Owners = lambda g, d: list(d.parameters())  # noqa: E731
of_both: Owners = lambda g, d: [*g.parameters(), *d.parameters()]  # noqa: E731


def optimisers(first: Owners, second: Owners) -> Answer:
    """An answer: Adam on each of two lists of parameters that are chosen from the two networks."""

    def two_optimisers(generator: nn.Module, discriminator: nn.Module) -> tuple[torch.optim.Adam, ...]:
        return tuple(torch.optim.Adam(owned(generator, discriminator)) for owned in (first, second))

    return two_optimisers


def counts(pair: Any, generator: nn.Module, discriminator: nn.Module) -> dict[str, float]:
    """How many parameters of each player each optimiser holds, and of others."""
    wrong_if(pair is None or pair is ..., NOTHING)
    wrong_if(
        isinstance(pair, torch.optim.Optimizer),
        "your function returns one optimiser; each player needs its own, since they step at different moments.",
    )
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Wrong(f"your function returns {shown(pair)}; a pair of two optimisers is wanted.")
    kinds = " and ".join(type(one).__name__ for one in pair)
    are_optimisers = all(isinstance(one, torch.optim.Optimizer) for one in pair)
    wrong_if(not are_optimisers, f"the pair holds {kinds}; optimisers are wanted.")
    wrong_if(pair[0] is pair[1], "both are the same optimiser; each of its steps would move whatever it holds.")
    groups = [group for one in pair for group in one.param_groups]
    rates = [group["lr"] for group in groups]
    wrong_if(any(not rate > 0 for rate in rates), f"the learning rates are {rates}; at 0 nothing moves.")
    wrong_if(
        any(group.get("maximize") for group in groups),
        "with `maximize` an optimiser climbs its loss; in this chapter both players' losses are written to go down.",
    )
    owned = {"G's": [id(p) for p in generator.parameters()], "D's": [id(p) for p in discriminator.parameters()]}
    held = [[id(p) for group in one.param_groups for p in group["params"]] for one in pair]
    found = {
        f"{mine} optimiser holds of {whose} parameters": float(sum(p in ids for p in inside))
        for mine, inside in zip(owned, held, strict=True)
        for whose, ids in owned.items()
    }
    return found | {"the optimisers hold of parameters": float(sum(map(len, held)))}


def two_players() -> list[tuple[nn.Module, nn.Module]]:
    generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    return [(generator, LinearDiscriminator([1.0, 2.0, 3.0, 4.0]))]


OPTIMISERS = Value(
    right=optimisers(of_g, of_d),
    given=two_players,
    seen=counts,
    draws=True,
    mistakes={
        "the two are in the wrong order: G's optimiser comes first.": optimisers(of_d, of_g),
        "the first optimiser, G's, holds D's parameters: its steps change D, and G stays as it was drawn.":
        optimisers(of_d, of_d),
        "the second optimiser, D's, holds G's parameters: D never learns.": optimisers(of_g, of_g),
        "G's optimiser holds parameters of both players: a step for the one moves the other.":
        either(optimisers(of_both, of_d), optimisers(of_both, of_both)),
        "D's optimiser holds parameters of both players: a step for the one moves the other.":
        optimisers(of_g, of_both),
    },
    wrong="{part}: {got:.0f} in your function, {right:.0f} are right. What is left out stays as drawn, and what "
    "belongs to the other player moves in this one's steps.",
)  # fmt: skip

# --- turn_gradients ---

Loss = Callable[[Tensor, Tensor], Tensor]  # of D's logits on real and on generated images


def d_loss(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def g_loss(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def both_losses(real: Tensor, fake: Tensor) -> Tensor:
    return d_loss(real, fake) + g_loss(real, fake)


def turning(*, d: Loss = d_loss, g: Loss = g_loss, clears: str = "GD") -> Answer:
    """An answer that leaves these losses' gradients in D and in G, added to the old ones in those it does not clear."""

    def turn_gradients(generator: nn.Module, discriminator: nn.Module, x: Tensor, z: Tensor) -> None:
        real, fake = discriminator(x), discriminator(generator(z))
        for name, net, loss in (("D", discriminator, d), ("G", generator, g)):
            if name in clears:
                net.zero_grad()
            loss(real, fake).backward(inputs=list(net.parameters()), retain_graph=True)

    return turn_gradients


def flat_grad(net: nn.Module) -> Tensor:
    """What lies in a network's `.grad`, in one vector; 0 where there is none."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in net.parameters()])


def turn() -> list[tuple[nn.Module, nn.Module, Tensor, Tensor]]:
    """Both networks hold the gradients of the step before."""
    d = LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3)
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    for p in (*g.parameters(), *d.parameters()):
        p.grad = torch.full_like(p, 0.7)
    return [(g, d, torch.rand(5, 1, 2, 2) * 2 - 1, torch.randn(5, 3))]


TURN = Value(
    right=turning(),
    given=turn,
    seen=lambda _, generator, discriminator, x, z: (flat_grad(generator), flat_grad(discriminator)),
    backward=True,
    mistakes={
        "no gradient has changed: call backward on each loss.": lambda g, d, x, z: g_loss(x, d(g(z))),
        "both networks still hold the gradients of the step before, and the new ones are added to them.":
        either(*(turning(d=d, g=g, clears="") for d in (d_loss, both_losses) for g in (g_loss, both_losses))),
        "D still holds the gradient of the step before; the new one is added to it.":
        either(*(turning(d=d, clears="G") for d in (d_loss, both_losses))),
        "G still holds the gradient of the step before; the new one is added to it.":
        either(*(turning(g=g, clears="D") for g in (g_loss, both_losses))),
        "each network's gradient is the sum of both losses' gradients: both backward passes run through both.":
        turning(d=both_losses, g=both_losses),
        "G's gradient is a sum: its own loss's, and what D's loss sent into it through the generated images. The two "
        "pull in opposite directions.": turning(g=both_losses),
        "D's gradient is a sum: its own loss's, and what G's loss left in it on the way to the images.":
        turning(d=both_losses),
        "G holds the gradient of D's loss: it would learn to be told apart.": turning(g=d_loss),
        "D holds the gradient of G's loss; its own is gone.": turning(d=g_loss),
        "D learns that the generated images are real ones: both halves of its loss have the same label.":
        turning(d=lambda real, fake: d_loss(real, -fake)),
        "D's labels are the wrong way round: it learns to call the real images generated.":
        turning(d=lambda real, fake: d_loss(-real, -fake)),
        "D's gradient comes from the real images alone.": turning(d=lambda real, fake: softplus(-real).mean()),
        "D's gradient comes from the generated images alone.": turning(d=lambda real, fake: softplus(fake).mean()),
        "no gradient reaches D.": turning(d=lambda real, fake: 0 * real.sum()),
        "D's gradient is half of ours: add the means over real and generated images.":
        turning(d=lambda real, fake: d_loss(real, fake) / 2),
        "D's gradient grows with the batch: take means, not sums.":
        turning(d=lambda real, fake: len(real) * d_loss(real, fake)),
        "D's gradient has the wrong sign.": turning(d=lambda real, fake: -d_loss(real, fake)),
        "no gradient reaches G: in its own loss the images may not be cut off from it.":
        turning(g=lambda real, fake: 0 * fake.sum()),
        "G's gradient is the minimax loss's; here G minimises softplus(-D(G(z))).":
        turning(g=lambda real, fake: -softplus(fake).mean()),
        "G's gradient grows with the batch: take the mean, not the sum.":
        turning(g=lambda real, fake: softplus(-fake).sum()),
        "G's gradient has the wrong sign: it would learn to be called generated.":
        turning(g=lambda real, fake: -g_loss(real, fake)),
    },
    parts=("G", "D"),
    wrong="{part}'s gradient at {place} is {got:.4f}, and its own loss's is {right:.4f}.",
)  # fmt: skip

# --- draw_samples ---


def drawing(afterwards: Callable[[nn.Module, bool, Tensor], Any], *, graph: bool = False) -> Answer:
    """An answer that draws in eval mode and then does this to the generator, which was in that mode before."""

    def draw_samples(generator: nn.Module, z: Tensor) -> Any:
        was = generator.training
        images = generator.eval()(z)
        afterwards(generator, was, z)
        return images if graph else images.detach()

    return draw_samples


def either_mode() -> list[tuple[nn.Module, Tensor]]:
    """A generator whose running statistics are not those of the latents, in training, and in eval mode."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Unflatten(1, (1, 2, 2)))
    for _ in range(3):
        net(torch.randn(16, 3) * 2 + 1)
    z = torch.randn(6, 3)
    return [(net, z), (copy.deepcopy(net).eval(), z.clone())]


def images_and_all(images: Any, generator: nn.Module, z: Tensor) -> dict[str, Any]:
    """The images, and all of the generator that must be as it was."""
    wrong_if(images is None, NOTHING)
    return {
        "the images": images,
        "the modes": [float(part.training) for part in generator.modules()],
        "what wants gradients": [float(p.requires_grad) for p in generator.parameters()],
        **{name: tensor.detach() for name, tensor in tensors_of(generator).items()},
    }


SAMPLES = Value(
    right=drawing(lambda generator, was, z: generator.train(was)),
    given=either_mode,
    seen=images_and_all,
    changes=["generator"],
    learns=["generator"],
    mistakes={
        "the images are those of training mode: batch norm takes its mean and variance from these very latents, so "
        "that each image depends on the others.": either(
            torch.no_grad()(lambda generator, z: generator(z)),
            lambda generator, z: copy.deepcopy(generator).train()(z).detach(),
        ),
        "the images are right, but the generator was in training mode before the call and is in eval mode after it: "
        "the training that goes on will no longer normalise by the batch.": drawing(lambda generator, was, z: None),
        "right for a generator in training, but one that was in eval mode before the call is in training mode after "
        "it.": drawing(lambda generator, was, z: generator.train()),
        "the images are right, but only the generator itself says that it is training again; its layers, batch norm "
        "among them, are still in eval mode.": drawing(lambda generator, was, z: setattr(generator, "training", was)),
        "the images are right, but batch norm's running averages have changed: drawing samples has trained them.":
        drawing(lambda generator, was, z: generator.train(was)(z)),
        "the images carry the graph that made them: each stored grid would keep its whole pass in memory.":
        drawing(lambda generator, was, z: generator.train(was), graph=True),
        "after the call G's parameters no longer want gradients.":
        drawing(lambda generator, was, z: generator.train(was).requires_grad_(False)),
    },
    what="what comes back",
    hint="6 images of one channel and 2 by 2 pixels are wanted, one for each latent",
    wrong="{part} {place}: {got:.4f}, and {right:.4f} is right: the generator's images of `z` in eval mode, and the "
    "generator as it was.",
)  # fmt: skip

# --- mixes_images ---


class Judging(nn.Module):
    """A small D, by what it has in the middle and what it adds to the logits (N,) in view of the batch."""

    def __init__(self, what: str, *layers: nn.Module, adds: Callable[[Tensor], Tensor] = torch.zeros_like) -> None:
        super().__init__()
        self.what, self.adds = what, adds
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), *layers, nn.Linear(3, 1), nn.Flatten(0))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body(images) + self.adds(images.flatten(1).mean(1))
        return logits


def only(whose: int, other: int) -> Callable[[Tensor], Tensor]:
    """What adds to the logit of one image how dark another one is, and nothing to the rest."""

    def added(means: Tensor) -> Tensor:
        to = torch.zeros_like(means)
        to[whose] = 1.0
        return to * means[other]

    return added


def judges() -> list[tuple[Judging, Tensor]]:
    all_of_them = [
        Judging("D without any norm", nn.Tanh()),
        Judging("D with batch norm, in training mode,", nn.BatchNorm1d(3)),
        Judging("D with layer norm", nn.LayerNorm(3)),
        Judging("D that adds the batch's standard deviation", adds=lambda means: means.std()),
        Judging("D that adds how dark the next image alone is", adds=lambda means: (-means).relu().roll(-1)),
        Judging("D in which the last image's logit alone depends on another, the one before,", adds=only(-1, -2)),
        Judging("D in which the first image's logit alone depends on another, the second,", adds=only(0, 1)),
        Judging("D in which the third image's logit alone depends on another, the fourth,", adds=only(2, 3)),
    ]
    return [(judge, torch.rand(6, 1, 2, 2) * 2 - 1.5) for judge in all_of_them]


def normed_in_eval() -> list[tuple[Judging, Tensor]]:
    net = Judging("D with batch norm, in eval mode,", nn.BatchNorm1d(3)).eval()
    return [(net, torch.rand(6, 1, 2, 2) * 2 - 1)]


def slopes_between(discriminator: nn.Module, x: Tensor) -> Tensor:
    """How much each logit changes with each image, (N, N), in one pass; the network is left as it is."""
    x = x.detach().requires_grad_()
    logits = copy.deepcopy(discriminator)(x)
    rows = [torch.autograd.grad(logit, x, retain_graph=True)[0].flatten(1).abs().sum(1) for logit in logits]
    return torch.stack(rows)


def of_others(discriminator: nn.Module, x: Tensor) -> Tensor:
    """The same with nothing on the diagonal, where an image's logit changes with the image itself."""
    slopes = slopes_between(discriminator, x)
    return slopes - torch.diag(slopes.diag())


def mixes_images(discriminator: nn.Module, x: Tensor) -> bool:
    return bool(of_others(discriminator, x).any())


def has_norm(discriminator: nn.Module, kind: str) -> bool:
    return any(kind in type(part).__name__ and part.training for part in discriminator.modules())


def yes_or_no(value: Any, discriminator: nn.Module, x: Tensor) -> dict[str, Any]:
    wrong_if(value is None or value is ..., NOTHING)
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if type(value).__name__ not in ("bool", "bool_"):
        raise Wrong(f"your function returns {shown(value)}, a {type(value).__name__}; the answer is True or False.")
    modes = [float(part.training) for part in discriminator.modules()]
    return {"mixes": float(value), "mode": modes, "weights": all_parameters(discriminator)}


MIXES = Value(
    right=mixes_images,
    given=judges,
    seen=yes_or_no,
    marks=["x"],
    changes=["discriminator"],  # batch norm's running averages move with every pass
    draws=True,
    mistakes={
        "for batch norm you say no, after putting it into eval mode, where it does not look at the batch; the question "
        "is about training.": either(
            lambda d, x: mixes_images(d.eval(), x),
            lambda d, x: mixes_images(copy.deepcopy(d).eval(), x),
        ),
        "a discriminator without any batch norm, which adds the batch's standard deviation to each logit, mixes images "
        "too: test what D does and not which layers it has.": lambda d, x: has_norm(d, "BatchNorm"),
        "for layer norm you say yes; it normalises each image by itself, whatever its name has in common.":
        lambda d, x: has_norm(d, "Norm"),
        "a logit may depend on a single one of the others, and that need not be the last: ask whether it depends on "
        "any of them, not on all or on the last.": either(
            lambda d, x: bool(slopes_between(d, x)[0, -1] > 0),
            lambda d, x: bool(slopes_between(d, x)[0, 1:].all()),
            lambda d, x: bool((slopes_between(d, x) > 0).all()),
        ),
        "you ask about the first image's logit alone; here another image's is the one that depends on its neighbour.":
        lambda d, x: bool(of_others(d, x)[0].any()),
        "you ask about the last image's logit alone; here another image's is the one that depends on its neighbour.":
        lambda d, x: bool(of_others(d, x)[-1].any()),
        "you say yes to every discriminator, a plain linear one among them.": lambda d, x: len(x) > 1,
        "you say no to every discriminator, one with batch norm in training among them.": lambda d, x: len(x) < 1,
    },
    wrong="for a {discriminator.what} {part} {place} is {got:.0f}, and {right:.0f} is right (1: yes or training, 0: no "
    "or eval).",
)  # fmt: skip
MIXES_IN_EVAL = MIXES.at(
    normed_in_eval,
    mistakes={
        "right in training mode; but in eval mode batch norm uses its running averages, and you still say yes.": either(
            lambda d, x: mixes_images(d, x) or has_norm(d.train(), "BatchNorm"),
            lambda d, x: mixes_images(copy.deepcopy(d).train(), x),
        )
    },
    wrong="for a {discriminator.what} {part} {place} is {got:.0f}, and {right:.0f} is right.",
)
DROPPING = MIXES.at(
    lambda: [(Judging("D with dropout", nn.Dropout(0.5)), torch.rand(6, 1, 2, 2)) for _ in range(4)],
    wrong="for a D with dropout you say yes: two passes differ by chance, whatever the other images are.",
)


def check_no_single_image(answer: Answer) -> None:
    try:
        call_drawing(answer, discriminator=judges()[1][0], x=torch.rand(6, 1, 2, 2))
    except Raised as error:
        if "more than 1 value per channel" in str(error):
            raise Wrong(
                "in training mode a batch norm cannot take a single image, so that comparing with an image on its own "
                "is no test of it."
            ) from error
        raise


# --- what_it_dies_of ---

DEATHS = ("no number", "collapse", "memorising", "overpowering", "alive")
NAN, INF = float("nan"), float("inf")
# D's mean output for reals, fakes and unseen reals, the samples' spread; what is right; and what an answer that says
# otherwise has not seen.
CASES: list[tuple[tuple[float, float, float, float], str, str]] = [
    ((0.5, -0.5, 0.6, 1.0), "alive", "a healthy training is at the middle of all ranges."),
    ((NAN, NAN, NAN, NAN), "no number", "with NaN every comparison is False, so that it slips through each `if`: ask "
     "for it first, with math.isfinite."),
    ((NAN, -0.5, 0.6, 1.0), "no number", "one number alone is NaN here, that of reals: ask each of them."),
    ((0.5, -0.5, 0.6, NAN), "no number", "one number alone is NaN here, the spread: ask each of them."),
    ((0.5, -0.5, NAN, 1.0), "no number", "one number alone is NaN here, that of unseen reals: ask each of them."),
    ((9.0, -INF, 9.0, 1.0), "no number", "an infinity is no finite number either, and is not NaN."),
    ((7.0, -10.0, 7.0, 0.01), "collapse", "all samples are one picture, and D is sure as well; the spread is asked "
     "before D's output, since a D that wins is what a collapse brings."),
    ((0.4, -0.4, 0.4, 0.09), "collapse", "samples alike are a collapse, whether D wins or not."),
    ((0.5, -0.5, 0.6, 0.1), "alive", "a spread of 0.1 is not below 0.1."),
    ((1.6, -1.5, -1.6, 0.9), "memorising", "unseen reals are taken for fakes, and those of the training are not."),
    ((9.0, -5.0, -3.0, 0.9), "memorising", "D is sure of what it has seen, and unseen reals are still nearer to fakes: "
     "this is asked before the gap."),
    ((2.0, -1.0, 0.3, 0.9), "memorising", "unseen reals are above 0 and still nearer to the fakes, whose output is -1, "
     "than to the reals, whose output is 2: compare distances, not signs."),
    ((0.6, -0.5, -0.4, 0.11), "memorising", "reals and fakes are 1.1 apart, samples differ, and unseen reals are "
     "nearer to the fakes."),
    ((0.5, -0.4, -0.3, 1.0), "alive", "reals and fakes are 0.9 apart; which of them unseen reals are nearer to "
     "is then chance, and D has learnt nothing by heart."),
    ((0.5, -0.5, -0.4, 1.0), "alive", "reals and fakes are 1 apart, and more than 1 is asked for."),
    ((2.0, -1.0, 1.4, 1.0), "alive", "unseen reals are a little below the others and nearer to them than to fakes: no "
     "two sets of images have the same mean."),
    ((1.0, -1.0, 0.0, 1.0), "alive", "unseen reals are halfway, and so not nearer to the fakes."),
    ((2.0, -1.0, 0.8, 1.0), "alive", "unseen reals are 1.2 from the reals and 1.8 from the fakes."),
    ((8.8, -6.8, 8.8, 0.7), "overpowering", "reals and fakes are more than 8 apart, and D is right about unseen reals "
     "too."),
    ((12.0, 2.0, 12.5, 0.8), "overpowering", "what counts is the gap, here 10: a constant in all logits is no matter."),
    ((4.05, -4.0, 4.0, 1.0), "overpowering", "a gap of 8.05 is more than 8."),
    ((3.9, -4.0, 3.8, 1.0), "alive", "a gap of 7.9 is a strong D and no overpowering one: more than 8 is."),
    ((4.0, -4.0, 4.0, 1.0), "alive", "a gap of 8 is not more than 8."),
    ((-6.0, 6.0, -6.0, 1.0), "alive", "fakes are *above* reals here, so that D is fooled and not overpowering: mind "
     "the sign of the gap."),
]  # fmt: skip


def check_what_it_dies_of(answer: Answer) -> None:
    for (real, fake, held, spread), right, unseen in CASES:
        given = {"real": real, "fake": fake, "held": held, "spread": spread}
        said = call(answer, signs=dict(given))
        wrong_if(said is None or said is ..., NOTHING)
        if type(said) is not str:
            raise Wrong(f"your function returns {shown(said)}, a {type(said).__name__}; one of five words is wanted.")
        wrong_if(said not in DEATHS, f"your function says {shown(said)}; one of {', '.join(DEATHS)} is wanted.")
        wrong_if(said != right, f"of {given} you say {said!r}, and {right!r} is right: {unseen}")


CHECKS: dict[str, Check] = {
    "fresh_latents": exercise(check_fresh_latents, passed="New at each call, the same for the same seed, and normal."),
    "two_optimisers": exercise(
        OPTIMISERS, passed="Each optimiser holds its own player's parameters, all of them, and nothing else."
    ),
    "turn_gradients": exercise(
        TURN, passed="Each network holds its own loss's gradient, and nothing of the other's or of the step before."
    ),
    "draw_samples": exercise(
        SAMPLES, passed="Eval mode for the samples, no graph, and the mode as it was found, either one."
    ),
    "mixes_images": exercise(
        check_no_single_image,
        MIXES,
        MIXES_IN_EVAL,
        DROPPING,
        passed="Right for nine discriminators, one with dropout and one with no norm at all among them.",
    ),
    "what_it_dies_of": exercise(
        check_what_it_dies_of, passed=f"{len(CASES)} trainings, five without finite numbers: each named rightly."
    ),
}
