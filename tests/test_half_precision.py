"""Half precision: gradients are float32's but for rounding, an overflow costs one update, nothing stalls unsaid."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tgan_lib.data import Images
from tgan_lib.gan import GAN
from tgan_lib.losses import LOSSES
from tgan_lib.networks import NETWORKS
from tgan_lib.penalties import PENALTIES, LeCam
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import Run
from tgan_lib.training.terms import Step, Term
from tgan_lib.training.train import train

B = 8
# As they are used; 1 for any other.
WEIGHTS = {"r1": 0.5, "r2": 0.5, "wgan_gp": 10.0, "dragan": 10.0}
# Rates at which no weight moves, so that every update of a step has the gradients of the same weights.
STILL = Settings(batch_size=B, d_steps=2, learning_rates=(1e-12, 1e-12))


def pixels(size: int = 16) -> Images:
    rng = torch.Generator().manual_seed(0)
    return Images(torch.randint(0, 256, (32, 1, size, size), dtype=torch.uint8, generator=rng))


def small(network: str = "dcgan", size: int = 16) -> GAN:
    return GAN.build(network, size=size, latent_dim=8, width=8, device="cpu")


def gradients(settings: Settings) -> tuple[list[Tensor], list[Tensor]]:
    """Of one step: D's gradients at each of its updates, and G's, flat, as the optimisers took them."""
    run = Run(small(), pixels(), settings)
    if run.scaler.is_enabled():  # a scale from which no first update is left out
        run.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    taken: tuple[list[Tensor], list[Tensor]] = ([], [])
    for optimiser, found in zip((run.d_optimiser, run.g_optimiser), taken, strict=True):
        for group in optimiser.param_groups:

            def keep(*_: object, group: dict = group, found: list[Tensor] = found) -> None:  # type: ignore[type-arg]
                found.append(torch.cat([p.grad.flatten() for p in group["params"]]).clone())

            optimiser.register_step_post_hook(keep)
    run.one_step()
    return taken


def agree(settings: Settings) -> None:
    """One step in each half precision has the gradients of float32 within the rounding of its digits."""
    expected = gradients(settings)
    for precision, tolerance in (("fp16", 0.08), ("bf16", 0.2)):
        found = gradients(replace(settings, precision=precision))
        for ours, theirs in zip(found, expected, strict=True):
            assert len(ours) == len(theirs)
            for a, b in zip(ours, theirs, strict=True):
                assert b.norm() > 0
                assert (a - b).norm() < tolerance * b.norm(), precision


@pytest.mark.parametrize(
    ("loss", "penalty"), list(itertools.product(sorted(LOSSES), [None, *sorted(PENALTIES)]))
)
def test_gradients_are_those_of_float32_with_every_loss_and_penalty(loss: str, penalty: str | None) -> None:
    assert WEIGHTS.keys() <= PENALTIES.keys()
    agree(replace(STILL, loss=loss, penalties={penalty: WEIGHTS.get(penalty, 1.0)} if penalty else {}))


def test_gradients_are_those_of_float32_with_all_penalties_lazily_and_clipping() -> None:
    agree(replace(STILL, loss="hinge", penalties=WEIGHTS, penalty_every=4, d_steps=5, clip=1.0, mirror=True))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_trains_in_half_precision(network: str, precision: str) -> None:
    gan = small(network)
    options = {"precision": precision, "d_steps": 2, "penalties": {"r1": 0.1}, "batch_size": B}
    history = train(gan, pixels(), steps=2, log_every=1, progress=False, **options)  # type: ignore[arg-type]
    assert history.notes["steps"] == 2
    assert all(torch.isfinite(w).all() for m in gan.modules().values() for w in m.state_dict().values())


class Overflow(Term):
    """Adds an infinite slope to one side's loss, whose value stays what it is, at those of its calls that are named."""

    def __init__(self, side: str, at: Callable[[int], bool]) -> None:
        self.side, self.at, self.calls = side, at, 0  # type: ignore[assignment]

    def __call__(self, step: Step) -> Tensor:
        self.calls += 1
        weights = torch.cat([p.flatten() for p in getattr(step.gan, self.side).parameters()])
        found: Tensor = Slope.apply(weights) if self.at(self.calls) else 0 * weights.sum()
        return found

    def settings(self) -> dict[str, str]:
        return {"name": "overflow", "side": self.side}


class Slope(torch.autograd.Function):
    """0, with an infinite gradient."""

    @staticmethod
    def forward(ctx: object, weights: Tensor) -> Tensor:
        ctx.shape = weights.shape  # type: ignore[attr-defined]
        return weights.new_zeros(())

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> Tensor:
        return slope.new_full(ctx.shape, torch.inf)  # type: ignore[attr-defined]


def counts(run: Run) -> tuple[int, int]:
    """Updates that D's optimiser and G's have taken."""
    d, g = (next(iter(o.state.values()))["step"] for o in (run.d_optimiser, run.g_optimiser))
    return int(d), int(g)


@pytest.mark.parametrize(("side", "expected"), [("discriminator", (5, 3)), ("generator", (6, 2))])
def test_an_overflow_leaves_out_one_update_and_halves_the_scale(side: str, expected: tuple[int, int]) -> None:
    settings = Settings(batch_size=B, d_steps=2, precision="fp16", loss="wasserstein")
    gan = small()
    run = Run(gan, pixels(), settings, terms=[Overflow(side, lambda call: call == 2)])
    start = run.scaler.get_scale()
    for _ in range(3):
        assert torch.isfinite(run.one_step()).all()
    assert run.scaler.get_scale() == start / 2
    assert counts(run) == expected
    assert all(torch.isfinite(w).all() for m in gan.modules().values() for w in m.state_dict().values())


def test_a_run_whose_every_update_is_left_out_says_so() -> None:
    """Losses stay finite then, and without a word nothing would ever be learnt."""
    term = Overflow("discriminator", lambda call: True)
    with pytest.raises(FloatingPointError, match=r'every gradient of late stopped being .* precision="fp32"'):
        train(small(), pixels(), terms=[term], precision="fp16", steps=60, batch_size=B, progress=False)


def test_terms_and_half_precision_resume_with_their_scale(tmp_path: object) -> None:
    options = {"precision": "fp16", "d_steps": 3, "loss": "hinge", "batch_size": B, "progress": False}

    def go(steps: int, run_dir: object = None) -> GAN:
        gan = small()
        terms = [LeCam(0.3), Overflow("discriminator", lambda call: False)]
        train(gan, pixels(), steps=steps, terms=terms, run_dir=run_dir, **options)  # type: ignore[arg-type]
        return gan

    whole = go(6)
    go(3, tmp_path)
    resumed = go(6, tmp_path)
    for part, module in whole.modules().items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, resumed.modules()[part].state_dict()[key]), key
