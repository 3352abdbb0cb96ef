"""A discriminator that compares the images of a batch, and a training that shows it reals and fakes apart."""

from __future__ import annotations

import pytest
import torch

from tgan_lib import GAN, train
from tgan_lib.data.images import Images
from tgan_lib.networks.parts import MinibatchStd


def test_one_number_for_each_group_of_neighbours() -> None:
    x = torch.randn(6, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    told = MinibatchStd(3)(x)
    assert told.shape == (6, 4, 2, 2)
    assert torch.equal(told[:, :3], x)
    for first in (0, 3):
        group = x[first : first + 3]
        expected = (group - group.mean(0)).square().mean(0).sqrt().mean()
        torch.testing.assert_close(told[first : first + 3, 3], expected.expand(3, 2, 2), rtol=1e-6, atol=1e-6)


def test_a_short_last_group_borrows_the_first_images() -> None:
    x = torch.randn(5, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    told = MinibatchStd(4)(x)
    torch.testing.assert_close(told[4:, 2], MinibatchStd(4)(x[[4, 0, 1, 2]])[:1, 2])
    torch.testing.assert_close(told[:4], MinibatchStd(4)(x[:4]))


def test_a_batch_smaller_than_a_group_is_a_group() -> None:
    x = torch.tensor([1.0, 5.0]).reshape(2, 1, 1, 1)
    assert MinibatchStd(8)(x)[:, 1].flatten().tolist() == [2.0, 2.0]
    assert MinibatchStd(8)(x[:1])[0, 1].item() == pytest.approx(1e-4)


def test_copies_have_a_finite_slope() -> None:
    x = torch.ones(4, 1, 2, 2, requires_grad=True)
    MinibatchStd(4)(x)[:, 1].sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(("options", "compares"), [({}, False), ({"minibatch_std": 4}, True)])
def test_a_mixed_difference_between_images_says_who_compares(options: dict[str, int], compares: bool) -> None:
    """Chapter 3's mixed difference, with images of a batch for places."""
    gan = GAN.build("conv", size=28, latent_dim=4, width=8, device="cpu", init="default", **options)
    d = gan.discriminator.double().eval()
    x, y = (
        torch.rand(2, 4, 1, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        .mul(2)
        .sub(1)
    )
    first, second, both = x.clone(), x.clone(), x.clone()
    first[0], second[1] = y[0], y[1]
    both[:2] = y[:2]
    with torch.no_grad():
        mixed = (d(x) - d(first) - d(second) + d(both)).sum().abs().item()
    assert (mixed > 1e-9) == compares


def test_training_shows_it_reals_and_fakes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    forward = MinibatchStd.forward

    def watched(self: MinibatchStd, x: torch.Tensor) -> torch.Tensor:
        seen.append(told := forward(self, x))
        return told

    monkeypatch.setattr(MinibatchStd, "forward", watched)
    gan = GAN.build("conv", size=28, latent_dim=4, width=8, device="cpu", minibatch_std=4)
    images = Images(torch.zeros(8, 1, 28, 28, dtype=torch.uint8))  # all the same: reals have no deviation
    for precision in ("fp32", "bf16"):  # the one shares R1's pass with D's loss, the other does not
        train(gan, images, steps=1, batch_size=6, penalties={"r1": 1.0}, precision=precision, progress=False)
    assert {len(told) for told in seen} == {6, 8}  # 8 are looked at before and after; never 12 in one pass
    assert any(told[:, -1].max() < 1.1e-4 for told in seen)  # reals
    assert any(told[:, -1].min() > 1.1e-4 for told in seen)  # fakes


def test_a_group_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="minibatch_std is 1"):
        GAN.build("conv", size=28, device="cpu", minibatch_std=1)
    with pytest.raises(ValueError, match="minibatch_std is -1"):
        GAN.build("conv", size=28, device="cpu", minibatch_std=-1)
