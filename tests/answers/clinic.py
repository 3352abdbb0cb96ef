"""Answers to the exercises of "The clinic", right and wrong."""

from __future__ import annotations

import copy
import math
from functools import partial

import torch
from tgan_lib.exercises.clinic import d_loss, of_d, of_g, optimisers, turning
from torch.nn import functional as F

from . import Answer

bce = F.binary_cross_entropy_with_logits

# --- fresh_latents ---


def latents_reference(n, latent_dim, rng):
    return torch.randn(n, latent_dim, generator=rng)


def latents_in_place(n, latent_dim, rng):
    return torch.empty(n, latent_dim).normal_(generator=rng)


def latents_one_by_one(count, dim, generator):
    return torch.stack([torch.normal(0.0, 1.0, (dim,), generator=generator) for _ in range(count)])


latents_state = torch.Generator().manual_seed(3)


def latents_stirred(n, latent_dim, rng):
    torch.manual_seed(0)
    return torch.randn(n, latent_dim, generator=rng)


def latents_box_muller(n, latent_dim, rng):
    u, v = (torch.rand(n, latent_dim, generator=rng, dtype=torch.float64) for _ in range(2))
    return (-2 * torch.log1p(-u)).sqrt() * torch.cos(2 * torch.pi * v)


def latents_forked(n, latent_dim, rng):
    seed = torch.randint(2**31, (1,), generator=rng).item()
    return torch.randn(n, latent_dim, generator=torch.Generator().manual_seed(seed))


# --- two_optimisers ---


def optimisers_reference(generator, discriminator):
    return (
        torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.9)),
        torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9)),
    )


def optimisers_listed(G, D):
    return [torch.optim.SGD(list(net.parameters()), lr=0.1) for net in (G, D)]


def optimisers_grouped(generator, discriminator):
    groups = [{"params": layer.parameters()} for layer in generator if list(layer.parameters())]
    return torch.optim.RMSprop(groups, 1e-4), torch.optim.AdamW(discriminator.parameters())


def optimisers_by_name(generator, discriminator):
    return tuple(torch.optim.Adam(net.named_parameters()) for net in (generator, discriminator))


# --- turn_gradients ---


def gradients_reference(generator, discriminator, x, z):
    fake = generator(z)
    generator.zero_grad()
    F.softplus(-discriminator(fake)).mean().backward()
    discriminator.zero_grad()
    (F.softplus(-discriminator(x)).mean() + F.softplus(discriminator(fake.detach())).mean()).backward()


def gradients_by_inputs(generator, discriminator, x, z):
    for net in (generator, discriminator):
        net.zero_grad(set_to_none=False)
    real, fake = discriminator(x), discriminator(generator(z))
    d_loss = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    d_loss.backward(inputs=list(discriminator.parameters()), retain_graph=True)
    bce(fake, torch.ones_like(fake)).backward(inputs=list(generator.parameters()))


def gradients_by_autograd(G, D, images, latents):
    fake = D(G(latents))
    d_loss = F.softplus(-D(images)).mean() + F.softplus(fake).mean()
    for net, loss in ((D, d_loss), (G, -F.logsigmoid(fake).mean())):
        found = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
        for p, grad in zip(net.parameters(), found, strict=True):
            p.grad = grad


def turn_of(d_loss, g_loss, *, zero=True, between=False, after=False):
    """An answer: D's loss backward, then G's, with the gradients zeroed at the start, in between, or for D after."""

    def turn_gradients(generator, discriminator, x, z):
        fake = generator(z)
        if zero:
            generator.zero_grad()
            discriminator.zero_grad()
        d_loss(discriminator, x, fake).backward(retain_graph=True)
        if between:
            generator.zero_grad()
        mine = [p.grad.clone() for p in discriminator.parameters()]
        g_loss(discriminator, fake).backward()
        if after:
            for p, grad in zip(discriminator.parameters(), mine, strict=True):
                p.grad = grad

    return turn_gradients


def d_right(d, x, fake):
    return F.softplus(-d(x)).mean() + F.softplus(d(fake.detach())).mean()


def d_without_detach(d, x, fake):
    return F.softplus(-d(x)).mean() + F.softplus(d(fake)).mean()


def g_right(d, fake):
    return F.softplus(-d(fake)).mean()


def gradients_with_d_frozen(generator, discriminator, x, z):
    for net in (generator, discriminator):
        net.zero_grad()
    d_right(discriminator, x, generator(z)).backward()
    discriminator.requires_grad_(False)
    F.softplus(-discriminator(generator(z))).mean().backward()
    discriminator.requires_grad_(True)


def gradients_by_the_chain(generator, discriminator, x, z):
    generator.zero_grad()
    fake = generator(z)
    cut = fake.detach().requires_grad_()
    fake.backward(torch.autograd.grad(F.softplus(-discriminator(cut)).mean(), cut)[0])
    discriminator.zero_grad()
    (F.softplus(-discriminator(x)).mean() + F.softplus(discriminator(cut)).mean()).backward()


# --- draw_samples ---


def draw_reference(generator, z):
    was = generator.training
    generator.eval()
    with torch.no_grad():
        images = generator(z)
    generator.train(was)
    return images


@torch.no_grad()
def draw_every_part(generator, z):
    modes = {part: part.training for part in generator.modules()}
    try:
        return generator.eval()(z)
    finally:
        for part, mode in modes.items():
            part.training = mode


def draw_from_a_copy(net, latents):
    return copy.deepcopy(net).eval()(latents).detach()


@torch.inference_mode()
def draw_in_inference_mode(generator, z):
    was = generator.training
    images = generator.eval()(z)
    generator.train(was)
    return images


@torch.no_grad()
def draw_only_if_needed(generator, z):
    if not generator.training:
        return generator(z)
    generator.eval()
    images = generator(z)
    generator.train()
    return images


# --- mixes_images ---


def mixes_reference(discriminator, x):
    slopes = torch.autograd.functional.jacobian(discriminator, x).flatten(2).abs().sum(2)
    return bool((slopes - torch.diag(slopes.diag())).any())


def seeded_logits(D, images):
    """Logits with the same dropout at every call, and the global generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return D(images)


def mixes_by_change(discriminator, x):
    before = seeded_logits(discriminator, x)
    for i in range(len(x)):
        other = 0.5 * x
        other[i] = x[i]
        if not torch.isclose(seeded_logits(discriminator, other)[i], before[i], atol=1e-6):
            return True
    return False


def mixes_one_at_a_time(discriminator, x):
    before = seeded_logits(discriminator, x)
    for i in range(len(x)):
        other = x.clone()
        other[i] = 0
        moved = (seeded_logits(discriminator, other) - before).abs() > 1e-6
        moved[i] = False
        if moved.any():
            return True
    return False


def mixes_by_jacobian(D, images):
    of_images = partial(seeded_logits, D)
    slopes = torch.autograd.functional.jacobian(of_images, images).flatten(2).norm(dim=2)
    return (slopes - torch.diag(slopes.diag())).max() > 1e-7


def mixes_by_the_first(discriminator, x):
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x)[0], x)
    return bool(slope[1:].any())


def mixes_setting_a_seed(discriminator, x):
    torch.manual_seed(0)
    return mixes_by_change(discriminator, x)


def mixes_overwriting(discriminator, x):
    right = mixes_by_change(discriminator, x)
    x[1:] = 0
    return right


def mixes_by_the_last(discriminator, x):
    x = x.clone().requires_grad_()
    copy.deepcopy(discriminator)(x)[-1].backward()
    return (x.grad[:-1] != 0).any()


def mixes_by_chance(discriminator, x):
    logits = discriminator(x)
    for i in range(len(x)):
        other = x / 2
        other[i] = x[i]
        if not torch.isclose(discriminator(other)[i], logits[i]):
            return True
    return False


# --- what_it_dies_of ---


def dies_reference(signs):
    if not all(math.isfinite(value) for value in signs.values()):
        return "no number"
    if signs["spread"] < 0.1:
        return "collapse"
    gap = signs["real"] - signs["fake"]
    if gap > 1 and signs["held"] - signs["fake"] < signs["real"] - signs["held"]:
        return "memorising"
    return "overpowering" if gap > 8 else "alive"


def dies_by_tensors(readings):
    real, fake, held, spread = torch.tensor([readings[key] for key in ("real", "fake", "held", "spread")])
    if not torch.isfinite(real + fake + held + spread):
        return "no number"
    if spread < 0.1:
        return "collapse"
    if real - fake > 1 and held < (real + fake) / 2:
        return "memorising"
    return "overpowering" if real - fake > 8 else "alive"


def dies(*, number=math.isfinite, of=("real", "fake", "held", "spread"), order="cmo", least=1.0, most=8.0, nearer=None):
    """An answer with these tests, collapse, memorising and overpowering in this order."""
    nearer = nearer or (lambda real, fake, held: held < (real + fake) / 2)

    def what_it_dies_of(signs):
        real, fake, held = (signs[key] for key in ("real", "fake", "held"))
        if not all(number(signs[key]) for key in of):
            return "no number"
        found = {
            "c": ("collapse", signs["spread"] < 0.1),
            "m": ("memorising", real - fake > least and nearer(real, fake, held)),
            "o": ("overpowering", real - fake > most),
        }
        return next((found[key][0] for key in order if found[key][1]), "alive")

    return what_it_dies_of


RIGHT: dict[str, list[Answer]] = {
    "fresh_latents": [
        latents_reference, latents_in_place, latents_one_by_one, latents_box_muller, latents_forked,
    ],
    "two_optimisers": [
        optimisers_reference, optimisers_listed, optimisers_grouped, optimisers(of_g, of_d),
        *([optimisers_by_name] if torch.__version__ >= "2.6" else []),  # older ones take no names
    ],
    "turn_gradients": [
        gradients_reference, gradients_by_inputs, gradients_by_autograd,
        turn_of(d_right, g_right, after=True), turn_of(d_without_detach, g_right, between=True, after=True),
        gradients_with_d_frozen, gradients_by_the_chain,
    ],
    "draw_samples": [
        draw_reference, draw_every_part, draw_from_a_copy, draw_in_inference_mode, draw_only_if_needed,
    ],
    "mixes_images": [
        mixes_reference, mixes_by_change, mixes_one_at_a_time, mixes_by_jacobian,
    ],
    "what_it_dies_of": [dies_reference, dies_by_tensors, dies()],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "fresh_latents": [
        (lambda n, d, rng: torch.randn(n, d, generator=rng.manual_seed(0)), "these few for ever"),
        (lambda n, d, rng: torch.randn(n, d), "and not from `rng`"),
        (lambda n, d, rng: torch.randn(n, d, generator=latents_state), "no run could be repeated"),
        (latents_stirred, "sets torch's global seed"),
        (lambda n, d, rng: torch.randn(1, d, generator=rng).expand(n, -1), "all rows are the same"),
        (lambda n, d, rng: torch.randn(n // 2, d, generator=rng).repeat(2, 1), "the same image twice"),
        (lambda n, d, rng: torch.randn(n, 1, generator=rng).expand(n, d), "one number, many times"),
        (lambda n, d, rng: F.normalize(torch.randn(n, d, generator=rng), dim=1) * d**0.5, "nearly the same length"),
        (lambda n, d, rng: torch.rand(n, d, generator=rng), "spread evenly"),
        (lambda n, d, rng: 2 * torch.rand(n, d, generator=rng) - 1, "has tails"),
        (lambda n, d, rng: torch.randn(n, d, generator=rng) * 2, "0 and 1 are wanted"),
        (lambda n, d, rng: torch.randn(d, n, generator=rng), "should have the shape"),
        (lambda n, d, rng: torch.randn(n, d, generator=rng).tolist(), "a list"),
    ],
    "two_optimisers": [
        (optimisers(lambda g, d: [*g[-1].parameters()], of_d), "of G's parameters: 2 in your function, 6 are right"),
        (lambda g, d: torch.optim.Adam(g.parameters()), "returns one optimiser"),
        (lambda g, d: (torch.optim.Adam(g.parameters()),) * 2, "the same optimiser"),
        (lambda g, d: optimisers_reference(copy.deepcopy(g), d), "of G's parameters: 0 in your function, 6"),
        (lambda g, d: [torch.optim.SGD(net.parameters(), lr=0.0) for net in (g, d)], "nothing moves"),
        (lambda g, d: [torch.optim.Adam(net.parameters(), maximize=True) for net in (g, d)], "climbs its loss"),
        (lambda g, d: (of_g(g, d), of_d(g, d)), "optimisers are wanted"),
    ],
    "turn_gradients": [
        (turning(d=lambda real, fake: 3 * d_loss(real, fake)), "D's gradient at"),
    ],
    "draw_samples": [
        (lambda g, z: 2 * draw_reference(g, z), "the images [2, 0, 0, 1]: "),
        (lambda g, z: draw_reference(g, torch.randn_like(z)), "draw nothing"),
        (lambda g, z: draw_reference(g, z[:1]), "6 images of one channel"),
    ],
    "mixes_images": [
        (lambda d, x: not torch.allclose(d(x)[:1], d(x[:1])), "cannot take a single image"),
        (mixes_by_chance, "two passes differ by chance"),
        (mixes_setting_a_seed, "sets torch's global seed"),
        (mixes_overwriting, "changed in place"),
        (mixes_by_the_first, "the first image's logit alone"),
        (mixes_by_the_last, "the last image's logit alone"),
        (lambda d, x: x, "True or False"),
    ],
    "what_it_dies_of": [
        (dies(of=()), "every comparison is False"),
        (dies(of=("real",)), "the spread: ask each"),
        (dies(of=("real", "fake", "spread")), "that of unseen reals: ask each"),
        (dies(number=lambda value: not math.isnan(value)), "an infinity is no finite number"),
        (dies(order="moc"), "a D that wins is what a collapse brings"),
        (dies(order="com"), "this is asked before the gap"),
        (dies(nearer=lambda real, fake, held: held < 0), "compare distances, not signs"),
        (dies(nearer=lambda real, fake, held: held < real), "a little below the others"),
        (dies(least=0.0), "is then chance"),
        (dies(most=6.0), "a strong D and no overpowering one"),
        (dies(most=12.0), "a constant in all logits is no matter"),
        (lambda signs: dies()(signs | {"real": abs(signs["real"]), "fake": -abs(signs["fake"])}), "mind the sign"),
        (lambda signs: True, "one of five words"),
        (lambda signs: "dead", "one of no number"),
    ],
}  # fmt: skip
