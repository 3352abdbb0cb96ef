"""Penalties in half precision and without a look at the device; LeCam's regulariser; clipping; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from discriminators import (
    NAMES,
    SHAPE,
    batch,
    generator,
    small_net,
    value_and_gradients,
)
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from tgan_lib.losses import LOSSES
from tgan_lib.penalties import PENALTIES, LeCam, clip_weights, dragan, half_squared_norm, r1, r2, wgan_gp
from tgan_lib.training.terms import Step

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
