"""Checks of chapter 03, image GANs: a layer's output size, the discriminator's loss, the averaged generator.

A mistake is recognised by computing what that mistake would give. D and G are linear, so that every right
value and gradient has a closed form.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce_with_logits
from torch.nn.functional import softplus

from .core import NOTHING, Check, Raised, Wrong, call, call_drawing, close, number, scalar, wrong_if
from .linear import LinearDiscriminator, LinearGenerator, all_parameters, all_statistics

Answer = Callable[..., Any]

# --- upsampled_size ---

# (size, kernel, stride, padding), chosen so that no two of the formulas below agree on all of them.
LAYERS = [(7, 4, 2, 1), (1, 4, 1, 0), (5, 3, 2, 1), (3, 5, 3, 2), (28, 3, 1, 1), (6, 2, 2, 0)]

FORWARD = (
    "this is the formula of an ordinary convolution, which shrinks; a transposed one runs it backwards: "
    "solve it for the size that goes in."
)
SIZE_MISTAKES: list[tuple[Callable[[int, int, int, int], float], str]] = [
    (lambda n, k, s, p: (n + 2 * p - k) // s + 1, FORWARD),
    (lambda n, k, s, p: (n + 2 * p - k) / s + 1, FORWARD),
    (
        lambda n, k, s, p: n * s - 2 * p + k,
        "the -1 is missing: `size` pixels have only `size - 1` strides between them.",
    ),
    (
        lambda n, k, s, p: (n - 1) * s + 2 * p + k,
        "padding is added, as an ordinary convolution does; a transposed one cuts it off the output.",
    ),
    (lambda n, k, s, p: (n - 1) * s - p + k, "padding is cut off once; it is cut off both sides."),
    (lambda n, k, s, p: (n - 1) * s + k, "padding is left out; it is cut off both sides of the output."),
    (
        lambda n, k, s, p: (n - 1) * s - 2 * p + k - 1,
        "every size is one too small: the last pixel paints `kernel` pixels, not `kernel - 1`.",
    ),
    (
        lambda n, k, s, p: n * s,
        "`size * stride` is right for kernel 4, stride 2, padding 1; in general kernel and padding count.",
    ),
]


def check_upsampled_size(answer: Answer) -> str:
    """`upsampled_size(size, kernel, stride, padding)`: the side of a transposed convolution's output."""
    names = ("size", "kernel", "stride", "padding")
    got = [call_drawing(answer, **dict(zip(names, layer, strict=True))) for layer in LAYERS]
    wrong_if(any(value is None or value is ... for value in got), NOTHING)
    numbers = [number(value, "a size is one whole number") for value in got]
    right = [float((n - 1) * s - 2 * p + k) for n, k, s, p in LAYERS]
    for mistake, message in SIZE_MISTAKES:
        wrong_if(numbers == [float(mistake(*layer)) for layer in LAYERS], message)
    for layer, seen, wanted in zip(LAYERS, numbers, right, strict=True):
        described = ", ".join(f"{name} {n}" for name, n in zip(names, layer, strict=True))
        wrong_if(seen != wanted, f"for {described} your function says {seen:g}; the layer makes {wanted:g}.")
    for value in got:
        is_float = value.is_floating_point() if isinstance(value, Tensor) else isinstance(value, float)
        wrong_if(is_float, f"the sizes are right, but {value!r} is a float and layers take whole numbers.")
    return f"Right for all {len(LAYERS)} layers tried."


# --- discriminator_loss ---


def loss_mistakes(real: Tensor, fake: Tensor) -> list[tuple[Tensor, str]]:
    """What the known mistakes make of the logits (N,) of real and of fake images, and how to call them."""
    real_half, fake_half = softplus(-real).mean(), softplus(fake).mean()
    right = real_half + fake_half
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    twice_squashed = bce_with_logits(real.sigmoid(), ones) + bce_with_logits(fake.sigmoid(), zeros)
    return [
        (
            softplus(real).mean() + softplus(-fake).mean(),
            "the labels of real and fake are swapped: D's logit is positive for real, so the real half is "
            "softplus(-D(x)).",
        ),
        (
            real_half + softplus(-fake).mean(),
            "the fakes are labelled as real: that is what G wants. D's fake half is softplus(D(G(z))).",
        ),
        (
            twice_squashed,
            "a sigmoid comes before a loss that applies its own: give binary_cross_entropy_with_logits the "
            "logits, not probabilities.",
        ),
        (right * len(real), "the loss is summed over the batch; take the mean, or the gradient grows with the batch."),
        (real_half, "only the real half is there: add how badly D does on the fakes."),
        (fake_half, "only the fake half is there: add how badly D does on the real images."),
        (
            right / 2,
            "this is half of ours: your loss averages the two halves; ours adds them. Both are in use; here, add them.",
        ),
        (-right, "the sign is turned: this is what D wants large, and an optimiser makes its loss small."),
        (
            fake.mean() - real.mean(),
            "this is a Wasserstein critic's loss, linear in the logits: the softplus is missing.",
        ),
    ]


def check_discriminator_loss(answer: Answer) -> str:
    """`discriminator_loss(discriminator, generator, x, z)`: mean softplus(-D(x)) + mean softplus(D(G(z)))."""
    d = LinearDiscriminator([1.0, -2.0, 0.5, 1.5], bias=0.3)
    g = LinearGenerator([[0.5, -1.0, 0.3, 0.8], [0.2, 0.7, -0.6, 0.1], [-0.9, 0.4, 0.5, 0.6]])
    x, z = torch.rand(5, 1, 2, 2) * 2 - 1, torch.randn(5, 3)
    loss, again = (_loss(answer, d, g, x.clone(), z.clone()) for _ in range(2))
    wrong_if(
        any(p.grad is not None for p in [*d.parameters(), *g.parameters()]),
        "your function calls backward; it should return the loss and leave the step to the loop.",
    )
    wrong_if(
        not close(loss, again),
        "two calls with the same x and z give two losses: use the z that is given, and draw nothing.",
    )
    _check_loss_value(loss.detach(), d, g, x, z)
    _check_loss_gradients(loss, d, g, x, z)
    _check_large_logits(answer)
    return "Its value, D's gradient, none for G, and very large logits: all right."


def _loss(answer: Answer, d: nn.Module, g: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    return scalar(call(answer, discriminator=d, generator=g, x=x, z=z), "the loss")


@torch.no_grad()
def _check_loss_value(loss: Tensor, d: nn.Module, g: nn.Module, x: Tensor, z: Tensor) -> None:
    real, fake = d(x), d(g(z))
    for value, message in loss_mistakes(real, fake):
        wrong_if(close(loss, value), message)
    right = softplus(-real).mean() + softplus(fake).mean()
    wrong_if(not close(loss, right), f"on a small linear D and G your loss is {loss:.4f}; it should be {right:.4f}.")


def _check_loss_gradients(loss: Tensor, d: LinearDiscriminator, g: LinearGenerator, x: Tensor, z: Tensor) -> None:
    wrong_if(
        not (g.weight.requires_grad and d.weight.requires_grad),
        "after the call some parameters no longer want gradients, and their own step needs them: detach "
        "the fake images instead.",
    )
    wrong_if(
        not loss.requires_grad,
        "no gradient reaches D: all of the loss is detached or under no_grad; only the fakes should be.",
    )
    to_d, to_g = torch.autograd.grad(loss, [d.weight, g.weight], allow_unused=True)
    wrong_if(
        to_g is not None,
        "gradients reach G's parameters: the value is the same, but D's backward pass runs through G and "
        "leaves gradients there. Detach the fake images: D(G(z).detach()).",
    )
    with torch.no_grad():
        from_real = -((-d(x)).sigmoid() @ x.flatten(1)) / len(x)
        from_fake = d(g(z)).sigmoid() @ g(z).flatten(1) / len(z)
    wrong_if(
        to_d is None or close(to_d, from_real),
        "D learns nothing from the fakes: their logits are detached. Detach the images, before D sees them.",
    )
    wrong_if(close(to_d, from_fake), "D learns nothing from the real images: their logits are detached.")
    wrong_if(
        not close(to_d, from_real + from_fake),
        "the value is right, but D's gradient is not: something between D and the loss is detached.",
    )


def _check_large_logits(answer: Answer) -> None:
    """A D that is utterly fooled, with logits -200 for real and 200 for fake images: the loss is 400."""
    d, g = LinearDiscriminator([50.0] * 4), LinearGenerator([[1.0] * 4])
    loss = _loss(answer, d, g, -torch.ones(5, 1, 2, 2), torch.ones(5, 1)).detach()
    wrong_if(
        not loss.isfinite(),
        f"right for small logits, but logits of -200 and 200 make it {loss:.0f}: something overflows, exp(200) "
        "or the log of a sigmoid that rounds to 0. Use softplus, logsigmoid or binary_cross_entropy_with_logits.",
    )
    wrong_if(
        not close(loss, 400.0),
        f"right for small logits, but for -200 and 200 it is {loss:.1f} and should be 400: the log is held "
        "back, by an epsilon or binary_cross_entropy's clamp, and D's gradient with it. Start from logits.",
    )


# --- update_ema ---


def check_update_ema(answer: Answer) -> str:
    """`update_ema(ema, generator, decay)`: decay*ema + (1-decay)*generator into ema, and buffers copied."""
    _check_ema_parameters(answer, decay=0.9)
    _check_ema_buffers(answer, decay=0.75)
    return "Parameters are averaged, buffers copied, and the generator is left alone."


def _lagging_pair(*, batch_norm: bool) -> tuple[nn.Module, nn.Module]:
    """An averaged generator, and the generator, some steps ahead of it."""
    generator = nn.Sequential(nn.Linear(3, 4), *([nn.BatchNorm1d(4)] if batch_norm else []))
    ema = copy.deepcopy(generator).requires_grad_(False)
    with torch.no_grad():
        for p in generator.parameters():
            p.add_(torch.rand_like(p) + 0.5)
        for _ in range(3):
            generator(torch.randn(8, 3) + 2)  # moves batch norm's running statistics
    return ema, generator


def _check_ema_parameters(answer: Answer, decay: float) -> None:
    ema, generator = _lagging_pair(batch_norm=False)
    old, new = all_parameters(ema), all_parameters(generator)
    returned = call(answer, ema=ema, generator=generator, decay=decay)
    now = all_parameters(ema)
    wrong_if(
        not close(all_parameters(generator), new),
        "the generator has changed: the averaged network follows it, and only `ema` is written to.",
    )
    wrong_if(
        close(now, old) and returned is not None,
        "your function returns something and `ema` is as it was before: write into `ema` itself.",
    )
    wrong_if(
        close(now, old),
        "ema is as it was before. In a loop, `p = ...` only gives the name p to another tensor; write into "
        "the tensor, with p.copy_(...), p.lerp_(...) or p.mul_(...).add_(...).",
    )
    _check_kept_share(now, old, new, decay)
    wrong_if(
        any(p.requires_grad for p in ema.parameters()),
        "ema's parameters have become part of the gradient's graph, which grows with every step: update "
        "them under torch.no_grad().",
    )


def _check_kept_share(now: Tensor, old: Tensor, new: Tensor, decay: float) -> None:
    """Which share of the old weights was kept? That one number explains most mistakes."""
    wrong_if(
        close(now, (1 - decay) * old + decay * new),
        "the weights are swapped: `decay`, near 1, is the share of ema that is kept; the generator's share "
        "is 1 - decay.",
    )
    wrong_if(close(now, new), "ema is a copy of the generator now: nothing is averaged.")
    wrong_if(
        close(now, old + (1 - decay) * new),
        "the generator's share is added, but ema is not multiplied by decay, so it grows with each step.",
    )
    right = decay * old + (1 - decay) * new
    kept = ((now - new) @ (old - new) / (old - new).square().sum()).item()
    wrong_if(
        not close(now, right) and close(now, kept * old + (1 - kept) * new),
        f"your average keeps {kept:.4g} of the old weights where decay is {decay}.",
    )
    wrong = int((~torch.isclose(now, right, rtol=1e-4, atol=1e-4)).sum())
    wrong_if(wrong > 0, f"{wrong} of {len(now)} parameters are not decay * ema + (1 - decay) * generator.")


def _check_ema_buffers(answer: Answer, decay: float) -> None:
    ema, generator = _lagging_pair(batch_norm=True)
    old, new = all_statistics(ema), all_statistics(generator)
    right = decay * all_parameters(ema) + (1 - decay) * all_parameters(generator)
    try:
        call(answer, ema=ema, generator=generator, decay=decay)
    except Raised as error:
        raise Wrong(
            "right without batch norm, but not with it. Its buffers cannot all be averaged (its count of "
            f"batches is an integer): copy them. Seen: {error}"
        ) from error
    now = all_statistics(ema)
    wrong_if(
        not close(all_statistics(generator), new), "the generator's buffers have changed: only `ema` is written to."
    )
    wrong_if(
        close(now, old),
        "the buffers are forgotten: batch norm's running mean and variance are not parameters, and with "
        "stale ones the averaged network draws bad samples. Copy the generator's buffers into ema's.",
    )
    wrong_if(
        close(now, decay * old + (1 - decay) * new),
        "the buffers are averaged: batch norm's statistics are running averages already, and averaged "
        "again they lag behind. Copy them.",
    )
    wrong_if(not close(now, new), "after the call ema's buffers should equal the generator's; they do not.")
    wrong_if(
        not close(all_parameters(ema), right),
        f"right for decay 0.9 without batch norm, but wrong for decay {decay} with it.",
    )
    with torch.no_grad():
        for tensor in [*generator.parameters(), *generator.buffers()]:
            tensor.add_(1)
    wrong_if(
        not close(all_statistics(ema), now) or not close(all_parameters(ema), right),
        "ema shares memory with the generator and will change as that trains: copy with copy_.",
    )


CHECKS: dict[str, Check] = {
    "upsampled_size": check_upsampled_size,
    "discriminator_loss": check_discriminator_loss,
    "update_ema": check_update_ema,
}
