"""What is added to D's loss to keep it smooth: gradient penalties, LeCam's regulariser, clipped weights.

A gradient penalty looks at g(x), the gradient of D's logit of one image in the pixels of that image:

    r1       1/2 E |g(x)|^2          at reals            Mescheder, Geiger and Nowozin (2018), "Which Training
    r2       1/2 E |g(G(z))|^2       at fakes              Methods for GANs do actually Converge?", eqs. 9, 10
    wgan_gp  E (|g(x^)| - 1)^2       between the two     Gulrajani et al. (2017), "Improved Training of
                                                           Wasserstein GANs", equation 3
    r1_difference, r2_difference     the same two without a second derivative, see there: Lin et al. (2025)
    dragan   E (|g(x + n)| - 1)^2    around reals        Kodali, Abernethy, Hays and Kira (2017), "On Convergence
                                                           and Stability of GANs", equation 1

A weight multiplies them from outside: gamma for the first two, lambda (10 in their papers) for the others. Norms
are per image, over all of its numbers, and E is the batch mean, so that the penalty of a batch is the mean of its
images' penalties. The gradient of the batch's *sum* of logits is then all that is needed, since no logit depends
on another image; batch norm breaks this, see `wgan_gp`. So, mildly, does `networks.parts.MinibatchStd`: g(x) then
holds what an image does to its neighbours' logits too, as in its authors' own code. Values are float32 at least,
computed outside of autocast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from .errors import check_function, check_kind, check_rng, one_of, real_number, shown
from .losses import wide
from .training.terms import Step, Term

Penalty = Callable[[nn.Module, Tensor, Tensor, torch.Generator | None], Tensor]


def half_squared_norm(logits: Tensor, images: Tensor) -> Tensor:
    """1/2 E |g(x)|^2 from logits that D has given already, so that R1 costs no pass of its own. A scalar.

    images: (N, ...), with gradients required *before* D saw them; logits: (N,), from them, outside of autocast if
    half precision is not to spoil the gradient. ValueError if the one does not lead to the other.
    """
    return gradients(logits, images).square().flatten(1).sum(1).mean() / 2


def r1(discriminator: nn.Module, real: Tensor, route: str = "autograd") -> Tensor:
    """Half the mean squared gradient norm at real images (N, ...) in [-1, 1]: a scalar, |w|^2 / 2 for D(x) = w x + b.

    Two routes to the same number and the same gradients. "autograd" differentiates one graph twice, takes any D,
    and updates D's buffers (spectral norm's estimate, batch norm's averages) as every pass does. It does not
    compile: what torch.compile has compiled cannot be differentiated a second time. "func" takes the inner
    gradient with torch.func, which torch.compile writes out as ordinary code, and leaves the buffers as they were.
    With PyTorch 2.15 it compiled as one graph (fullgraph=True, backends "eager" and "aot_eager") for every
    discriminator in `networks` but the projected one, with gradients equal to the plain call's.
    """
    images = floats(real)
    if one_of("route", route, ("autograd", "func")) == "autograd":
        return half_squared_norm(*judged(discriminator, images))
    check_module(discriminator)
    parameters = dict(discriminator.named_parameters())
    copies = {name: buffer.clone() for name, buffer in discriminator.named_buffers()}

    def logit_sum(x: Tensor, buffers: dict[str, Tensor]) -> Tensor:
        logits: Tensor = functional_call(discriminator, parameters | buffers, (x,))
        return logits.sum()

    with torch.autocast(images.device.type, enabled=False):
        slopes: Tensor = grad(logit_sum)(images, copies)
        return slopes.square().flatten(1).sum(1).mean() / 2


def r2(discriminator: nn.Module, fake: Tensor, route: str = "autograd") -> Tensor:
    """`r1` at generated images. Nothing flows back into G: the images are detached."""
    return r1(discriminator, fake, route)


def r1_difference(
    discriminator: nn.Module, real: Tensor, rng: torch.Generator | None = None, epsilon: float = 0.01
) -> Tensor:
    """R1 from a finite difference, 1/2 E ((D(x + epsilon n) - D(x)) / epsilon)^2 with n ~ N(0, I): a scalar.

    Along a random direction the slope of D is g . n, whose square is |g|^2 on the average; so this is R1 on the
    average as epsilon goes to 0, and (w . n)^2 / 2 of a linear D at any epsilon. One image's value spreads by 1.4
    times itself. Nothing is differentiated twice, so it compiles, and is captured and shared among processes as
    any other pass: Lin, Xia, Ren, Yang, Xiao and Jiang (2025), "Diffusion Adversarial Post-Training for One-Step
    Video Generation", where epsilon is 0.01 and the square of the difference is not divided by epsilon^2. Both passes
    are in full precision: in half of it the difference of two logits would be mostly rounding. real: (N, ...) in
    [-1, 1]; rng on their device.
    """
    epsilon = real_number("epsilon", epsilon, above=0, most=1)
    check_rng(rng)
    images = floats(real)
    noise = torch.randn(images.shape, generator=rng, device=images.device, dtype=images.dtype)
    moved, still = (wide(logits_of(discriminator, x)) for x in (images + epsilon * noise, images))
    return ((moved - still) / epsilon).square().mean() / 2


def r2_difference(
    discriminator: nn.Module, fake: Tensor, rng: torch.Generator | None = None, epsilon: float = 0.01
) -> Tensor:
    """`r1_difference` at generated images. Nothing flows back into G: the images are detached."""
    return r1_difference(discriminator, fake, rng, epsilon)


def wgan_gp(
    discriminator: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator | None = None
) -> Tensor:
    """The mean of (|g| - 1)^2 at one random point between each real image and a fake one: a scalar.

    real, fake: (N, ...) of one shape, in [-1, 1]; x^ = t real + (1 - t) fake with one t from U(0, 1) for each
    image, drawn from `rng` (on the images' device). It is 0 for a D whose slope is 1 everywhere. Where the slope
    is exactly 0 the norm has no derivative and 0 is taken, so that D gets no push and no NaN.

    ValueError if a batch norm in D averages over the batch: each logit then depends on all images, and the
    gradient of one image's logit in its pixels, which the penalty is about, is no longer what is computed
    (section 4 of the paper). Layer norm or none is right. A frozen batch norm in eval mode does no harm.
    """
    refuse_batch_norm(discriminator)
    check_rng(rng)
    real, fake = floats(real), floats(fake)
    if real.shape != fake.shape:
        raise ValueError(
            f"real images have shape {tuple(real.shape)} and fake ones {tuple(fake.shape)}; each real one is mixed "
            "with a fake one, so both should have the same shape"
        )
    per_image = (len(real),) + (1,) * (real.ndim - 1)
    t = torch.rand(per_image, generator=rng, device=real.device, dtype=real.dtype)
    return distance_from_slope_one(discriminator, t * real + (1 - t) * fake)


def dragan(discriminator: nn.Module, real: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """The mean of (|g| - 1)^2 at real images (N, ...) in [-1, 1], each with noise added: a scalar.

    The noise is N(0, s^2) for every pixel, s half the standard deviation of the batch's pixels, drawn from `rng`
    (on the images' device). The paper leaves s as a number to choose; half a deviation is what its authors' first
    code had, where the noise was uniform.
    """
    check_rng(rng)
    real = floats(real)
    noise = torch.randn(real.shape, generator=rng, device=real.device, dtype=real.dtype)
    return distance_from_slope_one(discriminator, real + 0.5 * real.std(correction=0) * noise)


def distance_from_slope_one(discriminator: nn.Module, images: Tensor) -> Tensor:
    """The batch mean of (|g(x)| - 1)^2. `norm` has the derivative 0 at 0, where a square root has none."""
    return (gradients(*judged(discriminator, images)).flatten(1).norm(dim=1) - 1).square().mean()


def judged(discriminator: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """D's logits in full precision, and the images they come from, which have no history of their own."""
    images.requires_grad_()
    return logits_of(discriminator, images), images


def logits_of(discriminator: nn.Module, images: Tensor) -> Tensor:
    """D's logits in full precision; TypeError for what gives none."""
    check_function("discriminator", discriminator, "a network or function from images to logits")
    with torch.autocast(images.device.type, enabled=False):
        logits = discriminator(images)
    if not isinstance(logits, Tensor):
        raise TypeError(f"the discriminator gave {shown(logits)}; a tensor of logits (N,) is right")
    return logits


def gradients(logits: Tensor, images: Tensor) -> Tensor:
    """g(x) for each image, shaped like them, in float32 at least and differentiable in D's weights."""
    check_kind("logits", logits, Tensor, "D's logits (N,)")
    check_kind("images", images, Tensor, "the images (N, ...) that D saw")
    if not (logits.requires_grad and images.requires_grad):
        raise ValueError(
            "there is no gradient from the logits to the images; the images should require gradients before D sees "
            "them, and D should run outside of torch.no_grad"
        )
    with torch.autocast(images.device.type, enabled=False):
        (found,) = torch.autograd.grad(logits.sum(), images, create_graph=True, allow_unused=True)
    if found is None:
        raise ValueError("the logits do not depend on the images; give D's logits of these very images")
    return wide(found)


def floats(images: Tensor) -> Tensor:
    """Images (N, ...) in float32 at least, without their history; ValueError for what is not a batch of floats."""
    check_kind("a penalty's images", images, Tensor, "a tensor (N, ...) of floats in [-1, 1]")
    if not images.is_floating_point() or images.ndim < 2 or images.numel() == 0:
        raise ValueError(
            f"images have shape {tuple(images.shape)} and type {images.dtype}; a penalty takes a batch (N, ...) of "
            "one or more images as floats in [-1, 1]"
        )
    return wide(images.detach())


def check_module(discriminator: Any) -> None:
    """TypeError unless it is a network."""
    check_kind("discriminator", discriminator, nn.Module, "an nn.Module, such as gan.discriminator,")


def refuse_batch_norm(discriminator: nn.Module) -> None:
    """ValueError if a batch norm anywhere in D averages over the batch."""
    check_module(discriminator)
    for name, module in discriminator.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (
            module.training or module.running_mean is None
        ):
            raise ValueError(
                f"the discriminator has batch norm ({name or type(module).__name__}), which makes each logit depend "
                "on the whole batch, while WGAN-GP penalises the gradient of each image's own logit; layer norm or "
                "no norm would be right"
            )


class Augmented(nn.Module):
    """D(T(x)) as a discriminator of images x, so that a penalty takes its gradients in x, before the augmentation T."""

    def __init__(self, discriminator: nn.Module, augment: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.discriminator, self.augment = discriminator, augment

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(self.augment(images))
        return logits


class LeCam(Term):
    """weight * R, which keeps logits near where the other side's have been; a `terms.Term` on D's side.

        R = E |D(x) - a_F|^2 + E |D(G(z)) - a_R|^2

    with a_R and a_F the running averages of D's real and fake logits: Tseng, Jiang, Liu, Yang and Yang (2021),
    "Regularizing Generative Adversarial Networks under Limited Data". The averages take in a batch before they
    are used, and count no more than the batches seen (the first average is the first batch's mean). No gradient
    flows through them.

    The weight goes with the scale of the logits: the authors' scripts have 0.3 with the hinge loss (BigGAN on
    CIFAR), whose logits stay near [-1, 1], and 1e-6 (CIFAR) or 3e-7 (FFHQ) with the logistic loss (StyleGAN2), whose
    logits grow. `decay` is 0.99 in the paper, 0.9 in their CIFAR code. That code also squares a difference only
    where the real logit is above a_F, or the fake one below a_R; the formula above does not.
    """

    side: Literal["generator", "discriminator"] = "discriminator"

    def __init__(self, weight: float, decay: float = 0.99) -> None:
        self.weight = real_number("LeCam's weight", weight, 0)
        self.decay = real_number("LeCam's decay", decay, 0, below=1)
        # decayed sums of real means, of fake means and of ones: a sum over the last is an average
        self.sums = torch.zeros(3)

    def __call__(self, step: Step) -> Tensor:
        if step.real_logits is None:
            raise ValueError("LeCam compares D's real logits with its fake ones, and real_logits is None")
        real, fake = wide(step.real_logits), wide(step.fake_logits)
        self.sums = self.sums.to(real.device)  # moves once, at the first step
        with torch.no_grad():
            now = torch.stack([real.mean(), fake.mean(), torch.ones_like(real.mean())])
            self.sums.lerp_(now.to(self.sums.dtype), 1 - self.decay)
            average_real, average_fake = self.sums[:2] / self.sums[2]
        return self.weight * ((real - average_fake).square().mean() + (fake - average_real).square().mean())

    def settings(self) -> dict[str, Any]:
        return {"name": "lecam", "weight": self.weight, "decay": self.decay}

    def state_dict(self) -> dict[str, Tensor]:
        return {"sums": self.sums}

    def moving(self) -> list[Tensor]:
        return [self.sums]

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.sums.copy_(state["sums"])


@torch.no_grad()
def clip_weights(discriminator: nn.Module, limit: float) -> None:
    """Bring every trained weight of D into [-limit, limit], in place; frozen ones stay as they are.

    Arjovsky, Chintala and Bottou (2017), "Wasserstein GAN", algorithm 1, with a limit of 0.01: a crude way to
    bound the critic's slope.
    """
    check_module(discriminator)
    limit = real_number("the limit of the weights", limit, above=0, most=1e38)
    for parameter in discriminator.parameters():
        if parameter.requires_grad:
            parameter.clamp_(-limit, limit)


PENALTIES: dict[str, Penalty] = {
    "r1": lambda discriminator, real, fake, rng: r1(discriminator, real),
    "r2": lambda discriminator, real, fake, rng: r2(discriminator, fake),
    "r1_difference": lambda discriminator, real, fake, rng: r1_difference(discriminator, real, rng),
    "r2_difference": lambda discriminator, real, fake, rng: r2_difference(discriminator, fake, rng),
    "wgan_gp": wgan_gp,
    "dragan": lambda discriminator, real, fake, rng: dragan(discriminator, real, rng),
}
