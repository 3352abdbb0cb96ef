"""Checks of chapter 01, the two-player game: the best D, a divergence from logits, a step of G, an honest judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from .core import Check, Raised, Wrong, call, close, wrong_if
from .linear import LinearDiscriminator, LinearGenerator
from .value import Value, exercise

LOG2 = math.log(2)

# --- optimal_discriminator ---

# Densities at five points: no two of the mistakes below agree on all of them.
P, Q = torch.tensor([1.5, 0.5, 0.02, 0.3, 2.0]), torch.tensor([1.5, 0.1, 0.4, 0.9, 0.25])


def best(log_p_data: Tensor, log_p_g: Tensor) -> Tensor:
    return torch.sigmoid(log_p_data - log_p_g)


BEST = Value(
    right=best,
    given=[(P.log(), Q.log())],
    mistakes={
        "this is the probability of `generated`: D says how likely `real` is, so p_data stands on top.": lambda p, q: (
            torch.sigmoid(q - p)
        ),
        "this is the best logit. D is asked for, a probability: one function is missing around it.": lambda p, q: p - q,
        "this is the ratio of the densities, D / (1 - D); D itself stays between 0 and 1.": lambda p, q: (p - q).exp(),
        "this is twice too large: it divides by the average of the densities in place of their sum.": lambda p, q: (
            2 * best(p, q)
        ),
        "the logs are used as if they were densities; p / (p + q) needs p = exp(log p).": lambda p, q: p / (p + q),
        "this is log D, which is never above 0; D is asked for.": lambda p, q: best(p, q).log(),
        "every answer is 0 or 1: that is the best guess, and D says how sure it is.": lambda p, q: (p > q).float(),
        "this is p_data alone; how likely `real` is depends on how dense the generated points are, too.": lambda p, q: (
            p.exp()
        ),
    },
    what="D",
    hint="it is one probability for each point",
    wrong="at point {place[0]} of the five your function says {got:.4g}; it should be {right:.4g}.",
    tolerance=(1e-4, 1e-6),
)
FAR = BEST.at(
    [(torch.tensor([-2000.0, -300.0]), torch.tensor([-2001.0, -300.0]))],
    overflow="far from all the data, at log densities of -2000 and -2001, your D is {got:.3g}: exp rounds both to 0, "
    "and 0 / 0 is no number. Work with the difference of the logs.",
    wrong="at log densities of -2000 and -2001 D should be {right:.3f} and yours is {got:.3g}: only their difference "
    "counts, and exp, or an epsilon or clamp, has lost it.",
)
CERTAIN = BEST.at(
    [(torch.tensor([500.0, -500.0]), torch.tensor([-500.0, 500.0]))],
    overflow="where one density is e^1000 times the other D should be 1 or 0; yours is {got:.3g}: something overflows.",
    wrong="where one density is e^1000 times the other D should be {right:g}; yours is {got:.3g}: something overflows "
    "or is clamped.",
)

# --- js_from_logits ---


def js(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return LOG2 - (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2


def js_mistakes(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """What the known mistakes make of D's logits on real and on generated points."""
    real_half, fake_half = softplus(-real).mean(), softplus(fake).mean()
    loss, right = real_half + fake_half, js(real, fake)
    together = torch.cat([softplus(-real), softplus(fake)])
    return {
        "this is the value V; solve V = -log 4 + 2 JS for JS.": -loss,
        "this is D's loss; JS is what solves loss = log 4 - 2 JS.": loss,
        "this is 2 JS: V + log 4 is twice the divergence.": 2 * right,
        "this is in bits; with natural logs, as everywhere in this book, JS is at most log 2.": right / LOG2,
        "real and generated are swapped: D's logit is positive for real, so the real half is softplus(-r).": js(
            -real, -fake
        ),
        "the loss is not halved: loss = log 4 - 2 JS, so JS = log 2 - loss / 2.": LOG2 - loss,
        "the sign is turned: a D that tells them apart has a small loss and shows a large JS.": -right,
        "log 4 has to be halved as well: JS = (log 4 - loss) / 2.": 2 * LOG2 - loss / 2,
        "log 2 is missing: a D that cannot tell has the loss log 4, and the JS it shows is 0.": -loss / 2,
        "one mean is taken over all points together. There are not as many real as generated ones here: take a mean of "
        "each and add them.": LOG2 - together.mean(),
        "the losses are summed; take means, or the divergence depends on the number of points.": LOG2
        - together.sum() / 2,
        "only the real half of the loss is there.": LOG2 - real_half / 2,
        "only the generated half of the loss is there.": LOG2 - fake_half / 2,
    }


REAL, FAKE = torch.tensor([2.0, -0.5, 1.3, 3.1]), torch.tensor([-1.0, 0.4, -2.5, -0.3, 1.7, -3.0])
NEWS = "the formula gives {right:.4f}. A negative estimate is news (D is behind): leave it as it is."
JS = Value(
    right=js,
    given=[(REAL, FAKE)],
    mistakes=js_mistakes,
    what="the estimate",
    hint="take means",
    wrong="on ten logits your estimate is {got:.4f}; it should be {right:.4f}.",
)
BEHIND = JS.at(
    [(-REAL, -FAKE)],
    but="right for a good D, but for one that is worse than a coin ",
    mistakes={
        "you return 0. A negative estimate is news (D is behind): leave it as it is.": lambda r, f: js(r, f).clamp(
            min=0
        ),
        "you return its absolute value. A negative estimate is news (D is behind): leave it as it is.": lambda r, f: js(
            r, f
        ).abs(),
    },
    wrong="you say {got:.4f} in place of {right:.4f}.",
)
FOOLED = JS.at(
    [(torch.full((4,), -200.0), torch.full((6,), 200.0))],
    but="right for small logits, but logits of -200 and 200 make it ",
    overflow="{got}: the sigmoid rounds to 0 or 1 and a log overflows. Use softplus.",
    wrong="{got:.1f} in place of {right:.1f}: the logs are held back, by an epsilon or by binary_cross_entropy's "
    "clamp. Start from logits.",
)

# --- generator_step ---

RATE = 0.1
STALE = 7.0  # what every gradient is before the step: a step that adds to it goes far astray


class Watched(torch.optim.SGD):
    """Plain gradient descent that notes, at each call, the gradient it finds."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__([weight], lr=RATE)
        self.weight = weight
        self.calls: list[tuple[str, Tensor | None]] = []

    def note(self, name: str) -> None:
        self.calls.append((name, None if self.weight.grad is None else self.weight.grad.clone()))

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.note("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:  # it computes the gradient that the step then takes
            with torch.enable_grad():
                loss = closure()
        self.note("step")
        super().step()
        return loss


Game = tuple[LinearGenerator, LinearDiscriminator, Watched, Tensor]


def _game(g: LinearGenerator, d: LinearDiscriminator, z: Tensor) -> Game:
    """The arguments of a step, with stale gradients everywhere."""
    for p in [*g.parameters(), *d.parameters()]:
        p.grad = torch.full_like(p, STALE)
    return g, d, Watched(g.weight), z


def even_game() -> list[Game]:
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    return [_game(g, LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3), torch.randn(5, 3))]


def fooled_game() -> list[Game]:
    """Logits of 60 for ones: D is sure that generated points are real."""
    return [_game(LinearGenerator([[1.0] * 4]), LinearDiscriminator([15.0] * 4), torch.ones(4, 1))]


def stepping_on(loss: Callable[[Tensor], Tensor], *, clears: bool = True) -> Callable[..., None]:
    """A step of G that minimises this loss of D's logits."""

    def generator_step(generator: nn.Module, discriminator: nn.Module, optimiser: Watched, z: Tensor) -> None:
        if clears:
            optimiser.zero_grad()
        loss(discriminator(generator(z))).backward()
        optimiser.step()

    return generator_step


def _check_calls(answer: Callable[..., Any]) -> None:
    """That the optimiser stepped, once, on a gradient that had just been computed.

    A gradient new to D tells points that were detached from a backward() that was never called.
    """
    ((g, d, optimiser, z),) = even_game()
    before = g.weight.detach().clone()
    modes = [part.training for network in (g, d) for part in network.modules()]
    try:
        call(answer, generator=g, discriminator=d, optimiser=optimiser, z=z)
    except Raised as error:
        if "does not require grad" in str(error):
            raise Wrong(
                "the loss has no way back to any weight: something is detached or under no_grad. In G's step "
                "nothing may be; D's weights stay as they are because G's optimiser does not hold them."
            ) from error
        raise
    wrong_if(
        modes != [part.training for network in (g, d) for part in network.modules()],
        "a network is left in another mode than it was in; a step changes G's weights alone.",
    )
    still = close(g.weight.detach(), before)
    steps = [grad for name, grad in optimiser.calls if name == "step"]
    wrong_if(not optimiser.calls and still, "G is where it was: nothing steps.")
    wrong_if(
        not steps and still, "G is where it was: the gradient is computed, but `optimiser.step()` is never called."
    )
    wrong_if(len(steps) > 1, f"the optimiser steps {len(steps)} times; one step of G is one step of its optimiser.")
    wrong_if(
        not steps, "G moves, but not by `optimiser.step()`: the optimiser knows the rate, and may be Adam as well."
    )
    grad = steps[0]
    stale = grad is not None and close(grad, torch.full_like(grad, STALE))
    wrong_if(stale, "the optimiser steps on the old gradient: call backward() before step().")
    if grad is None or close(grad, torch.zeros_like(grad)):
        cleared = [seen for name, seen in optimiser.calls if name == "zero_grad" and seen is not None]
        fresh = any(not close(seen, torch.full_like(seen, STALE)) for seen in cleared)
        late = optimiser.weight.grad
        wrong_if(
            late is not None and not close(late, torch.zeros_like(late)),
            "the optimiser steps before there is a gradient, so G does not move: backward() comes before step().",
        )
        at_d = d.weight.grad
        nowhere = at_d is None or close(at_d, torch.full_like(at_d, STALE))
        wrong_if(nowhere and not fresh, "there is no gradient to step on: `backward()` is never called on the loss.")
        raise Wrong(
            "the gradient is cleared between backward() and step(), so G does not move: zero_grad() comes first."
            if fresh
            else "no gradient reaches G: the generated points are detached. That is right in D's step, where G "
            "has no part; in G's step the gradient has to come back through D into G."
        )


STEP = Value(
    right=stepping_on(lambda logits: -softplus(logits).mean()),
    given=even_game,
    seen=lambda returned, g, d, optimiser, z: g.weight.detach() - even_game()[0][0].weight.detach(),
    mistakes={
        "the new gradient is added to the old one: call zero_grad() before backward(), or what an earlier step left "
        "there still pulls.": stepping_on(lambda logits: -softplus(logits).mean(), clears=False),
        "G goes the wrong way: it minimises what D minimises, softplus(logit), and makes D's work easier. The minimax "
        "loss is minus that.": stepping_on(lambda logits: softplus(logits).mean()),
        "this is the non-saturating loss, chapter 2's; the game's own is log(1 - D(G(z))) = -softplus(logit).": (
            stepping_on(lambda logits: softplus(-logits).mean())
        ),
        "the loss is summed over the batch; take the mean, or the step grows with the batch.": stepping_on(
            lambda logits: -softplus(logits).sum()
        ),
        "the loss is minus the logit itself; log(1 - D) is -softplus(logit).": stepping_on(
            lambda logits: -logits.mean()
        ),
        "the log is missing: G minimises the mean of log(1 - D), and this is the mean of 1 - D.": stepping_on(
            lambda logits: (1 - logits.sigmoid()).mean()
        ),
        "softplus is given a probability: it wants D's logits as they are, without a sigmoid.": stepping_on(
            lambda logits: -softplus(logits.sigmoid()).mean()
        ),
    },
    what="the step",
    wrong="G's weight {place} moves by {got:.4f} and should move by {right:.4f}.",
    changes=["generator", "optimiser"],
    backward=True,
)
FOOLED_STEP = STEP.at(
    fooled_game,
    seen=lambda returned, g, d, optimiser, z: g.weight.detach() - 1,
    but="right where logits are small, but at a logit of 60 ",
    overflow="G's weights become {got}: 1 - sigmoid rounds to 0 and its log overflows. Write the loss with softplus.",
    wrong="G's weights move by {got:.3g} in place of {right:.3g}: an epsilon or a clamp in the log takes the gradient "
    "away. Write it with softplus.",
)

# --- held_out_js ---


def middles_apart(real: Tensor, fake: Tensor) -> Callable[[Tensor], Tensor]:
    """A D in closed form: the best one if both were Gaussians of variance 1 around the means of these points."""
    towards = real.mean(0) - fake.mean(0)
    middle = (real.mean(0) + fake.mean(0)) / 2
    return lambda x: (x - middle) @ towards


def by_heart(real: Tensor, fake: Tensor) -> Callable[[Tensor], Tensor]:
    """A D that is right and sure where it was fitted, and elsewhere guesses by the numbers of points it was given."""
    guess = (len(real) - len(fake)) / 10

    def logits(x: Tensor) -> Tensor:
        known = [(x[:, None] == points[None]).all(2).any(1) for points in (real, fake)]
        return guess + 4 * known[0].float() - 6 * known[1].float()

    return logits


Fit = Callable[[Tensor, Tensor], Callable[[Tensor], Tensor]]


def judged(real_losses: Tensor, fake_losses: Tensor) -> tuple[Tensor, Tensor]:
    """JS and its standard error from D's losses, point by point."""
    error = (real_losses.var() / len(real_losses) + fake_losses.var() / len(fake_losses)).sqrt() / 2
    return LOG2 - (real_losses.mean() + fake_losses.mean()) / 2, error


def losses_of(d: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return softplus(-d(real)), softplus(d(fake))


def halves(points: Tensor) -> tuple[Tensor, Tensor]:
    return points[: len(points) // 2], points[len(points) // 2 :]


def held_out(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    (x, x_new), (y, y_new) = halves(real), halves(fake)
    return judged(*losses_of(fit(x, y), x_new, y_new))


def held_out_by(judge: Callable[[Tensor, Tensor], Any]) -> Callable[..., Any]:
    """`held_out`, where something else is made of the losses."""

    def held_out_js(fit: Fit, real: Tensor, fake: Tensor) -> Any:
        (x, x_new), (y, y_new) = halves(real), halves(fake)
        return judge(*losses_of(fit(x, y), x_new, y_new))

    return held_out_js


def with_error(error: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """`held_out`, with another standard error."""
    return held_out_by(lambda r, f: (judged(r, f)[0], error(r, f)))


def on_what_it_learnt(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    x, y = halves(real)[0], halves(fake)[0]
    return judged(*losses_of(fit(x, y), x, y))


def learnt_from_all(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return judged(*losses_of(fit(real, fake), halves(real)[1], halves(fake)[1]))


def judged_on_all(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return judged(*losses_of(fit(halves(real)[0], halves(fake)[0]), real, fake))


def no_split(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    return judged(*losses_of(fit(real, fake), real, fake))


def halves_exchanged(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    (x_new, x), (y_new, y) = halves(real), halves(fake)
    return judged(*losses_of(fit(x, y), x_new, y_new))


def kinds_exchanged(fit: Fit, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    (x, x_new), (y, y_new) = halves(real), halves(fake)
    return judged(*losses_of(fit(y, x), x_new, y_new))


def pooled(real_losses: Tensor, fake_losses: Tensor) -> Tensor:
    together = torch.cat([real_losses, fake_losses])
    return together.std() / len(together) ** 0.5


def two_clouds() -> list[tuple[Fit, Tensor, Tensor]]:
    """Two Gaussians 2 apart, and a D that is the best one but for the means that it has to find."""
    return [(middles_apart, torch.randn(400, 2), torch.randn(300, 2) + torch.tensor([2.0, 0.0]))]


def one_cloud() -> list[tuple[Fit, Tensor, Tensor]]:
    """Nothing to tell apart, and a D that has learnt every point by heart: JS comes out below 0."""
    return [(by_heart, torch.randn(60, 2), torch.randn(40, 2))]


HELD_OUT = Value(
    right=held_out,
    given=two_clouds,
    mistakes={
        "D is judged on the very points that it was fitted to, where a D that knows them by heart looks best: judge on "
        "the second halves.": on_what_it_learnt,
        "D is fitted to all points, so none of those that judge it are new: fit it to the first halves only.": (
            learnt_from_all
        ),
        "D is judged on all points, and has seen half of them: judge on the second halves only.": judged_on_all,
        "nothing is held out: D is fitted to all points and judged on all. Split both sets.": no_split,
        "the halves are exchanged: that is as honest, but fit on the first halves here and judge on the second.": (
            halves_exchanged
        ),
        "`fit` is given the generated points first; it takes the real ones first, and its D says positive for "
        "those.": kinds_exchanged,
        "the standard error is not halved: JS holds *half* of the loss.": with_error(lambda r, f: 2 * judged(r, f)[1]),
        "this is the variance of the estimate; its standard error is the square root.": with_error(
            lambda r, f: judged(r, f)[1] ** 2
        ),
        "this error is the spread of single points: divide each variance by the number of points, since a mean over "
        "more of them is surer.": with_error(lambda r, f: (r.var() + f.var()).sqrt() / 2),
        "the two standard errors are added; of independent means the *variances* add.": with_error(
            lambda r, f: (r.std() / len(r) ** 0.5 + f.std() / len(f) ** 0.5) / 2
        ),
        "this error takes all losses as one sample. They are two means with a variance and a number of points "
        "each.": with_error(pooled),
        "each variance is divided by the number of points before the split: only the second halves judge.": with_error(
            lambda r, f: (r.var() / (2 * len(r)) + f.var() / (2 * len(f))).sqrt() / 2
        ),
        "this is D's loss; JS is log 2 - loss / 2.": held_out_by(lambda r, f: (r.mean() + f.mean(), judged(r, f)[1])),
        "one mean is taken over all held-out points together: there are not as many real as generated ones, so take a "
        "mean of each.": held_out_by(lambda r, f: (LOG2 - torch.cat([r, f]).mean(), judged(r, f)[1])),
    },
    what="the result",
    hint="two numbers, JS and its standard error",
    parts=("JS", "the standard error"),
    wrong="between two Gaussians 2 apart {part} is {got:.4f} in your function; it should be {right:.4f}.",
)
NOTHING_THERE = HELD_OUT.at(
    one_cloud,
    but="right where there is a difference, but with nothing to tell apart and a D that learnt its points by heart ",
    mistakes={
        "you return 0 for JS. Below 0 is what an honest judge says here: this D learnt nothing that holds for new "
        "points.": held_out_by(lambda r, f: (judged(r, f)[0].clamp(min=0), judged(r, f)[1])),
        "you return JS without its sign. Below 0 is what an honest judge says here: this D learnt nothing that holds "
        "for new points.": held_out_by(lambda r, f: (judged(r, f)[0].abs(), judged(r, f)[1])),
    },
    wrong="{part} is {got:.4f} in your function; it should be {right:.4f}.",
)

CHECKS: dict[str, Check] = {
    "optimal_discriminator": exercise(
        BEST, FAR, CERTAIN, passed="Right, and where both densities are too small for exp as well."
    ),
    "js_from_logits": exercise(
        JS, BEHIND, FOOLED, passed="Its value, a D worse than a coin, and very large logits: all right."
    ),
    "generator_step": exercise(
        _check_calls, STEP, FOOLED_STEP, passed="G moves downhill, from fresh gradients, and D is left as it was."
    ),
    "held_out_js": exercise(
        HELD_OUT,
        NOTHING_THERE,
        passed="Fitted on one half, judged on the other, with the right error: an honest judge.",
    ),
}
