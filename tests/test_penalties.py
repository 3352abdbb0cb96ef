"""Penalties against closed forms, NumPy, finite differences, and one route against another."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils.parametrizations import spectral_norm

from tgan_lib.losses import LOSSES
from tgan_lib.penalties import PENALTIES, LeCam, clip_weights, dragan, half_squared_norm, r1, r2, wgan_gp
from tgan_lib.training.terms import Step

SHAPE = (2, 3, 3)  # channels, height, width
PIXELS = 18
NAMES = sorted(PENALTIES)


class Linear(nn.Module):
    """D(x) = w x + b, with |w| given."""

    def __init__(self, norm: float, dtype: torch.dtype = torch.float32, seed: int = 0) -> None:
        super().__init__()
        w = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        self.w = nn.Parameter((w * (norm / w.norm())).to(dtype))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.w).flatten(1).sum(1) + 3


class TwoLayers(nn.Module):
    """D(x) = v tanh(W x + b), whose weights may be tensors that are not parameters."""

    def __init__(self, w: Tensor, b: Tensor, v: Tensor) -> None:
        super().__init__()
        self.w, self.b, self.v = w, b, v

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(images.flatten(1) @ self.w.T + self.b) @ self.v


class Recording(nn.Module):
    """Keeps the images it is asked about. D(x) = |x|^2 / 2, so that the gradient is x itself."""

    def forward(self, images: Tensor) -> Tensor:
        self.seen = images.detach()
        return images.flatten(1).square().sum(1) / 2


def weights(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    shapes = ((5, PIXELS), (5,), (5,))
    w, b, v = (torch.randn(s, generator=rng, dtype=torch.float64) * 0.7 for s in shapes)
    return w, b, v


def batch(n: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, *SHAPE, generator=rng, dtype=torch.float64).tanh().to(dtype)


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_net(spectral: bool = False) -> nn.Sequential:
    torch.manual_seed(3)
    wrap: Callable[[Any], Any] = spectral_norm if spectral else lambda layer: layer
    return nn.Sequential(
        wrap(nn.Conv2d(2, 4, 3, padding=1)),
        nn.Softplus(),
        nn.Flatten(),
        wrap(nn.Linear(36, 1)),
        nn.Flatten(0),
    )


def slopes64(images: Tensor, w: Tensor, b: Tensor, v: Tensor) -> np.ndarray:
    """The norm of D's gradient at each image, for TwoLayers, worked out by hand: (N,)."""
    x, w64, b64, v64 = (t.detach().numpy() for t in (images.flatten(1), w, b, v))
    return np.stack([np.linalg.norm((v64 * (1 - np.tanh(w64 @ one + b64) ** 2)) @ w64) for one in x])


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


@pytest.mark.parametrize("name", ["wgan_gp", "dragan"])
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


def value_and_gradients(d: nn.Module, penalty: Callable[[nn.Module], Tensor]) -> list[Tensor]:
    """On a copy of `d`, since spectral norm moves its estimate with each pass."""
    d = copy.deepcopy(d)
    value = penalty(d)
    slopes = torch.autograd.grad(value, list(d.parameters()), allow_unused=True)
    return [value.detach(), *(torch.zeros(()) if s is None else s for s in slopes)]


def equal(found: list[Tensor], expected: list[Tensor]) -> None:
    assert any(e.abs().max() > 0.01 for e in expected[1:])
    for f, e in zip(found, expected, strict=True):
        torch.testing.assert_close(f, e, rtol=1e-6, atol=1e-6 * max(1e-6, e.abs().max().item()))


@pytest.mark.parametrize("spectral", [False, True])
def test_both_routes_give_the_same_value_and_gradients(spectral: bool) -> None:
    d, x = small_net(spectral), batch(4, dtype=torch.float32)
    plain = value_and_gradients(d, lambda d: r1(d, x))
    equal(value_and_gradients(d, lambda d: r1(d, x, route="func")), plain)
    equal(value_and_gradients(d, lambda d: r2(d, x, route="func")), plain)


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


# Precision, and what a recorded step may not do


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", [*NAMES, "func"])
def test_autocast_changes_nothing(name: str, dtype: torch.dtype) -> None:
    """Inside autocast, and from half-precision images, a penalty is the float32 one."""
    d = small_net()
    for parameter in d.parameters():
        parameter.data.mul_(50)  # a squared norm beyond float16's 65504
    x, fake = batch(3).to(dtype), batch(3, 1).to(dtype)

    def penalty(d: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
        return r1(d, x, route="func") if name == "func" else PENALTIES[name](d, x, fake, generator())

    def inside(d: nn.Module) -> Tensor:
        with torch.autocast("cpu", dtype=dtype):
            return penalty(d, x, fake)

    plain = value_and_gradients(d, lambda d: penalty(d, x.float(), fake.float()))
    low = value_and_gradients(d, inside)
    assert plain[0] > 65504
    assert low[0].dtype is torch.float32
    for a, b in zip(low, plain, strict=True):
        assert torch.isfinite(a).all()
        assert torch.equal(a, b)


def test_no_value_is_read_back_from_the_device() -> None:
    """Tensors without values: whatever looks at one (item, float, if) raises here."""
    with FakeTensorMode(allow_non_fake_inputs=False):
        d = small_net()
        x, fake = torch.randn(4, *SHAPE), torch.randn(4, *SHAPE)
        total = sum(penalty(d, x, fake, None) for penalty in PENALTIES.values()) + r1(d, x, route="func")
        term = LeCam(0.3)
        real_logits, fake_logits = d(x), d(fake)
        for loss in LOSSES.values():
            total = total + loss.discriminator(real_logits, fake_logits)
            total = total + loss.generator(fake_logits, real_logits)
        (total + term(step(real_logits, fake_logits))).backward()
        clip_weights(d, 0.01)
        assert all(p.grad is not None for p in d.parameters())


# LeCam


def step(real_logits: Tensor | None, fake_logits: Tensor) -> Step:
    nothing = torch.zeros(())
    return Step(None, nothing, nothing, nothing, real_logits, fake_logits)  # type: ignore[arg-type]


def test_lecam_by_hand_over_three_steps() -> None:
    term = LeCam(0.5, decay=0.75)
    assert term.side == "discriminator"
    steps = [([1.0, 3.0], [-1.0, 0.0]), ([2.0, 2.0], [-3.0, 1.0]), ([0.0, 8.0], [4.0, -2.0])]
    # averages with the bias of an empty beginning taken out: of means 2, 2, 4 and -1/2, -1, 1 with weights
    # 1/4, 3/4 of that, 9/16 of that for this step, the one before, and the one before that
    averages = [
        (2.0, -0.5),
        (2.0, (-1 * 0.25 - 0.5 * 0.1875) / 0.4375),
        (
            (4 * 0.25 + 2 * 0.1875 + 2 * 0.140625) / 0.578125,
            (1 * 0.25 - 1 * 0.1875 - 0.5 * 0.140625) / 0.578125,
        ),
    ]
    for (real, fake), (a_real, a_fake) in zip(steps, averages, strict=True):
        r = torch.tensor(real, requires_grad=True)
        f = torch.tensor(fake, requires_grad=True)
        value = term(step(r, f))
        expected = np.mean([(x - a_fake) ** 2 for x in real]) + np.mean([(x - a_real) ** 2 for x in fake])
        assert value.item() == pytest.approx(0.5 * expected, rel=1e-6)
        value.backward()  # as if the averages were numbers: 2 (x - a) / N, weighted
        assert r.grad.tolist() == pytest.approx([0.5 * (x - a_fake) for x in real], rel=1e-5)
        assert f.grad.tolist() == pytest.approx([0.5 * (x - a_real) for x in fake], rel=1e-5)


def test_lecam_goes_on_where_it_was_saved() -> None:
    logits = [(batch(4, s).flatten(1).sum(1), batch(4, s + 50).flatten(1).sum(1)) for s in range(6)]
    whole, first, second = LeCam(0.3, 0.9), LeCam(0.3, 0.9), LeCam(0.3, 0.9)
    values = [whole(step(*pair)).item() for pair in logits]
    for pair in logits[:3]:
        first(step(*pair))
    address = second.state_dict()["sums"].data_ptr()
    second.load_state_dict({name: t.clone() for name, t in first.state_dict().items()})
    assert [second(step(*pair)).item() for pair in logits[3:]] == values[3:]
    assert second.state_dict()["sums"].data_ptr() == address  # in place: a recorded step finds it there
    assert torch.equal(second.state_dict()["sums"], whole.state_dict()["sums"])
    assert not torch.equal(first.state_dict()["sums"], whole.state_dict()["sums"])
    assert whole.settings() == {"name": "lecam", "weight": 0.3, "decay": 0.9}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_lecam_takes_half_precision_logits(dtype: torch.dtype) -> None:
    real, fake = torch.full((4,), 1e4, dtype=dtype), torch.full((4,), -1e4, dtype=dtype)
    value = LeCam(0.3)(step(real, fake))
    assert value.dtype is torch.float32
    assert value.item() == pytest.approx(0.3 * 2 * (2 * real[0].item()) ** 2, rel=1e-5)


# Clipping


def test_weights_are_clipped_in_place_and_frozen_ones_kept() -> None:
    d = small_net()
    d[0].requires_grad_(False)
    before = {name: p.clone() for name, p in d.named_parameters()}
    addresses = [p.data_ptr() for p in d.parameters()]
    clip_weights(d, 0.05)
    for name, p in d.named_parameters():
        expected = before[name] if name.startswith("0.") else before[name].clamp(-0.05, 0.05)
        assert torch.equal(p, expected)
    assert d[3].weight.abs().max().item() == pytest.approx(0.05)
    assert [p.data_ptr() for p in d.parameters()] == addresses


# What is refused


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), nn.BatchNorm2d(4, track_running_stats=False).eval()])
def test_wgan_gp_refuses_batch_norm_and_says_why(norm: nn.Module) -> None:
    inner = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Sequential(nn.Identity(), norm))
    d = nn.Sequential(inner, nn.Flatten(), nn.Linear(4, 1))
    with pytest.raises(
        ValueError, match=r"batch norm \(0\.1\.1\), which makes each logit depend on the whole"
    ):
        wgan_gp(d, batch(2).float(), batch(2, 1).float())


@pytest.mark.parametrize("norm", [nn.GroupNorm(1, 4), nn.InstanceNorm2d(4), nn.BatchNorm2d(4).eval()])
def test_wgan_gp_takes_norms_that_keep_images_apart(norm: nn.Module) -> None:
    d = nn.Sequential(nn.Conv2d(2, 4, 2), norm, nn.Tanh(), nn.Flatten(), nn.Linear(16, 1))
    assert torch.isfinite(wgan_gp(d, batch(2).float(), batch(2, 1).float()))


def test_wrong_inputs_get_a_sentence() -> None:
    d, x = small_net(), batch(2).float()
    with pytest.raises(ValueError, match=r"shape \(2, 2, 3, 3\) and fake ones \(3, 2, 3, 3\)"):
        wgan_gp(d, x, batch(3).float())
    with pytest.raises(ValueError, match=r"type torch\.uint8; a penalty takes a batch"):
        r1(d, torch.zeros(2, *SHAPE, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"shape \(0, 2, 3, 3\)"):
        dragan(d, x[:0])
    with pytest.raises(ValueError, match=r"no route named 'function' \(did you mean 'func'\?\)"):
        r1(d, x, route="function")
    with pytest.raises(ValueError, match="should require gradients before D sees them"):
        half_squared_norm(d(x), x)
    with torch.no_grad(), pytest.raises(ValueError, match=r"outside of torch\.no_grad"):
        r2(d, x)
    with pytest.raises(ValueError, match="do not depend on the images"):
        half_squared_norm(d(x), x.clone().requires_grad_())
    with pytest.raises(ValueError, match="limit of the weights is 0"):
        clip_weights(d, 0)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="LeCam's weight is"):
            LeCam(weight)
    with pytest.raises(ValueError, match=r"LeCam's decay is 1\.0"):
        LeCam(0.3, decay=1.0)
    with pytest.raises(ValueError, match="real_logits is None"):
        LeCam(0.3)(step(None, x.flatten()))
