"""Answers to the exercises of "The two-player game", right and wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
from tgan_lib.exercises.two_player_game import stepping_on
from torch.nn import functional as F

from . import Answer

# --- optimal_discriminator ---


def best_reference(log_p_data, log_p_g):
    return torch.sigmoid(log_p_data - log_p_g)


def best_by_hand(log_p, log_q):
    return 1 / (1 + (log_q - log_p).clamp(max=80).exp())


def best_by_logaddexp(a, b):
    return (a - torch.logaddexp(a, b)).exp()


def best_by_softmax(log_p_data, log_p_g):
    return torch.stack([log_p_data, log_p_g]).softmax(0)[0]


def best_by_tanh(log_p_data, log_p_g):
    return (1 + torch.tanh((log_p_data - log_p_g) / 2)) / 2


def best_from_the_larger(log_p_data, log_p_g):
    most = torch.maximum(log_p_data, log_p_g)
    p, q = (log_p_data - most).exp(), (log_p_g - most).exp()
    return p / (p + q)


def best_list(log_p_data, log_p_g):
    return [1 / (1 + math.exp(min(700.0, float(q - p)))) for p, q in zip(log_p_data, log_p_g, strict=True)]


def best_exp(log_p_data, log_p_g):
    p, q = log_p_data.exp(), log_p_g.exp()
    return p / (p + q)


def best_epsilon(log_p_data, log_p_g):
    p, q = log_p_data.exp(), log_p_g.exp()
    return p / (p + q + 1e-12)


def best_by_quotient(log_p_data, log_p_g):
    ratio = (log_p_data - log_p_g).exp()
    return ratio / (1 + ratio)


# --- js_from_logits ---


def js_reference(real_logits, fake_logits):
    loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    return math.log(2) - loss / 2


def js_by_value(real, fake):
    value = F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()
    return float((value + math.log(4)) / 2)


def js_by_bce(real_logits, fake_logits):
    bce = F.binary_cross_entropy_with_logits
    halves = [bce(real_logits, torch.ones_like(real_logits)), bce(fake_logits, torch.zeros_like(fake_logits))]
    return torch.tensor([math.log(2) - sum(halves) / 2])


def js_by_numpy(real_logits, fake_logits):
    real, fake = real_logits.numpy(), fake_logits.numpy()
    return math.log(2) - (np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()) / 2


def js_naive(real_logits, fake_logits):
    value = real_logits.sigmoid().log().mean() + (1 - fake_logits.sigmoid()).log().mean()
    return math.log(2) + value / 2


def js_clamped_logs(real_logits, fake_logits):
    bce = F.binary_cross_entropy
    loss = bce(real_logits.sigmoid(), torch.ones(4)) + bce(fake_logits.sigmoid(), torch.zeros(6))
    return math.log(2) - loss / 2


# --- generator_step ---


def step_reference(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z))).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item()


def step_logsigmoid(g, d, opt, z):
    opt.zero_grad()
    F.logsigmoid(-d(g(z))).mean().backward()
    opt.step()


def step_frozen_discriminator(generator, discriminator, optimiser, z):
    discriminator.requires_grad_(False)
    step_reference(generator, discriminator, optimiser, z)
    discriminator.requires_grad_(True)


def step_bce(generator, discriminator, optimiser, z):
    logits = discriminator(generator(z))
    loss = -F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
    for p in generator.parameters():
        p.grad = None
    loss.backward()
    optimiser.step()


def step_closure(generator, discriminator, optimiser, z):
    def closure():
        optimiser.zero_grad()
        loss = -F.softplus(discriminator(generator(z))).mean()
        loss.backward()
        return loss

    optimiser.step(closure)


def step_by_hand(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z))).mean()
    (slope,) = torch.autograd.grad(loss, [generator.weight])
    generator.weight.grad = slope
    optimiser.step()


def step_detached(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z).detach())).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def step_no_grad(generator, discriminator, optimiser, z):
    with torch.no_grad():
        loss = -F.softplus(discriminator(generator(z))).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def step_never(generator, discriminator, optimiser, z):
    optimiser.zero_grad()
    (-F.softplus(discriminator(generator(z)))).mean().backward()


def step_loss_only(generator, discriminator, optimiser, z):
    return -F.softplus(discriminator(generator(z))).mean()


def step_without_backward(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z))).mean()
    optimiser.zero_grad()
    optimiser.step()
    return loss


def step_before_the_gradient(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z))).mean()
    optimiser.zero_grad()
    optimiser.step()
    loss.backward()


def step_without_optimiser(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z))).mean()
    (slope,) = torch.autograd.grad(loss, [generator.weight])
    with torch.no_grad():
        generator.weight -= 0.1 * slope


def step_zeroed_late(generator, discriminator, optimiser, z):
    (-F.softplus(discriminator(generator(z)))).mean().backward()
    optimiser.zero_grad()
    optimiser.step()


def step_before_backward(generator, discriminator, optimiser, z):
    loss = -F.softplus(discriminator(generator(z))).mean()
    optimiser.step()
    loss.backward()


def step_twice(generator, discriminator, optimiser, z):
    step_reference(generator, discriminator, optimiser, z)
    step_reference(generator, discriminator, optimiser, z)


def step_moves_discriminator(generator, discriminator, optimiser, z):
    step_reference(generator, discriminator, optimiser, z)
    with torch.no_grad():
        for p in discriminator.parameters():
            p -= 0.1 * p.grad


def step_freezes_for_good(generator, discriminator, optimiser, z):
    discriminator.requires_grad_(False)
    step_reference(generator, discriminator, optimiser, z)


def step_own_latents(generator, discriminator, optimiser, z):
    step_reference(generator, discriminator, optimiser, torch.randn_like(z))


# --- held_out_js ---


def held_out_reference(fit, real, fake):
    n, m = len(real) // 2, len(fake) // 2
    d = fit(real[:n], fake[:m])
    with torch.no_grad():
        real_losses, fake_losses = F.softplus(-d(real[n:])), F.softplus(d(fake[m:]))
    error = (real_losses.var() / len(real_losses) + fake_losses.var() / len(fake_losses)).sqrt() / 2
    return math.log(2) - (real_losses.mean() + fake_losses.mean()) / 2, error


def held_out_numpy(fit, real, fake):
    (x, x_new), (y, y_new) = real.chunk(2), fake.chunk(2)
    d = fit(x, y)
    a, b = np.logaddexp(0, -d(x_new).detach().numpy()), np.logaddexp(0, d(y_new).detach().numpy())
    variance = a.var(ddof=1) / a.size + b.var(ddof=1) / b.size
    return math.log(2) - (a.mean() + b.mean()) / 2, math.sqrt(variance) / 2


def held_out_by_values(fit, real, fake):
    d = fit(real[: len(real) // 2], fake[: len(fake) // 2])
    r = F.logsigmoid(d(real[len(real) // 2 :])) / 2
    f = F.logsigmoid(-d(fake[len(fake) // 2 :])) / 2
    return [math.log(2) + r.mean() + f.mean(), torch.hypot(r.std() / len(r) ** 0.5, f.std() / len(f) ** 0.5)]


def held_out_one_number(fit, real, fake):
    return held_out_reference(fit, real, fake)[0]


def held_out_shuffled(fit, real, fake):
    return held_out_reference(fit, real[torch.randperm(len(real))], fake[torch.randperm(len(fake))])


def held_out_every_other(fit, real, fake):
    real, fake = torch.cat([real[::2], real[1::2]]), torch.cat([fake[::2], fake[1::2]])
    return held_out_reference(fit, real, fake)


def held_out_probabilities(fit, real, fake):
    d = fit(real[: len(real) // 2], fake[: len(fake) // 2])
    r, f = d(real[len(real) // 2 :]).sigmoid(), d(fake[len(fake) // 2 :]).sigmoid()
    return (r.mean() - f.mean()) / 2, (r.var() / len(r) + f.var() / len(f)).sqrt() / 2


def held_out_in_place(fit, real, fake):
    real -= real.mean(0)
    return held_out_reference(fit, real, fake)


RIGHT: dict[str, list[Answer]] = {
    "optimal_discriminator": [
        best_reference,
        best_by_hand,
        best_by_logaddexp,
        best_by_softmax,
        best_by_tanh,
        best_from_the_larger,
        best_list,
    ],
    "js_from_logits": [js_reference, js_by_value, js_by_bce, js_by_numpy],
    "generator_step": [
        step_reference,
        step_logsigmoid,
        step_frozen_discriminator,
        step_bce,
        step_closure,
        step_by_hand,
    ],
    "held_out_js": [held_out_reference, held_out_numpy, held_out_by_values],
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "optimal_discriminator": [
        (best_exp, "0 / 0 is no number"),
        (best_epsilon, "only their difference counts"),
        (best_by_quotient, "something overflows"),
        (lambda p, q: torch.sigmoid(p - q).mean(), "one probability for each point"),
        (lambda p, q: torch.tanh(p - q), "says -0.8; it should be 0.25"),
        (lambda p: p, "your function takes (p)"),
        (lambda p, q: torch.softmax(p - q, 0), "your function says 0.3476"),
        (lambda p, q: p.sigmoid() - q.sigmoid(), "it should be"),
        (lambda p, q: "real", "one probability for each point"),
    ],
    "js_from_logits": [
        (js_naive, "a log overflows"),
        (js_clamped_logs, "held back"),
        (lambda r, f: F.softplus(-r), "shape (4,)"),
        (lambda r, f: 0.25, "it should be"),
        (lambda r, f: None if len(r) else 0, "returns nothing"),
    ],
    "generator_step": [
        (step_detached, "the generated points are detached"),
        (step_no_grad, "no way back"),
        (step_never, "is never called"),
        (step_loss_only, "nothing steps"),
        (step_without_backward, "`backward()` is never called"),
        (step_before_the_gradient, "before there is a gradient"),
        (step_without_optimiser, "not by `optimiser.step()`"),
        (step_zeroed_late, "cleared between"),
        (step_before_backward, "on the old gradient"),
        (step_twice, "steps 2 times"),
        (step_moves_discriminator, "`discriminator` has changed"),
        (step_freezes_for_good, "no longer wants gradients"),
        (step_own_latents, "draws from torch's global random generator"),
        (stepping_on(lambda logits: (1 - logits.sigmoid()).log().mean()), "its log overflows"),
        (stepping_on(lambda logits: (1 - logits.sigmoid() + 1e-8).log().mean()), "an epsilon or a clamp"),
        (stepping_on(lambda logits: logits.square().mean()), "should move by"),
    ],
    "held_out_js": [
        (held_out_one_number, "return 2 values"),
        (held_out_shuffled, "draws from torch's global random generator"),
        (held_out_every_other, "it should be"),
        (held_out_probabilities, "JS is"),
        (held_out_in_place, "`real`"),
    ],
}
