"""Penalties against closed forms, NumPy, finite differences, and one route against another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from discriminators import (
    NAMES,
    PIXELS,
    SHAPE,
    Linear,
    Recording,
    TwoLayers,
    batch,
    equal,
    generator,
    slopes64,
    small_net,
    value_and_gradients,
    weights,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tgan_lib.losses import LOSSES
from tgan_lib.penalties import (
    PENALTIES,
    dragan,
    half_squared_norm,
    r1,
    r1_difference,
    r2,
    r2_difference,
    wgan_gp,
)

# Closed forms


@given(n=st.integers(1, 5), norm=st.floats(0.1, 9), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_linear_discriminator_has_the_penalties_of_its_slope(n: int, norm: float, seed: int) -> None:
    d, x, fake = Linear(norm, torch.float64, seed), batch(n, seed), batch(n, seed + 1)
    for value in (r1(d, x), r2(d, fake), r1(d, x, route="func")):
        assert value.item() == pytest.approx(norm**2 / 2, rel=1e-12)
    for value in (wgan_gp(d, x, fake), dragan(d, x)):
        assert value.item() == pytest.approx((norm - 1) ** 2, rel=1e-9, abs=1e-14)


@given(n=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_wgan_gp_is_zero_where_the_slope_is_one(n: int, seed: int) -> None:
    d = Linear(1, seed=seed)
    for value in (
        wgan_gp(d, batch(n, dtype=torch.float32), batch(n, 1, torch.float32)),
        dragan(d, batch(n).float()),
    ):
        assert value.dtype is torch.float32
        assert value.item() < 1e-12


def test_the_gradient_of_r1_on_a_linear_discriminator_is_its_weight() -> None:
    for route in ("autograd", "func"):
        d = Linear(2.5, torch.float64)
        r1(d, batch(3), route=route).backward()
        torch.testing.assert_close(d.w.grad, d.w.detach(), rtol=1e-12, atol=0)


@given(n=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_a_batch_costs_the_mean_of_its_images_by_numpy(n: int, seed: int) -> None:
    """No norm over the batch, no sum in place of a mean; and the mix and the noise are the documented ones."""
    ws, x, fake = weights(seed), batch(n, seed), batch(n, seed + 1)
    d = TwoLayers(*ws)
    for route in ("autograd", "func"):
        assert r1(d, x, route=route).item() == pytest.approx((slopes64(x, *ws) ** 2 / 2).mean(), rel=1e-12)
    assert r2(d, fake).item() == pytest.approx((slopes64(fake, *ws) ** 2 / 2).mean(), rel=1e-12)
    for name, alone in {"r1": r1(d, x), "r2": r2(d, fake), "dragan": dragan(d, x, generator())}.items():
        assert torch.equal(PENALTIES[name](d, x, fake, generator()), alone)
    t = torch.rand(n, 1, 1, 1, generator=generator(), dtype=torch.float64)
    between = slopes64(t * x + (1 - t) * fake, *ws)
    assert wgan_gp(d, x, fake, generator()).item() == pytest.approx(((between - 1) ** 2).mean(), rel=1e-12)
    noise = torch.randn(x.shape, generator=generator(), dtype=torch.float64)
    around = slopes64(x + 0.5 * np.std(x.numpy()) * noise, *ws)
    assert dragan(d, x, generator()).item() == pytest.approx(((around - 1) ** 2).mean(), rel=1e-12)


def test_a_difference_is_the_slope_along_its_noise_and_r1_on_the_average() -> None:
    ws, x = weights(), batch(3)
    noise = torch.randn(x.shape, generator=generator(), dtype=torch.float64)
    linear = Linear(2.0, torch.float64)
    along = (noise * linear.w).flatten(1).sum(1)
    for epsilon in (0.01, 1.0):  # of a linear D the difference is the slope, however far it goes
        value = r1_difference(linear, x, generator(), epsilon)
        assert value.item() == pytest.approx((along**2 / 2).mean().item(), rel=1e-9)
    d, many = TwoLayers(*ws), x.repeat(4000, 1, 1, 1)
    average, exact = r1_difference(d, many, generator()).item(), r1(d, x).item()
    assert average == pytest.approx(exact, rel=5 * 2**0.5 / 12_000**0.5 * 1.5)
    assert r2_difference(d, many, generator()).item() == average
    d.w.requires_grad_()
    ours, theirs = (
        torch.autograd.grad(value, d.w)[0] for value in (r1_difference(d, many, generator()), r1(d, x))
    )
    assert (ours - theirs).norm() < 0.1 * theirs.norm()


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), 2, "small"])
def test_a_difference_over_no_distance_is_refused(epsilon: object) -> None:
    with pytest.raises(ValueError, match="epsilon is"):
        r1_difference(small_net(), batch(2).float(), epsilon=epsilon)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", range(1, 6))
def test_a_batch_costs_the_mean_of_its_images_taken_one_by_one(n: int) -> None:
    d, x = small_net().double(), batch(n)
    for penalty in (r1, r2, lambda d, x: r1(d, x, "func"), lambda d, x: wgan_gp(d, x, x)):
        one_by_one = torch.stack([penalty(d, image[None]) for image in x]).mean()
        assert penalty(d, x).item() == pytest.approx(one_by_one.item(), rel=1e-12)


def test_wgan_gp_mixes_each_image_by_a_number_of_its_own() -> None:
    d, n = Recording(), 400
    wgan_gp(d, torch.ones(n, *SHAPE), torch.zeros(n, *SHAPE), generator())
    t = d.seen.flatten(1)  # what is seen of the real image
    assert torch.equal(t, t[:, :1].expand(-1, PIXELS))  # one number for all pixels of an image
    assert len(t[:, 0].unique()) == n
    assert t.min() >= 0
    assert t.max() < 1
    assert t[:, 0].mean().item() == pytest.approx(0.5, abs=0.06)
    assert t[:, 0].std().item() == pytest.approx(12**-0.5, abs=0.03)


def test_dragan_looks_around_the_reals_at_half_their_spread() -> None:
    d, x = Recording(), batch(400, dtype=torch.float32)
    dragan(d, x, generator())
    noise = d.seen - x
    assert noise.std().item() == pytest.approx(0.5 * x.std().item(), rel=0.05)
    assert abs(noise.mean().item()) < 0.02
    dragan(d, torch.full((2, *SHAPE), 0.5))  # no spread, no noise
    assert torch.equal(d.seen, torch.full((2, *SHAPE), 0.5))


@pytest.mark.parametrize("name", ["wgan_gp", "dragan", "r1_difference", "r2_difference"])
def test_random_numbers_come_from_the_given_generator(name: str) -> None:
    d, x, fake = small_net(), batch(3, dtype=torch.float32), batch(3, 1, torch.float32)
    before = torch.get_rng_state()
    a, b, c = (PENALTIES[name](d, x, fake, generator(seed)).item() for seed in (1, 1, 2))
    assert a == b != c
    assert torch.equal(torch.get_rng_state(), before)


# Gradients in D's weights


@pytest.mark.parametrize("name", [*NAMES, "func"])
def test_gradients_in_the_weights_by_finite_differences(name: str) -> None:
    x, fake = batch(3), batch(3, 1)

    def penalty(*ws: Tensor) -> Tensor:
        d = TwoLayers(*ws)
        value = r1(d, x, route="func") if name == "func" else PENALTIES[name](d, x, fake, generator())
        assert value.dtype is torch.float64
        return value

    assert torch.autograd.gradcheck(penalty, tuple(w.requires_grad_() for w in weights()))


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
def test_a_flat_discriminator_gives_a_finite_gradient(name: str) -> None:
    """At slope 0 the norm has no derivative; a plain square root would give NaN here."""
    d = Linear(1)
    nn.init.zeros_(d.w)
    value = PENALTIES[name](d, batch(2).float(), batch(2, 1).float(), None)
    value.backward()
    assert value.item() == 1
    assert torch.equal(d.w.grad, torch.zeros(SHAPE))


@pytest.mark.parametrize("spectral", [False, True])
def test_both_routes_give_the_same_value_and_gradients(spectral: bool) -> None:
    d, x = small_net(spectral), batch(4, dtype=torch.float32)
    plain = value_and_gradients(d, lambda d: r1(d, x))
    equal(value_and_gradients(d, lambda d: r1(d, x, route="func")), plain)
    equal(value_and_gradients(d, lambda d: r2(d, x, route="func")), plain)


@pytest.mark.skipif(torch.__version__ < "2.5", reason="torch 2.4 does not compile functional_call")
def test_the_func_route_compiles_as_one_graph_with_the_same_gradients() -> None:
    torch._dynamo.reset()
    d, x = small_net(), batch(4, dtype=torch.float32)
    compiled = torch.compile(lambda d, x: r1(d, x, route="func"), backend="aot_eager", fullgraph=True)
    for _ in range(2):  # again after a step: weights are read, not baked in
        found = [
            (v := compiled(d, x)).detach(),
            *torch.autograd.grad(v, list(d.parameters()), allow_unused=True),
        ]
        found = [torch.zeros(()) if f is None else f for f in found]
        equal(found, value_and_gradients(d, lambda d: r1(d, x)))
        with torch.no_grad():
            for parameter in d.parameters():
                parameter.add_(0.1)


def test_the_func_route_leaves_buffers_alone_and_the_other_moves_them() -> None:
    x = batch(4, dtype=torch.float32)
    normed = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(4, 1))
    for d in (small_net(spectral=True), normed):
        before = {name: b.clone() for name, b in d.named_buffers()}
        r1(d, x, route="func").backward()
        assert all(torch.equal(b, before[name]) for name, b in d.named_buffers())
        r1(d, x).backward()
        assert not all(torch.equal(b, before[name]) for name, b in d.named_buffers())


def test_r1_from_logits_that_are_there_already() -> None:
    d, x, fake = small_net(), batch(4, dtype=torch.float32), batch(4, 1, torch.float32)
    loss = LOSSES["non_saturating"].discriminator

    def reused(d: nn.Module) -> Tensor:
        images = x.clone().requires_grad_()
        logits = d(images)
        return loss(logits, d(fake)) + 3 * half_squared_norm(logits, images)

    equal(
        value_and_gradients(d, reused), value_and_gradients(d, lambda d: loss(d(x), d(fake)) + 3 * r1(d, x))
    )


@pytest.mark.parametrize("name", NAMES)
def test_nothing_flows_back_into_the_images(name: str) -> None:
    x, fake = batch(2, dtype=torch.float32).requires_grad_(), batch(2, 1, torch.float32).requires_grad_()
    PENALTIES[name](small_net(), x, fake, None).backward()
    assert x.grad is None
    assert fake.grad is None
