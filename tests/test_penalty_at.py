"""R1 and R2 of D(T(x)): in the pixels of the augmented image, or in those of x, as StyleGAN2-ADA's authors take it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tgan_lib.augment import ADA, Augment, DiffAugment
from tgan_lib.data import Images
from tgan_lib.gan import GAN
from tgan_lib.penalties import Augmented, half_squared_norm, r1
from tgan_lib.training.checkpoint import CheckpointError
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import SCALARS, Run
from tgan_lib.training.train import train

B = 8
IMAGES = Images(
    torch.randint(0, 256, (32, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
)
SETTINGS = Settings(batch_size=B, penalties={"r1": 1.0, "r2": 0.5}, penalty_at="before")
AUGMENTS = {"diff": DiffAugment, "ada": lambda: ADA(p=0.8), "colour": lambda: DiffAugment("color")}


def small() -> GAN:
    return GAN.build("dcgan", size=16, channels=3, latent_dim=4, width=8, init="default", device="cpu")


def by_hand(settings: Settings, augment: Augment) -> tuple[Tensor, Tensor]:
    """D's loss and the penalty of a run's first update, from the same draws."""
    gan = small()
    run = Run(gan, IMAGES, settings)  # for its sampler and random numbers only
    indices, z = run.draw()
    x = IMAGES.batch(indices[0]).requires_grad_()
    fake = gan.generator(z[0]).detach().requires_grad_()
    seen_x, seen_fake = augment(x, run.noise), augment(fake, run.noise)
    real_logits, fake_logits = gan.discriminator(seen_x), gan.discriminator(seen_fake)
    at = (x, fake) if settings.penalty_at == "before" else (seen_x, seen_fake)
    penalty = half_squared_norm(real_logits, at[0]) + 0.5 * half_squared_norm(fake_logits, at[1])
    return run.loss.discriminator(real_logits, fake_logits), penalty


@pytest.mark.parametrize("place", ["augmented", "before"])
@pytest.mark.parametrize("name", AUGMENTS)
def test_the_penalty_is_taken_where_it_was_asked_for(name: str, place: str) -> None:
    settings = replace(SETTINGS, penalty_at=place)
    loss, penalty = by_hand(settings, AUGMENTS[name]())
    run = Run(small(), IMAGES, settings, AUGMENTS[name]())
    found = dict(zip(SCALARS, run.one_step(), strict=True))
    torch.testing.assert_close(found["penalty"], penalty.detach(), rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(found["d_loss"], loss.detach(), rtol=1e-4, atol=1e-6)
    assert all(torch.isfinite(w).all() for w in run.gan.discriminator.state_dict().values())


def test_the_two_places_differ_and_without_augmentation_they_do_not() -> None:
    def penalty(place: str, augment: Augment | None) -> float:
        run = Run(small(), IMAGES, replace(SETTINGS, penalty_at=place), augment)
        return dict(zip(SCALARS, run.one_step().tolist(), strict=True))["penalty"]

    before, after = (penalty(place, DiffAugment("cutout")) for place in ("before", "augmented"))
    assert before < 0.95 * after  # D is flat in what is cut out
    assert penalty("before", None) == penalty("augmented", None)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("penalty", ["r1", "r2", "wgan_gp", "dragan"])
def test_every_penalty_trains_before_an_augmentation(penalty: str, precision: str) -> None:
    settings = replace(SETTINGS, penalties={penalty: 1.0}, precision=precision, d_steps=2)
    run = Run(small(), IMAGES, settings, ADA(p=0.8))
    weights = [p.detach().clone() for p in run.d_parameters]
    scalars = dict(zip(SCALARS, run.one_step().tolist(), strict=True))
    assert scalars["penalty"] > 0
    assert all(torch.isfinite(torch.tensor(value)) for value in scalars.values())
    assert any(not torch.equal(a, b) for a, b in zip(weights, run.d_parameters, strict=True))


def test_an_augmented_discriminator_has_r1_of_the_composition() -> None:
    """T doubles contrast: the slope in x is twice the slope in T(x)."""
    d = small().discriminator
    x = IMAGES.batch(range(B))
    torch.testing.assert_close(r1(Augmented(d, lambda y: 2 * y), x), 4 * r1(d, 2 * x))


def test_a_run_keeps_its_place(tmp_path: object) -> None:
    options = {"penalties": {"r1": 1.0}, "batch_size": B, "run_dir": tmp_path, "progress": False}
    train(small(), IMAGES, steps=1, penalty_at="before", augment=DiffAugment(), **options)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="penalty_at='before', but penalty_at='augmented'"):
        train(small(), IMAGES, steps=2, augment=DiffAugment(), **options)  # type: ignore[arg-type]
