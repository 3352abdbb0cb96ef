"""Answers to the exercises of "The two-player game", right and wrong."""

from __future__ import annotations

import math

import numpy as np
import torch
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


def loss_of(real, fake):
    return F.softplus(-real).mean() + F.softplus(fake).mean()


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


def stepping_on(loss_of_logits):
    """An answer that steps on another loss of the logits."""

    def generator_step(generator, discriminator, optimiser, z):
        optimiser.zero_grad()
        loss_of_logits(discriminator(generator(z))).backward()
        optimiser.step()

    return generator_step


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


def step_not_zeroed(generator, discriminator, optimiser, z):
    (-F.softplus(discriminator(generator(z)))).mean().backward()
    optimiser.step()


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
}

WRONG: dict[str, list[tuple[Answer, str]]] = {
    "optimal_discriminator": [
        (lambda p, q: torch.sigmoid(q - p), "p_data stands on top"),
        (lambda p, q: p - q, "this is the best logit"),
        (lambda p, q: (p - q).exp(), "ratio of the densities"),
        (lambda p, q: 2 * torch.sigmoid(p - q), "average of the densities"),
        (lambda p, q: p / (p + q), "the logs are used"),
        (lambda p, q: F.logsigmoid(p - q), "this is log D"),
        (lambda p, q: (p > q).float(), "every answer is 0 or 1"),
        (lambda p, q: p.exp(), "p_data alone"),
        (best_exp, "0 / 0 is no number"),
        (best_epsilon, "only their difference counts"),
        (best_by_quotient, "something overflows"),
        (lambda p, q: torch.sigmoid(p - q).mean(), "shape ()"),
        (lambda p, q: torch.tanh(p - q), "it should be 0.8333"),
        (lambda p: p, "your function takes (p)"),
        (lambda p, q: torch.softmax(p - q, 0), "your function says 0.3476"),
        (lambda p, q: p.sigmoid() - q.sigmoid(), "it should be 0.8"),
        (lambda p, q: "real", "one probability for each point"),
    ],
    "js_from_logits": [
        (lambda r, f: -loss_of(r, f), "this is the value V"),
        (loss_of, "this is D's loss"),
        (lambda r, f: 2 * js_reference(r, f), "this is 2 JS"),
        (lambda r, f: js_reference(r, f) / math.log(2), "in bits"),
        (lambda r, f: js_reference(-r, -f), "swapped"),
        (lambda r, f: math.log(2) - loss_of(r, f), "not halved"),
        (lambda r, f: -js_reference(r, f), "sign is turned"),
        (lambda r, f: math.log(4) - loss_of(r, f) / 2, "log 4 has to be halved"),
        (lambda r, f: -loss_of(r, f) / 2, "log 2 is missing"),
        (lambda r, f: math.log(2) - F.softplus(torch.cat([-r, f])).mean(), "one mean is taken"),
        (lambda r, f: math.log(2) - F.softplus(torch.cat([-r, f])).sum() / 2, "summed"),
        (lambda r, f: math.log(2) - F.softplus(-r).mean() / 2, "only the real half"),
        (lambda r, f: math.log(2) - F.softplus(f).mean() / 2, "only the generated half"),
        (lambda r, f: js_reference(r, f).clamp(min=0), "A negative estimate is news"),
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
        (step_not_zeroed, "added to the old one"),
        (step_without_backward, "`backward()` is never called"),
        (step_before_the_gradient, "before there is a gradient"),
        (step_without_optimiser, "not by `optimiser.step()`"),
        (step_zeroed_late, "cleared between"),
        (step_before_backward, "on the old gradient"),
        (step_twice, "steps 2 times"),
        (step_moves_discriminator, "D has changed"),
        (step_freezes_for_good, "no longer want gradients"),
        (step_own_latents, "go two ways"),
        (stepping_on(lambda logits: F.softplus(logits).mean()), "the wrong way"),
        (stepping_on(lambda logits: F.softplus(-logits).mean()), "the non-saturating loss"),
        (stepping_on(lambda logits: -F.softplus(logits).sum()), "summed"),
        (stepping_on(lambda logits: -logits.mean()), "minus the logit itself"),
        (stepping_on(lambda logits: (1 - logits.sigmoid()).mean()), "the log is missing"),
        (stepping_on(lambda logits: -F.softplus(logits.sigmoid()).mean()), "given a probability"),
        (stepping_on(lambda logits: (1 - logits.sigmoid()).log().mean()), "its log overflows"),
        (stepping_on(lambda logits: (1 - logits.sigmoid() + 1e-8).log().mean()), "an epsilon or a clamp"),
        (stepping_on(lambda logits: logits.square().mean()), "should move by"),
    ],
}
