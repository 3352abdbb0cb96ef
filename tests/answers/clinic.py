"""Answers to the exercises of "The clinic", right and wrong."""

from __future__ import annotations

import copy

import torch
from torch import nn
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


def latents_reseeded(n, latent_dim, rng):
    return torch.randn(n, latent_dim, generator=rng.manual_seed(0))


def latents_global(n, latent_dim, rng):
    return torch.randn(n, latent_dim)


latents_state = torch.Generator().manual_seed(3)


def latents_stirred(n, latent_dim, rng):
    torch.manual_seed(0)
    return torch.randn(n, latent_dim, generator=rng)


def latents_one_row(n, latent_dim, rng):
    return torch.randn(1, latent_dim, generator=rng).expand(n, -1)


def latents_uniform(n, latent_dim, rng):
    return torch.rand(n, latent_dim, generator=rng)


def latents_uniform_around_zero(n, latent_dim, rng):
    return 2 * torch.rand(n, latent_dim, generator=rng) - 1


def latents_box_muller(n, latent_dim, rng):
    u, v = (torch.rand(n, latent_dim, generator=rng, dtype=torch.float64) for _ in range(2))
    return (-2 * torch.log1p(-u)).sqrt() * torch.cos(2 * torch.pi * v)


def latents_forked(n, latent_dim, rng):
    seed = torch.randint(2**31, (1,), generator=rng).item()
    return torch.randn(n, latent_dim, generator=torch.Generator().manual_seed(seed))


def latents_on_a_sphere(n, latent_dim, rng):
    z = torch.randn(n, latent_dim, generator=rng)
    return F.normalize(z, dim=1) * latent_dim**0.5


def latents_in_pairs(n, latent_dim, rng):
    return torch.randn(n // 2, latent_dim, generator=rng).repeat(2, 1)


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


def optimisers_of(g, d):
    """An answer: Adam on each of two lists of parameters that are chosen from the two networks."""

    def two_optimisers(generator, discriminator):
        return torch.optim.Adam(g(generator, discriminator)), torch.optim.Adam(d(generator, discriminator))

    return two_optimisers


def both(generator, discriminator):
    return [*generator.parameters(), *discriminator.parameters()]


def only_g(generator, discriminator):
    return list(generator.parameters())


def only_d(generator, discriminator):
    return list(discriminator.parameters())


def optimisers_one(generator, discriminator):
    return torch.optim.Adam(both(generator, discriminator))


def optimisers_twice(generator, discriminator):
    return (optimisers_one(generator, discriminator),) * 2


def optimisers_of_copies(generator, discriminator):
    return optimisers_reference(copy.deepcopy(generator), discriminator)


def optimisers_at_rest(generator, discriminator):
    return torch.optim.SGD(generator.parameters(), lr=0.0), torch.optim.SGD(discriminator.parameters(), lr=0.1)


def optimisers_by_name(generator, discriminator):
    return tuple(torch.optim.Adam(net.named_parameters()) for net in (generator, discriminator))


def optimisers_uphill(generator, discriminator):
    g, d = generator.parameters(), discriminator.parameters()
    return torch.optim.Adam(g), torch.optim.Adam(d, maximize=True)


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


def d_same_labels(d, x, fake):
    return F.softplus(-d(x)).mean() + F.softplus(-d(fake.detach())).mean()


def d_swapped(d, x, fake):
    return F.softplus(d(x)).mean() + F.softplus(-d(fake.detach())).mean()


def g_right(d, fake):
    return F.softplus(-d(fake)).mean()


def gradients_only_of_d(generator, discriminator, x, z):
    discriminator.zero_grad()
    generator.zero_grad()
    d_right(discriminator, x, generator(z)).backward()


def gradients_stale_in_d(generator, discriminator, x, z):
    generator.zero_grad()
    fake = generator(z)
    kept = [p.grad.clone() for p in discriminator.parameters()]
    g_right(discriminator, fake).backward()
    for p, grad in zip(discriminator.parameters(), kept, strict=True):
        p.grad = grad
    d_right(discriminator, x, fake).backward()


def gradients_stale_in_g(generator, discriminator, x, z):
    fake = generator(z)
    g_right(discriminator, fake).backward()
    discriminator.zero_grad()
    d_right(discriminator, x, fake).backward()


def gradients_and_a_step(generator, discriminator, x, z):
    gradients_reference(generator, discriminator, x, z)
    torch.optim.SGD(generator.parameters(), lr=0.1).step()


def gradients_frozen(generator, discriminator, x, z):
    gradients_reference(generator, discriminator, x, z)
    discriminator.requires_grad_(False)


def gradients_all_cleared_between(generator, discriminator, x, z):
    fake = generator(z)
    for loss in (lambda: d_right(discriminator, x, fake), lambda: g_right(discriminator, fake)):
        generator.zero_grad()
        discriminator.zero_grad()
        loss().backward()


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


@torch.no_grad()
def draw_with_one_flag_back(generator, z):
    was = generator.training
    images = generator.eval()(z)
    generator.training = was
    return images


def draw_and_leave_gradients_off(generator, z):
    was = generator.training
    torch.set_grad_enabled(False)
    images = generator.eval()(z)
    generator.train(was)
    return images


@torch.no_grad()
def draw_left_in_eval(generator, z):
    generator.eval()
    return generator(z)


@torch.no_grad()
def draw_always_to_train(generator, z):
    images = generator.eval()(z)
    generator.train()
    return images


@torch.no_grad()
def draw_in_training_mode(generator, z):
    return generator(z)


def draw_with_graph(generator, z):
    was = generator.training
    images = generator.eval()(z)
    generator.train(was)
    return images


@torch.no_grad()
def draw_and_train_the_norm(generator, z):
    images = draw_reference(generator, z)
    generator(z)
    return images


def draw_and_freeze(generator, z):
    images = draw_reference(generator, z)
    generator.requires_grad_(False)
    return images


# --- mixes_images ---


def mixes_reference(discriminator, x):
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x)[0], x)
    return bool(slope[1:].any())


def mixes_by_change(discriminator, x):
    other = torch.cat([x[:1], x[1:].flip(0) * 0.5])
    logits = []
    for batch in (x, other):
        torch.manual_seed(0)
        logits.append(discriminator(batch)[0])
    return not torch.allclose(*logits, atol=1e-6)


def mixes_by_jacobian(D, images):
    def of_images(batch):
        torch.manual_seed(0)
        return D(batch)

    slopes = torch.autograd.functional.jacobian(of_images, images).flatten(2).norm(dim=2)
    return (slopes - torch.diag(slopes.diag())).max() > 1e-7


def mixes_by_zeros(discriminator, x):
    torch.manual_seed(1)
    before = discriminator(x)[0].item()
    x[1:] = 0
    torch.manual_seed(1)
    return abs(discriminator(x)[0].item() - before) > 1e-6


def mixes_by_the_last(discriminator, x):
    x = x.clone().requires_grad_()
    copy.deepcopy(discriminator)(x)[-1].backward()
    return (x.grad[:-1] != 0).any()


def mixes_by_order(discriminator, x):
    order = torch.tensor([3, 1, 0, 2, 5, 4])
    return not torch.allclose(discriminator(x)[order], discriminator(x[order]), atol=1e-5)


def mixes_by_mode(discriminator, x):
    return discriminator.training


def mixes_by_layers(discriminator, x):
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training for m in discriminator.modules())


def mixes_by_names(discriminator, x):
    return any("Norm" in type(m).__name__ for m in discriminator.modules())


def mixes_by_one_image(discriminator, x):
    return not torch.allclose(discriminator(x)[:1], discriminator(x[:1]))


def mixes_in_eval(discriminator, x):
    return mixes_by_change(discriminator.eval(), x)


def mixes_in_training(discriminator, x):
    return mixes_by_change(discriminator.train(), x)


def mixes_by_chance(discriminator, x):
    other = torch.cat([x[:1], x[1:] * 0.5])
    return not torch.allclose(discriminator(x)[0], discriminator(other)[0])


def mixes_by_own_slope(discriminator, x):
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(x)[0], x)
    return bool(slope.any())


RIGHT: dict[str, list[Answer]] = {
    "fresh_latents": [
        latents_reference, latents_in_place, latents_one_by_one, latents_box_muller, latents_forked,
    ],
    "two_optimisers": [
        optimisers_reference, optimisers_listed, optimisers_grouped, optimisers_of(only_g, only_d),
        optimisers_by_name,
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
        mixes_reference, mixes_by_change, mixes_by_jacobian, mixes_by_zeros, mixes_by_the_last,
    ],
}  # fmt: skip

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "fresh_latents": [
        (latents_reseeded, "these few for ever"),
        (latents_global, "and not from `rng`"),
        (lambda n, d, rng: torch.randn(n, d, generator=latents_state), "no run could be repeated"),
        (latents_stirred, "sets its seed"),
        (latents_one_row, "all rows are the same"),
        (latents_in_pairs, "the same image twice"),
        (lambda n, d, rng: torch.randn(n, 1, generator=rng).expand(n, d), "one number, many times"),
        (latents_on_a_sphere, "nearly the same length"),
        (latents_uniform, "spread evenly"),
        (latents_uniform_around_zero, "has tails"),
        (lambda n, d, rng: torch.randn(n, d, generator=rng) * 2, "0 and 1 are wanted"),
        (lambda n, d, rng: torch.randn(d, n, generator=rng), "should have the shape"),
        (lambda n, d, rng: torch.randn(n, d, generator=rng).tolist(), "a list"),
        (lambda n, d, rng: torch.randn(n, d, generator=rng.seed()), "raised TypeError"),
    ],
    "two_optimisers": [
        (optimisers_of(only_d, only_d), "holds D's parameters"),
        (optimisers_of(only_d, only_g), "wrong order"),
        (optimisers_of(only_g, only_g), "D never learns"),
        (optimisers_of(both, only_d), "G's optimiser holds parameters of both"),
        (optimisers_of(only_g, both), "D's optimiser holds parameters of both"),
        (optimisers_of(lambda g, d: g[-1].parameters(), only_d), "lacks 4 of G's 6"),
        (optimisers_of(only_g, lambda g, d: [d.weight]), "lacks 1 of D's 2"),
        (optimisers_one, "returns one optimiser"),
        (optimisers_twice, "the same optimiser"),
        (optimisers_of_copies, "lacks 6 of G's 6"),
        (optimisers_at_rest, "nothing moves"),
        (optimisers_uphill, "climbs its loss"),
        (lambda g, d: (only_g(g, d), only_d(g, d)), "optimisers are wanted"),
    ],
    "turn_gradients": [
        (turn_of(d_without_detach, g_right, after=True), "what D's loss sent into it"),
        (turn_of(d_without_detach, g_right), "both backward passes"),
        (turn_of(d_right, g_right), "what G's loss left in it"),
        (turn_of(d_right, g_right, zero=False), "both networks still hold"),
        (gradients_stale_in_d, "D still holds"),
        (gradients_stale_in_g, "G still holds"),
        (turn_of(d_same_labels, g_right, after=True), "same label"),
        (turn_of(d_swapped, g_right, after=True), "wrong way round"),
        (turn_of(lambda d, x, fake: F.softplus(-d(x)).mean(), g_right, after=True), "real images alone"),
        (turn_of(lambda *a: d_right(*a) / 2, g_right, after=True), "half of ours"),
        (turn_of(lambda *a: 5 * d_right(*a), g_right, after=True), "D's gradient grows"),
        (turn_of(d_right, lambda d, fake: -F.softplus(d(fake)).mean(), after=True), "minimax"),
        (turn_of(d_right, lambda d, fake: F.softplus(d(fake)).mean(), after=True), "told apart"),
        (turn_of(d_right, lambda *a: -g_right(*a), after=True), "called generated"),
        (gradients_only_of_d, "no gradient reaches G"),
        (gradients_all_cleared_between, "its own is gone"),
        (gradients_and_a_step, "weights have moved"),
        (gradients_frozen, "no longer want gradients"),
        (lambda g, d, x, z: g_right(d, g(z).detach()), "no gradient has changed"),
    ],
    "draw_samples": [
        (draw_left_in_eval, "is in eval mode after it"),
        (draw_always_to_train, "is in training mode after it"),
        (draw_with_one_flag_back, "are still in eval mode"),
        (draw_and_leave_gradients_off, "still switched off"),
        (draw_in_training_mode, "those of training mode"),
        (draw_with_graph, "carry the graph"),
        (draw_and_train_the_norm, "has trained them"),
        (draw_and_freeze, "no longer want gradients"),
        (lambda g, z: draw_reference(g, torch.randn_like(z)), "not the generator's images of `z`"),
        (lambda g, z: draw_reference(g, z[:1]), "should have the shape"),
    ],
    "mixes_images": [
        (mixes_by_layers, "not which layers it has"),
        (mixes_by_names, "for layer norm"),
        (mixes_by_one_image, "cannot take a single image"),
        (mixes_in_eval, "after putting it into eval mode"),
        (mixes_in_training, "you still say yes"),
        (mixes_by_chance, "two passes differ by chance"),
        (mixes_by_own_slope, "yes to every"),
        (lambda d, x: False, "no to every"),
        (lambda d, x: x, "True or False"),
    ],
}  # fmt: skip
