"""The patients of chapter 7: one short training of a small GAN, and the faults that it can be given.

The training is put together from the short functions under "the parts". A fault is no second copy of one: it names
the part, some words of its source, and the words that stand there instead. The broken part is made from the
healthy one's source, so the two differ by those words and nothing else, and what a chapter prints is what was run.

    fault = FAULTS["same labels"]
    print(source(fault.part, fault))
    course = treat(images, fault, steps=800, seed=0)
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import linecache
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import Module
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.optim import Adam

from ..data.images import Images
from ..data.sampling import Sampler
from ..errors import check_kind, one_of, seed_number, true_or_false, whole_number
from ..networks.dcgan import dcgan_init
from ..results import Results

SIZE, BATCH, LATENT = 16, 32, 64
Signs = tuple[Tensor, Tensor, Tensor, Tensor]  # D's loss, G's loss, D's outputs for reals, and for fakes

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
        nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(32 * 4 * 4, 1), nn.Flatten(0),
    )
    return G.apply(dcgan_init), D.apply(dcgan_init)
# fmt: on


def optimisers(G: Module, D: Module) -> tuple[Adam, Adam]:
    g_adam = Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.9))
    d_adam = Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.9))
    return g_adam, d_adam


def real_images(pixels: Tensor) -> Tensor:
    return pixels.float() / 127.5 - 1


def latents(n: int, rng: torch.Generator) -> Tensor:
    return torch.randn(n, 64, generator=rng)


def turn(G: Module, D: Module, g_adam: Adam, d_adam: Adam, x: Tensor, z: Tensor) -> Signs:
    g_adam.zero_grad()
    d_adam.zero_grad()
    ones, zeros = torch.ones(len(x)), torch.zeros(len(x))
    fake = G(z)

    real_logits, fake_logits = D(x), D(fake.detach())
    d_loss = bce_with_logits(real_logits, ones) + bce_with_logits(fake_logits, zeros)
    d_loss.backward()
    d_adam.step()

    g_loss = bce_with_logits(D(fake), ones)
    g_loss.backward()
    g_adam.step()
    return d_loss, g_loss, real_logits, fake_logits


def critic_turn(G: Module, D: Module, g_adam: Adam, d_adam: Adam, x: Tensor, z: Tensor) -> Signs:
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
        weight.lerp_(new, 0.03)
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
    for part in (build, optimisers, real_images, latents, turn, critic_turn, average, draw)
}

# --- the faults ---


@dataclass(frozen=True)
class Fault:
    """In the source of `part`, each key of `swaps` stands as its value. `critic`: in the training with WGAN-GP."""

    part: str
    swaps: dict[str, str]
    critic: bool = False


BUFFERS = """\
    for buffer, latest in zip(ema.buffers(), G.buffers(), strict=True):
        buffer.copy_(latest)
"""
CONV = "nn.Conv2d(16, 32, 4, stride=2, padding=1), "
FAULTS: dict[str, Fault] = {
    "same labels": Fault("turn", {"(fake_logits, zeros)": "(fake_logits, ones)"}),
    "out of reach": Fault("build", {"nn.Tanh()": "nn.Sigmoid()"}),
    "wrong optimiser": Fault("optimisers", {"g_adam = Adam(G.": "g_adam = Adam(D."}),
    "two sigmoids": Fault("build", {"nn.Flatten(0)": "nn.Sigmoid(), nn.Flatten(0)"}),
    "no detach": Fault(
        "turn", {"fake.detach()": "fake", "d_loss.backward(": "d_loss.backward(retain_graph=True"}
    ),
    "same noise": Fault("latents", {"generator=rng": "generator=rng.manual_seed(0)"}),
    "left in eval": Fault("draw", {"    G.train()\n": ""}),
    "norm over an axis": Fault("critic_turn", {"slopes.flatten(1).norm": "slopes.norm"}, critic=True),
    "batch norm": Fault("build", {CONV: CONV + "nn.BatchNorm2d(32), "}, critic=True),
    "no buffers": Fault("average", {BUFFERS: ""}),
    "no zero_grad": Fault("turn", {"    g_adam.zero_grad()\n": "", "    d_adam.zero_grad()\n": ""}),
    # no patient with a number, but a sister of the second: a stand-in for the data, left from a trial of the shapes
    "noise for data": Fault("real_images", {"pixels.float() / 127.5 - 1": "torch.randn(pixels.shape)"}),
}
# Near relatives of a fault, measured to be compared with it.
TWINS: dict[str, Fault] = {
    "other range": Fault("real_images", {" / 127.5 - 1": " / 255"}),
    "norm over all": Fault("critic_turn", {"slopes.flatten(1).norm(dim=1)": "slopes.norm()"}, critic=True),
}


def source(part: str, fault: Fault | None = None) -> str:
    """A part's source as it is run: the healthy one, or the one that `fault` makes of it."""
    text = inspect.getsource(PARTS[one_of("part", part, PARTS)])
    for healthy, broken in (fault.swaps if fault and fault.part == part else {}).items():
        if healthy not in text:
            raise ValueError(
                f"{healthy!r} does not stand in the part {part!r}; a fault swaps words that are there"
            )
        text = text.replace(healthy, broken)
    return text


def parts(fault: Fault | None = None) -> dict[str, Callable[..., Any]]:
    """All parts by name; with a fault, one of them broken."""
    if fault is None:
        return dict(PARTS)
    text, where = source(fault.part, fault), f"<the broken {fault.part}>"
    linecache.cache[where] = (len(text), None, text.splitlines(True), where)  # for a traceback to show
    names = dict(globals())
    exec(compile(text, where, "exec"), names)
    return PARTS | {fault.part: names[fault.part]}


def fingerprint() -> str:
    """A hash of all parts and faults, blanks aside: it says whether a stored course is of this very code."""
    text = "".join(source(part) for part in PARTS) + repr(FAULTS) + repr(TWINS)
    return hashlib.sha256("".join(text.split()).encode()).hexdigest()[:16]


# --- the training ---

CURVES = ("d_loss", "g_loss", "real", "fake", "d_grad", "g_grad")


@dataclass
class Course:
    """What a training leaves behind.

    `curves`: each of CURVES, averaged over every interval between two readings: both losses, D's mean output for
    reals and for fakes, the norm of all gradients that lie in D as D's optimiser steps, and in G as G's does.
    `shown`: the last report, 16 samples of G from the training's own latents. `samples`: 16 samples of the averaged
    generator `ema` from latents that training never saw; both in [-1, 1] as a rule, (16, 1, 16, 16).
    """

    curves: dict[str, list[float]]
    shown: Tensor
    samples: Tensor
    G: Module
    ema: Module


def grad_norm(module: Module) -> Tensor:
    """The norm of all gradients that lie in a network's parameters: a scalar, 0 where there are none."""
    found = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.stack(torch._foreach_norm(found)).norm() if found else torch.zeros(())


def treat(
    images: Images,
    fault: Fault | None = None,
    *,
    critic: bool = False,
    steps: int,
    seed: int,
    readings: int = 20,
) -> Course:
    """Train as the parts say, one of them broken or none, and record `readings` times how it goes.

    `critic` picks the training with WGAN-GP; a fault that belongs to it picks it by itself. `steps` should be a
    multiple of `readings`. The global random state is left as it was.
    """
    check_kind("images", images, Images, "an Images")
    check_kind(
        "fault", fault, (Fault, type(None)), f"one of FAULTS, such as FAULTS[{min(FAULTS)!r}], or None,"
    )
    steps, readings, seed = (
        whole_number("steps", steps),
        whole_number("readings", readings),
        seed_number(seed),
    )
    critic = true_or_false("critic", critic)
    if images.data.shape[1:] != (1, SIZE, SIZE):
        raise ValueError(f"images have shape {tuple(images.data.shape)}; (N, 1, {SIZE}, {SIZE}) is right")
    if steps < readings or steps % readings:
        raise ValueError(f"steps is {steps} and readings {readings}; a multiple of the readings is right")
    part = parts(fault)
    one_turn = part["critic_turn" if critic or (fault is not None and fault.critic) else "turn"]
    curves: dict[str, list[float]] = {name: [] for name in CURVES}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        G, D = part["build"](seed)
        ema = deepcopy(G).eval()
        g_adam, d_adam = part["optimisers"](G, D)
        norms: list[Tensor] = []
        d_adam.register_step_pre_hook(lambda *_: norms.append(grad_norm(D)))
        g_adam.register_step_pre_hook(lambda *_: norms.append(grad_norm(G)))
        rng, order = torch.Generator().manual_seed(seed), Sampler(len(images), BATCH, seed=seed)
        rows: list[Tensor] = []
        for step in range(1, steps + 1):
            x, z = part["real_images"](images.data[order.next()]), part["latents"](BATCH, rng)
            signs = one_turn(G, D, g_adam, d_adam, x, z)
            rows.append(torch.stack([sign.detach().mean() for sign in signs] + norms))
            norms.clear()
            part["average"](ema, G)
            if step % (steps // readings) == 0:
                for name, value in zip(CURVES, torch.stack(rows).mean(0).tolist(), strict=True):
                    curves[name].append(value)
                rows.clear()
                shown = part["draw"](G, part["latents"](BATCH, rng)[:16])
    unseen = torch.randn(16, LATENT, generator=torch.Generator().manual_seed(1234))
    return Course(curves, shown, draw(ema, unseen), G, ema)


# --- what was stored ---


class Ward:
    """The courses that book/studies/clinic.py has stored, read back by the name of the fault.

    Healthy groups are "healthy", "healthy critic", and "healthy again", which has other seeds.
    """

    def __init__(self, study: Results) -> None:
        self.study, self.settings = study, study.settings

    def of_each_seed(self, name: str, key: str = "distance") -> list[Any]:
        """What was stored for each seed of a group, in order."""
        seeds = self.settings["other_seeds" if name == "healthy again" else "seeds"]
        return [self.study.cell(patient=name, seed=seed)[key] for seed in seeds]

    def curves(self, name: str, curve: str) -> Tensor:
        """One of CURVES for each seed: (seeds, readings)."""
        return torch.tensor([found[curve] for found in self.of_each_seed(name, "curves")])

    def apart(self, name: str, curve: str, other: str) -> float:
        """The share of readings at which two groups do not overlap: all runs of one lie above all of the other."""
        a, b = self.curves(name, curve), self.curves(other, curve)
        return float(((a.amin(0) > b.amax(0)) | (a.amax(0) < b.amin(0))).float().mean())

    def samples(self, name: str, which: str) -> Tensor:
        """The 16 stored samples of the first seed, "shown" or "samples", uint8 (16, 1, 16, 16)."""
        first = self.study.cell(patient=name, seed=self.settings["seeds"][0])
        png = io.BytesIO(base64.b64decode(first[which]))
        sheet = torch.from_numpy(np.array(Image.open(png)))  # 8 to a row
        return sheet.reshape(2, SIZE, 8, SIZE).transpose(1, 2).reshape(16, 1, SIZE, SIZE)
