"""One step of a run under every option, beside the same step written out plainly in a few lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tgan_lib.augment import ADA, DiffAugment
from tgan_lib.data import Images, load
from tgan_lib.device import training_mode
from tgan_lib.gan import GAN
from tgan_lib.losses import LOSSES
from tgan_lib.penalties import PENALTIES, LeCam
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import SCALARS, Run
from tgan_lib.training.terms import Step, Term
from tgan_lib.training.train import train

B = 8
SETTINGS = Settings(batch_size=B, ema_half_life=100.0)


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=64, device="cpu")


def small(network: str = "dcgan", seed: int = 0) -> GAN:
    return GAN.build(network, size=28, latent_dim=8, width=8, seed=seed, device="cpu")


def state(gan: GAN) -> dict[str, Tensor]:
    return {f"{part}.{k}": v.clone() for part, m in gan.modules().items() for k, v in m.state_dict().items()}


def plainly(gan: GAN, images: Images, settings: Settings, steps: int) -> None:
    """The textbook's step: no shared passes, no fused kernels, D's gradients computed in G's step too."""
    twin = Run(small(), images, settings)  # for its sampler and random numbers only
    g, d, loss = gan.generator, gan.discriminator, LOSSES[settings.loss]
    g_optimiser = torch.optim.Adam(g.parameters(), settings.learning_rates[0], settings.betas)
    d_optimiser = torch.optim.Adam(d.parameters(), settings.learning_rates[1], settings.betas)
    for step in range(steps):
        indices, z = twin.draw()
        for i in range(settings.d_steps):
            x, fake = images.batch(indices[i], mirror=settings.mirror), g(z[i])
            d_loss = loss.discriminator(d(x), d(fake.detach()))
            if step % settings.penalty_every == 0:
                for name, weight in settings.penalties.items():
                    part = PENALTIES[name](d, x, fake.detach(), twin.noise)
                    d_loss = d_loss + settings.penalty_every * weight * part
            d_optimiser.zero_grad()
            d_loss.backward()
            d_optimiser.step()
            if settings.clip is not None:
                with torch.no_grad():
                    for p in d.parameters():
                        p.clamp_(-settings.clip, settings.clip)
        g_optimiser.zero_grad()
        loss.generator(d(fake), d(x) if loss.needs_real else None).backward()
        g_optimiser.step()


CASES = {
    "two rates": replace(SETTINGS, learning_rates=(1e-3, 4e-4), betas=(0.0, 0.9)),
    "r1": replace(SETTINGS, penalties={"r1": 0.5}),
    "r1 and r2, relativistic": replace(SETTINGS, loss="relativistic", penalties={"r1": 0.5, "r2": 0.5}),
    "wgan-gp": replace(SETTINGS, loss="wasserstein", penalties={"wgan_gp": 10.0}, d_steps=3),
    "dragan": replace(SETTINGS, penalties={"dragan": 10.0}),
    "clipping": replace(SETTINGS, loss="wasserstein", clip=0.01, d_steps=2),
    "lazy r1": replace(SETTINGS, penalties={"r1": 0.5}, penalty_every=2),
    "mirror": replace(SETTINGS, mirror=True),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_equals_the_same_step_written_out_plainly(digits: Images, case: str) -> None:
    ours, plain, settings = small(), small(), CASES[case]
    run = Run(ours, digits, settings)
    for _ in range(3):
        run.one_step()
    plainly(plain, digits, settings, 3)
    for part in ("generator", "discriminator"):
        a, b = getattr(ours, part).state_dict(), getattr(plain, part).state_dict()
        for key, value in a.items():
            torch.testing.assert_close(value, b[key], rtol=2e-3, atol=2e-5, msg=lambda m, k=key: f"{k}: {m}")


def test_a_discriminator_with_batch_norm_sees_reals_and_fakes_apart(digits: Images) -> None:
    ours, plain = small("dcgan_2016"), small("dcgan_2016")
    run = Run(ours, digits, SETTINGS)
    assert not run.concat_real_fake
    run.one_step()
    plainly(plain, digits, SETTINGS, 1)
    # with separate passes the statistics after D's step and G's are the textbook's
    for key, value in ours.discriminator.state_dict().items():
        torch.testing.assert_close(value, plain.discriminator.state_dict()[key], rtol=2e-3, atol=2e-5)


def test_scalars_are_what_their_names_say(digits: Images) -> None:
    gan = small()
    settings = replace(SETTINGS, penalties={"r1": 2.0})
    run = Run(gan, digits, settings)
    indices, z = Run(small(), digits, settings).draw()
    x, fake = digits.batch(indices[0]), small().generator(z[0])
    with torch.no_grad():
        real_logits, fake_logits = gan.discriminator(x), gan.discriminator(fake)
    expected = {
        "d_loss": run.loss.discriminator(real_logits, fake_logits),
        "real_logit": real_logits.mean(),
        "fake_logit": fake_logits.mean(),
        "penalty": 2 * PENALTIES["r1"](gan.discriminator, x, fake, None).detach(),
    }
    got = dict(zip(SCALARS, run.one_step(), strict=True))
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("frozen", [1, 2])
def test_frozen_layers_stay_bit_for_bit_and_out_of_the_optimiser(digits: Images, frozen: int) -> None:
    gan = small("dcgan_2016")
    net = gan.discriminator.net
    keep = list(net[: 2 if frozen == 1 else 5])  # conv, leak, conv, norm, leak
    for module in keep:
        module.requires_grad_(False)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    free = {k for k, p in net.named_parameters() if p.requires_grad}
    history = train(gan, digits, steps=5, batch_size=B, learning_rate=1e-2, progress=False)
    assert history.notes["steps"] == 5
    for key, value in net.state_dict().items():
        moved = not torch.equal(value, before[key])
        belongs = int(key.split(".")[0]) >= len(keep)
        assert moved == belongs, key
    run = Run(gan, digits, SETTINGS)
    held = {id(p) for group in run.d_optimiser.param_groups for p in group["params"]}
    assert held == {id(p) for k, p in net.named_parameters() if k in free}


def test_frozen_batch_norm_is_in_eval_and_the_rest_in_train() -> None:
    net = small("dcgan_2016").discriminator
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    norms[0].requires_grad_(False)
    training_mode(net)
    assert [m.training for m in norms] == [False] + [True] * (len(norms) - 1)


def test_nothing_left_to_train_is_said(digits: Images) -> None:
    gan = small()
    gan.generator.requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter of the generator is frozen"):
        train(gan, digits, steps=1, batch_size=B, progress=False)


class Pull(Term):
    """Weight times the mean square of one side's weights, to see that a term reaches its side and only that."""

    def __init__(self, side: str) -> None:
        self.side = side  # type: ignore[assignment]
        self.seen: list[Step] = []

    def __call__(self, step: Step) -> Tensor:
        self.seen.append(step)
        network = getattr(step.gan, self.side)
        return torch.stack([p.square().sum() for p in network.parameters()]).sum()

    def settings(self) -> dict[str, str]:
        return {"name": "pull", "side": self.side}


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_a_term_is_added_to_its_side_only(digits: Images, side: str) -> None:
    plain, pulled, term = small(), small(), Pull(side)
    Run(plain, digits, SETTINGS).one_step()
    Run(pulled, digits, SETTINGS, terms=[term]).one_step()
    other = "discriminator" if side == "generator" else "generator"
    assert term.seen[0].x.shape == term.seen[0].fake.shape == (B, 1, 28, 28)
    assert term.seen[0].fake_logits.shape == (B,)
    mine, theirs = (getattr(g, side).state_dict() for g in (pulled, plain))
    assert any(not torch.equal(mine[k], theirs[k]) for k in mine)
    if side == "generator":  # D has stepped before, on the same batch
        mine, theirs = (getattr(g, other).state_dict() for g in (pulled, plain))
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_everything_together_trains_and_resumes_bit_for_bit(digits: Images, tmp_path: object) -> None:
    def everything(steps: int, run_dir: object = None) -> dict[str, Tensor]:
        gan = small()
        train(
            gan,
            digits,
            loss="hinge",
            penalties={"r1": 0.1, "wgan_gp": 1.0},
            penalty_every=2,
            augment=ADA("blit,color", images_to_one=200),
            terms=[LeCam(0.3)],
            d_steps=2,
            mirror=True,
            steps=steps,
            batch_size=B,
            run_dir=run_dir,  # type: ignore[arg-type]
            progress=False,
        )
        return state(gan)

    whole = everything(9)
    everything(4, tmp_path)
    resumed = everything(9, tmp_path)
    assert whole.keys() == resumed.keys()
    for key in whole:
        assert torch.equal(whole[key], resumed[key]), key
        assert torch.isfinite(whole[key]).all()


def test_augmented_images_are_what_d_sees_and_the_strength_is_on_record(digits: Images) -> None:
    gan = small()
    history = train(
        gan, digits, augment=ADA("blit", images_to_one=64), steps=8, batch_size=B, log_every=4, progress=False
    )
    assert {"ada_p", "ada_r"} <= history.records[-1].keys()
    one, two = small(), small()
    Run(one, digits, SETTINGS).one_step()
    Run(two, digits, SETTINGS, augment=DiffAugment("translation")).one_step()
    assert not torch.equal(one.discriminator.net[0].weight, two.discriminator.net[0].weight)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_low_precision_with_penalties_stays_finite(digits: Images, precision: str, loss: str) -> None:
    gan = small()
    settings = replace(SETTINGS, loss=loss, precision=precision, penalties={"r1": 0.1, "r2": 0.1})
    run = Run(gan, digits, settings)
    for _ in range(3):
        assert torch.isfinite(run.one_step()).all()
    assert all(torch.isfinite(w).all() for w in state(gan).values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("case", ["two rates", "r1 and r2, relativistic", "lazy r1"])
def test_a_captured_step_equals_the_plain_one_over_200_steps(case: str) -> None:
    images = load("glyphs:digits", size=28, limit=64, device="cuda")
    plain, captured = (GAN.build("dcgan", size=28, latent_dim=8, width=8, device="cuda") for _ in range(2))
    one, two = Run(plain, images, CASES[case]), Run(captured, images, CASES[case], capture=True)
    for _ in range(200):
        torch.testing.assert_close(one.one_step(), two.one_step())
    for key, value in state(plain).items():
        torch.testing.assert_close(value, state(captured)[key])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_capture_without_a_cuda_device_is_refused(digits: Images) -> None:
    with pytest.raises(RuntimeError, match="there is no CUDA device; leave it out"):
        train(small(), digits, steps=1, batch_size=B, capture=True, progress=False)


def test_samples_of_the_raw_generator_leave_every_part_in_its_mode(digits: Images) -> None:
    gan = small()
    norms = [m for m in gan.generator.modules() if isinstance(m, nn.BatchNorm2d)]
    norms[0].requires_grad_(False)
    training_mode(gan.generator)
    gan.sample(4, seed=0, ema=False)
    assert [m.training for m in norms] == [False] + [True] * (len(norms) - 1)
