"""The patients of chapter 7: one short training of a small GAN, and what can be wrong with it.

The training is put together from the short functions under "the parts". A fault is no second copy of one: it names
parts, some words of their source, and the words that stand there instead. The broken part is made from the healthy
one's source, so the two differ by those words and nothing else, and what a chapter prints is what was run.
The faults are in `clinic_faults`; `clinic_ward` reads and draws what was stored.

    fault = FAULTS["same labels"]
    print(source("step", fault))
    course = treat(images, fault, steps=800, seed=0)
"""

from __future__ import annotations

import hashlib
import inspect
import linecache
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Module
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.optim import Adam

from ..augment import DiffAugment
from ..data.images import Images
from ..data.sampling import Sampler
from ..errors import check_kind, one_of, seed_number, true_or_false, whole_number
from .clinic_faults import DYNAMICS as DYNAMICS
from .clinic_faults import EVERY, Fault
from .clinic_faults import FAULTS as FAULTS
from .clinic_faults import MENDS as MENDS
from .clinic_faults import TWINS as TWINS

SIZE, BATCH, LATENT, HELD = 16, 64, 64, 512  # HELD: real images that no step of a training sees
Signs = tuple[Tensor, Tensor, Tensor, Tensor]  # D's loss, G's loss, D's outputs for reals, and for fakes
moved = DiffAugment("translation")  # for a mend; drawn from the global generator, which `treat` seeds

# --- the parts: what a reader sees, so their lines are short and say nothing of what a fault would change ---


# fmt: off
def build(seed: int) -> tuple[Module, Module]:
    torch.manual_seed(seed)
    G = nn.Sequential(
        nn.Linear(64, 32 * 4 * 4, bias=False), nn.Unflatten(1, (32, 4, 4)),
        nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1), nn.Tanh(),
    )
    D = nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 64), nn.LeakyReLU(0.2),  # sees the whole image
        nn.Linear(64, 1), nn.Flatten(0),
    )
    return G, D
# fmt: on


def optimisers(G: Module, D: Module) -> tuple[Adam, Adam]:
    g_adam = Adam(G.parameters(), lr=3e-3, betas=(0.5, 0.99))
    d_adam = Adam(D.parameters(), lr=3e-3, betas=(0.5, 0.99))
    return g_adam, d_adam


def real_images(pixels: Tensor) -> Tensor:
    return pixels.float() / 127.5 - 1


def latents(n: int, rng: torch.Generator) -> Tensor:
    return torch.randn(n, 64, generator=rng)


def step(G: Module, D: Module, g_adam: Adam, d_adam: Adam, x: Tensor, z: Tensor) -> Signs:
    g_adam.zero_grad()
    d_adam.zero_grad()
    ones, zeros = torch.ones(len(x)), torch.zeros(len(x))
    fake = G(z)

    some = x[:8].clone().requires_grad_()  # R1, on an eighth of the batch
    (slopes,) = torch.autograd.grad(D(some).sum(), some, create_graph=True)
    r1 = slopes.square().flatten(1).sum(1).mean() / 2
    real_logits, fake_logits = D(x), D(fake.detach())
    d_loss = bce_with_logits(real_logits, ones) + bce_with_logits(fake_logits, zeros)
    (d_loss + 0.05 * r1).backward()
    d_adam.step()

    g_loss = bce_with_logits(D(fake), ones)
    g_loss.backward()
    g_adam.step()
    return d_loss, g_loss, real_logits, fake_logits


def critic_step(G: Module, D: Module, g_adam: Adam, d_adam: Adam, x: Tensor, z: Tensor) -> Signs:
    g_adam.zero_grad()
    d_adam.zero_grad()
    fake = G(z)

    t = torch.rand(len(x), 1, 1, 1)
    between = (t * x + (1 - t) * fake.detach()).requires_grad_()
    (slopes,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    penalty = (slopes.flatten(1).norm(dim=1) - 1).square().mean()
    real_scores, fake_scores = D(x), D(fake.detach())
    d_loss = fake_scores.mean() - real_scores.mean() + 10 * penalty
    d_loss.backward()
    d_adam.step()

    g_loss = -D(fake).mean()
    g_loss.backward()
    g_adam.step()
    return d_loss, g_loss, real_scores, fake_scores


@torch.no_grad()
def average(ema: Module, G: Module) -> None:
    for weight, new in zip(ema.parameters(), G.parameters(), strict=True):
        weight.lerp_(new, 0.01)
    for buffer, latest in zip(ema.buffers(), G.buffers(), strict=True):
        buffer.copy_(latest)


@torch.no_grad()
def draw(G: Module, z: Tensor) -> Tensor:
    G.eval()
    images: Tensor = G(z)
    G.train()
    return images


PARTS: dict[str, Callable[..., Any]] = {
    part.__name__: part
    for part in (build, optimisers, real_images, latents, step, critic_step, average, draw)
}

# --- what a fault makes of them ---


def source(part: str, fault: Fault | None = None) -> str:
    """A part's source as it is run: the healthy one, or the one that `fault` makes of it."""
    text = inspect.getsource(PARTS[one_of("part", part, PARTS)])
    for healthy, broken in (fault.swaps.get(part, {}) if fault else {}).items():
        if healthy not in text:
            raise ValueError(
                f"{healthy!r} does not stand in the part {part!r}; only words that do can be swapped"
            )
        text = text.replace(healthy, broken)
    return text


def parts(fault: Fault | None = None) -> dict[str, Callable[..., Any]]:
    """All parts by name; with a fault, some of them broken."""
    found = dict(PARTS)
    for part in fault.swaps if fault else ():
        text, where = source(part, fault), f"<the broken {part}>"
        linecache.cache[where] = (len(text), None, text.splitlines(True), where)  # for a traceback to show
        names = dict(globals())
        exec(compile(text, where, "exec"), names)
        found[part] = names[part]
    return found


def fingerprint() -> str:
    """A hash of all parts and faults, blanks aside: it says whether a stored course is of this very code."""
    text = "".join("".join(source(part) for part in PARTS).split()) + repr(EVERY)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- the training ---

CURVES = ("d_loss", "g_loss", "real", "fake", "d_grad", "g_grad", "held")


@dataclass
class Course:
    """What a training leaves behind.

    `curves`: each of CURVES at every reading, the first six averaged over the steps since the last: both losses, D's
    mean output for reals and for fakes, the norms of all gradients that lie in D and in G as their optimisers step;
    "held" is D's mean output at that moment for reals that training never sees. `died`: the step at which one of them
    was not finite, where the training ends and the curves go on as NaN; 0 for none. `shown`: the last report, from the
    training's own latents. `samples`: of the averaged generator `ema`, from latents that training never saw. Both are
    (16, 1, 16, 16), in [-1, 1] as a rule.
    """

    curves: dict[str, list[float]]
    died: int
    shown: Tensor
    samples: Tensor
    G: Module
    ema: Module


def grad_norm(module: Module) -> Tensor:
    """The norm of all gradients that lie in a network's parameters: a scalar, 0 where there are none."""
    found = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.stack(torch._foreach_norm(found)).norm().float() if found else torch.zeros(())


def treat(
    images: Images,
    fault: Fault | None = None,
    *,
    critic: bool = False,
    steps: int,
    seed: int,
    readings: int = 20,
) -> Course:
    """Train as the parts say, some of them broken or none, and record `readings` times how it goes.

    In the second half both rates fall to 0 in a straight line, so that seeds end close to each other.
    `critic` picks the training with WGAN-GP; a fault that belongs to it picks it by itself. `steps` should be a
    multiple of `readings`. The global random state is left as it was.
    """
    check_kind("images", images, Images, "an Images")
    check_kind("fault", fault, (Fault, type(None)), "one of FAULTS, such as FAULTS['same noise'], or None,")
    steps, readings = whole_number("steps", steps), whole_number("readings", readings)
    fault, critic, seed = fault or Fault(), true_or_false("critic", critic), seed_number(seed)
    if images.data.shape[1:] != (1, SIZE, SIZE):
        raise ValueError(f"images have shape {tuple(images.data.shape)}; (N, 1, {SIZE}, {SIZE}) is right")
    if steps < readings or steps % readings:
        raise ValueError(f"steps is {steps} and readings {readings}; a multiple of the readings is right")
    part = parts(fault)
    one_step = part["critic_step" if critic or fault.critic else "step"]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    aside = min(HELD, len(images) // 4)
    held, pool = images.data[order[:aside]], order[aside:][: fault.images]
    curves: dict[str, list[float]] = {name: [] for name in CURVES}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = part["build"](seed)
        ema = deepcopy(G).eval()
        g_adam, d_adam = part["optimisers"](G, D)
        norms: list[Tensor] = []
        d_adam.register_step_pre_hook(lambda *_: norms.append(grad_norm(D)))
        g_adam.register_step_pre_hook(lambda *_: norms.append(grad_norm(G)))
        groups = [*g_adam.param_groups, *d_adam.param_groups]
        rates = [group["lr"] for group in groups]
        rng, batches = torch.Generator().manual_seed(seed), Sampler(len(pool), BATCH, seed=seed)
        rows: list[Tensor] = []
        for done in range(1, steps + 1):
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * min(1.0, 2 * (steps - done + 1) / steps)
            x, z = part["real_images"](images.data[pool[batches.next()]]), part["latents"](BATCH, rng)
            signs = one_step(G, D, g_adam, d_adam, x, z)
            rows.append(torch.stack([sign.detach().float().mean() for sign in signs] + norms))
            norms.clear()
            part["average"](ema, G)
            died = 0 if math.isfinite(rows[-1].sum()) else done
            if not died and done % (steps // readings):
                continue
            ahead = torch.Generator()  # a report moves nothing: it looks at the latents that come next
            ahead.set_state(rng.get_state())
            shown = part["draw"](G, part["latents"](BATCH, ahead)[:16]).float()
            if died:
                break
            with torch.no_grad():
                unseen = D(part["real_images"](held)).float().mean().item()
            for name, value in zip(CURVES, [*torch.stack(rows).mean(0).tolist(), unseen], strict=True):
                curves[name].append(value)
            rows.clear()
    for curve in curves.values():
        curve += [math.nan] * (readings - len(curve))
    z = torch.randn(16, LATENT, generator=torch.Generator().manual_seed(1234))
    return Course(curves, died, shown, draw(ema, z.to(next(ema.parameters()).dtype)).float(), G, ema)
