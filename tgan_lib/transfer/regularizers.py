"""What holds training to where it started: terms that are added to a loss while a GAN is transferred.

    L2SP    w/2 |theta - theta_0|^2            Li, Grandvalet and Davoine (2018), "Explicit Inductive Bias for Transfer
                                               Learning with Convolutional Networks"
    EWC     w/2 sum_i F_i (theta - theta_0)_i^2   Kirkpatrick et al. (2017), "Overcoming catastrophic forgetting in
                                               neural networks", equation 3; for G: Li, Zhang, Lu and Shechtman (2020),
                                               "Few-shot Image Generation with Elastic Weight Consolidation"
    CrossDomainCorrespondence                  Ojha, Li, Lu, Efros, Lee, Shechtman and Zhang (2021), "Few-shot Image
                                               Generation via Cross-domain Correspondence"

theta are a network's trained parameters and theta_0 what they were when the term was made, so make a term after
`start_from` and whatever freezes or adapts layers, and before training. F is the diagonal of the Fisher information,
large where the source would notice a change. The first two hold weights; the third lets weights go and holds how
samples relate to each other: two that were alike should stay alike.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.functional import normalize

from ..device import evaluating
from ..errors import (
    check_kind,
    check_tensor,
    one_of,
    real_number,
    seed_number,
    shown,
    true_or_false,
    whole_number,
)
from ..features.taps import tapped
from ..gan import GAN
from ..losses import wide
from ..networks import layers
from ..plain import hash_of
from ..training.terms import Step, Term

Side = Literal["generator", "discriminator"]
LABELS = ("model", "real")
MOST_SAMPLES = 1_000_000  # latents are drawn at once


class L2SP(Term):
    """weight / 2 times the squared distance of a network's trained parameters from where they are now.

    "SP" is the starting point; weight decay (L2) would pull to 0 instead. (The paper does that to layers that are not
    the source's; here they are held to their random start like all others.) `network`: "generator" or "discriminator",
    whose loss the term joins. The starting point is in the term's state: a resumed run goes on with the one it
    began with.
    """

    def __init__(self, gan: GAN, weight: float, network: Side = "generator") -> None:
        check_kind("gan", gan, GAN, "a GAN")
        self.weight = real_number(f"{type(self).__name__}'s weight", weight, 0)
        self.side = one_of("network", network, ("generator", "discriminator"))
        self.start = {name: p.detach().clone() for name, p in trained(getattr(gan, network)).items()}

    def __call__(self, step: Step) -> Tensor:
        now = dict(getattr(step.gan, self.side).named_parameters())
        if not now.keys() >= self.start.keys():
            raise ValueError(
                f"{type(self).__name__} was made for other parameters of the {self.side}, such as "
                f"{min(self.start.keys() - now.keys())}; make it after the methods that change a network"
            )
        parts = [self.importance(name, now[name] - start).sum() for name, start in self.start.items()]
        return self.weight / 2 * torch.stack(parts).sum()

    def importance(self, name: str, change: Tensor) -> Tensor:
        """What the changes of one parameter tensor cost, each of its entries."""
        return change.square()

    def settings(self) -> dict[str, Any]:
        return {"name": "l2sp", "weight": self.weight, "network": self.side}

    def state_dict(self) -> dict[str, Tensor]:
        return {f"start.{name}": tensor for name, tensor in self.start.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])


class EWC(L2SP):
    """weight / 2 sum_i F_i (theta - theta_0)_i^2 on G's trained parameters, and F from D's judgement of G's samples.

    D's logit s of a sample G(z) is a model of a label, p(real) = sigmoid(s), whose Fisher information in G's weights
    is E p (1 - p) (ds/dtheta)^2, estimated from `samples` latents drawn with `seed` (see `fisher_diagonal`, where
    `labels` is explained). `judge` is the D that is asked, by default `gan.discriminator`: after `start_from` the
    source's own, and if that was left fresh, give the source's. Both run in eval mode: in train mode batch norm makes
    each sample depend on all others, and there is no gradient of one sample alone.

    F and theta_0 are in the term's state. F = 1 would be L2SP. F is small where D is sure of itself, so good weights
    are large and differ between GANs. `relative` divides F by its mean over parameters (`scale`), so that a weight
    means what L2SP's means; ValueError where that mean is 0.
    """

    def __init__(
        self,
        gan: GAN,
        weight: float,
        *,
        judge: nn.Module | None = None,
        samples: int = 256,
        labels: str = "model",
        seed: int = 0,
        relative: bool = False,
    ) -> None:
        super().__init__(gan, weight)
        self.samples, self.seed = whole_number("EWC's samples", samples, 1, MOST_SAMPLES), seed_number(seed)
        self.labels, self.relative = (
            one_of("choice of labels", labels, LABELS),
            true_or_false("relative", relative),
        )
        if judge is not None:
            check_kind("judge", judge, nn.Module, "a discriminator (nn.Module), or None for the GAN's own,")
        self.judge = None if judge is None else hash_of(judge.state_dict())
        generator, judge = gan.generator, gan.discriminator if judge is None else judge

        def logit(parameters: dict[str, Tensor], z: Tensor) -> Tensor:
            logits: Tensor = judge(functional_call(generator, parameters, (z[None],)))
            return logits[0]

        with evaluating(generator), evaluating(judge):
            self.fisher = fisher_diagonal(logit, self.start, gan.latents(samples, seed), labels)
        if self.relative:
            scale = self.scale
            if not scale > 0:
                raise ValueError(
                    f"the mean of the Fisher information is {scale:g} (0 where D is sure of every sample of G), and "
                    "nothing can be relative to that; L2SP is right"
                )
            for fisher in self.fisher.values():
                fisher.div_(scale)

    @property
    def scale(self) -> float:
        """The mean of F over all parameters. Waits for the device."""
        return float(torch.cat([f.flatten() for f in self.fisher.values()]).mean())

    def importance(self, name: str, change: Tensor) -> Tensor:
        return self.fisher[name] * change.square()

    def settings(self) -> dict[str, Any]:
        numbers = {"samples": self.samples, "labels": self.labels, "seed": self.seed}
        more = {"relative": self.relative, "judge": self.judge}
        return {"name": "ewc", "weight": self.weight} | numbers | more

    def state_dict(self) -> dict[str, Tensor]:
        return super().state_dict() | {f"fisher.{name}": tensor for name, tensor in self.fisher.items()}


@torch.no_grad()
def fisher_diagonal(
    logit: Callable[[dict[str, Tensor], Tensor], Tensor],
    parameters: Mapping[str, Tensor],
    inputs: Tensor,
    labels: str = "model",
    batch_size: int = 16,
) -> dict[str, Tensor]:
    """The diagonal of the Fisher information of p(y = 1 | x) = sigmoid(logit(parameters, x)), shaped as `parameters`.

    It is the mean over `inputs` (N, ...) of *each one's* squared gradient of log p(y | x); the square of the mean
    gradient would be something else, and 0 at a minimum. logit: (parameters, one input) -> a scalar, and nothing in
    it may change in place. `batch_size` inputs are differentiated at once.

    labels: where y comes from. "model": y is drawn from the model itself, and the mean over draws is taken in closed
    form, p (1 - p) (ds)^2 with s the logit. This is the Fisher information, the curvature that EWC's quadratic stands
    for, and counts inputs of which the model is unsure. "real": y is always 1, (1 - p)^2 (ds)^2, the empirical
    Fisher, which counts most the inputs that the model takes for fake (Kunstner, Balles and Hennig 2019, "Limitations
    of the Empirical Fisher Approximation for Natural Gradient Descent").
    """
    one_of("choice of labels", labels, LABELS)
    check_kind("logit", logit, Callable, "a function of (parameters, one input)")  # type: ignore[arg-type]
    check_kind("parameters", parameters, Mapping, "a dictionary of tensors by name")
    check_tensor("inputs", inputs)
    if inputs.ndim < 1 or len(inputs) == 0:
        raise ValueError(f"inputs have shape {tuple(inputs.shape)}; (N, ...) with N of 1 or more is right")
    if not parameters:
        raise ValueError(f"parameters is {shown(parameters)}; one tensor or more is right")
    for name, parameter in parameters.items():
        check_tensor(f"the parameter {shown(name)}", parameter)
    batch_size = whole_number("batch_size", batch_size)
    wanted = {name: p.detach() for name, p in parameters.items()}
    slopes = vmap(grad_and_value(logit), in_dims=(None, 0))
    total = {name: torch.zeros_like(p) for name, p in wanted.items()}
    for part in inputs.split(batch_size):
        gradients, logits = slopes(wanted, part)
        p = logits.sigmoid()
        share = p * (1 - p) if labels == "model" else (1 - p).square()
        for name, gradient in gradients.items():
            total[name] += torch.einsum("n,n...->...", share.to(gradient.dtype), gradient.square())
    return {name: t / len(inputs) for name, t in total.items()}


class CrossDomainCorrespondence(Term):
    """weight times how much G's samples relate to each other otherwise than the source's do from the same latents.

    At a layer l, sample i's activations have cosine similarities to those of the others, made into a distribution,

        y_i = softmax over j != i of sim(G_l(z_i), G_l(z_j)),

    and the term is the KL divergence from the target's y to the source's, sum_j y_source log(y_source / y_target),
    averaged over layers, samples and the others j (the authors' code takes that mean over elements too, and draws a
    layer for each sample where we take all; its weight is 1000). It is 0 where target and source are the same.

    source: its running average is copied and never changes. anchors: how many latents of the step are compared, the
    first ones. taps: names of layers in both networks, as in `features.taps`; by default the outputs of all of the
    source's layers but the last, behind their activations, in pairs counted from the pixels (a miner before G has no
    partner). Both networks run these latents in eval mode: batch norm would otherwise mix the few samples that are
    compared, and count them in its statistics.
    """

    def __init__(
        self, source: GAN, weight: float = 1000.0, anchors: int = 4, taps: Sequence[str] | None = None
    ) -> None:
        check_kind("source", source, GAN, "a GAN")
        self.weight = real_number("CrossDomainCorrespondence's weight", weight, 0)
        self.anchors = whole_number("anchors", anchors, 3)  # among two each has only one other
        if taps is not None and (
            not isinstance(taps, (list, tuple)) or not all(isinstance(name, str) for name in taps)
        ):
            raise ValueError(f"taps is {shown(taps)}; a list of layers' names, as ['net.3'], is right")
        self.source = copy.deepcopy(source.ema).requires_grad_(False).eval()
        self.named = None if taps is None else list(taps)
        self.taps = hidden_outputs(self.source) if taps is None else list(taps)
        if not self.taps:
            raise ValueError(
                f"{type(self.source).__name__} has no layers to compare; give the name of at least one"
            )
        self.hash = hash_of(self.source.state_dict())

    def __call__(self, step: Step) -> Tensor:
        z = step.z[: self.anchors]
        if len(z) < self.anchors:
            raise ValueError(
                f"the batch has {len(z)} latents; {self.anchors} or more is right, one for each anchor"
            )
        target = step.gan.generator
        ours = self.taps if self.named is not None else hidden_outputs(target)[-len(self.taps) :]
        with evaluating(target):
            changed = tapped(target, z, ours).values()
        with torch.no_grad():
            kept = tapped(self.source, z, self.taps).values()
        pairs = zip(kept, changed, strict=True)
        return self.weight * torch.stack([correspondence(a, b) for a, b in pairs]).mean()

    def settings(self) -> dict[str, Any]:
        return {
            "name": "cross_domain_correspondence",
            "weight": self.weight,
            "anchors": self.anchors,
            "taps": self.taps,
            "source": self.hash,
        }


def correspondence(source: Tensor, target: Tensor) -> Tensor:
    """KL(y_source || y_target), the mean over its elements, for activations (N, ...) of the same N latents."""
    kept, now = relations(source), relations(target)
    if len(kept) != len(now):
        raise ValueError(
            f"there are {len(kept)} samples of the source and {len(now)} of the target; as many are right"
        )
    return (kept.exp() * (kept - now)).mean()


def relations(activations: Tensor) -> Tensor:
    """Activations (N, ...) of N samples -> log y, (N, N - 1): each one's likeness to the others alone, in a cycle."""
    check_tensor("activations", activations)
    if activations.ndim < 2 or len(activations) < 2 or activations[0].numel() == 0:
        raise ValueError(
            f"activations have shape {tuple(activations.shape)}; (N, ...) with N of 2 or more is right"
        )
    flat = normalize(wide(activations.flatten(1)), dim=1)
    n = len(flat)
    there = torch.arange(n, device=flat.device)
    others = (there[:, None] + there[1:]) % n
    return (flat @ flat.T).gather(1, others).log_softmax(1)


def hidden_outputs(generator: nn.Module) -> list[str]:
    """Names of the children of `net` that are the last before another layer begins."""
    net: Any = generator.net
    starts = {id(layer[0]) for layer in layers(generator)[1:]}
    return [f"net.{i - 1}" for i, child in enumerate(net) if id(child) in starts]


def trained(network: nn.Module) -> dict[str, Tensor]:
    """The parameters that train, by name; ValueError if none does."""
    found: dict[str, Tensor] = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not found:
        raise ValueError(
            f"every parameter of {type(network).__name__} is frozen, so there is nothing to hold"
        )
    return found
