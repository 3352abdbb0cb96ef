"""Averages after the fact: closed forms of power functions, and mixtures that are what tracking would have given."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from disks import quota
from torch import Tensor, nn

from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.training.averaging import (
    LONGEST,
    Averages,
    averaged,
    forget_after,
    gamma_of_sigma,
    p_dot_p,
    power_decay,
    snapshots,
    solve_weights,
    write_snapshot,
)
from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint
from tgan_lib.training.train import train

OPTIONS: dict[str, Any] = {"batch_size": 8, "log_every": 10, "save_every": 10, "progress": False}


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=16, limit=64, device="cpu")


def small(**changes: Any) -> GAN:
    built: dict[str, Any] = {"network": "dcgan", "size": 16, "latent_dim": 4, "width": 4, "device": "cpu"}
    return GAN.build(**built | changes)


@pytest.fixture(scope="module")
def finished(digits: Images, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[float, GAN]]:
    """A run of 40 steps with averages stored at every second; and other lengths, tracked along with it."""
    folder, gan = tmp_path_factory.mktemp("run"), small()
    tracked: dict[float, Averages] = {}

    def follow(_: GAN) -> float:
        steps[0] += 1
        if not tracked:
            tracked.update({sigma: Averages(gan.generator, [sigma]) for sigma in (0.05, 0.07, 0.1, 0.15)})
        for kept in tracked.values():
            kept.update(gan.generator, steps[0])
        return 1.0

    steps = [0]
    train(
        gan,
        digits,
        steps=40,
        run_dir=folder,
        averages_every=2,
        metric=follow,
        metric_every=1,
        learning_rate=2e-3,
        **OPTIONS,
    )
    found = {}
    for sigma, kept in tracked.items():
        found[sigma] = GAN.load(folder)
        for name, p in found[sigma].ema.named_parameters():
            p.data.copy_(kept.kept[0][name])
    return folder, found


# Power functions


@pytest.mark.parametrize(("sigma", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_exponents_of_the_paper(sigma: float, gamma: float) -> None:
    assert gamma_of_sigma(sigma) == pytest.approx(gamma, abs=0.005)


@pytest.mark.parametrize("sigma", [0.005, 0.03, 0.1, 0.2, 0.28])
def test_the_exponent_gives_back_the_deviation_of_its_density(sigma: float) -> None:
    """mean (gamma + 1) / (gamma + 2) and second moment (gamma + 1) / (gamma + 3), of a density on [0, 1]."""
    g = gamma_of_sigma(sigma)
    assert sqrt((g + 1) / (g + 3) - ((g + 1) / (g + 2)) ** 2) == pytest.approx(sigma, rel=1e-6)


def test_the_longest_average_is_the_mean_of_all_steps() -> None:
    assert gamma_of_sigma(LONGEST) == pytest.approx(0, abs=1e-6)
    assert [power_decay(0, step) for step in (1, 2, 4)] == [0, 0.5, 0.75]


@pytest.mark.parametrize(
    ("a", "b"), [((3.0, 2.0), (5.0, 4.0)), ((5.0, 4.0), (3.0, 2.0)), ((4.0, 1.0), (4.0, 7.0))]
)
def test_inner_products_are_the_integral(a: tuple[float, float], b: tuple[float, float]) -> None:
    s = (torch.arange(200_000, dtype=torch.float64) + 0.5) * 5 / 200_000
    p, q = (torch.where(s <= t, (g + 1) * s**g / t ** (g + 1), 0.0) for t, g in (a, b))
    product = p_dot_p(*(torch.tensor(v, dtype=torch.float64) for v in (*a, *b)))
    assert float(product) == pytest.approx(float((p * q).sum() * 5 / 200_000), rel=1e-4)


def test_a_tracked_average_weighs_each_step_by_its_share_of_the_density() -> None:
    """(s / t)^(gamma + 1) - ((s - 1) / t)^(gamma + 1), and the starting weights not at all."""
    net = nn.Linear(5, 1, bias=False)
    net.weight.data.fill_(1e6)
    kept = Averages(net, [0.1])
    for step in range(1, 6):
        net.weight.data.copy_(torch.eye(5)[step - 1 : step])
        kept.update(net, step)
    edges = (torch.arange(6) / 5) ** (gamma_of_sigma(0.1) + 1)
    torch.testing.assert_close(kept.kept[0]["weight"][0], edges.diff())


def stored(n: int) -> tuple[list[int], list[float]]:
    """Steps and exponents of two averages at n steps, 10 apart."""
    steps = [10 * k for k in range(1, n + 1) for _ in range(2)]
    return steps, [gamma_of_sigma(sigma) for sigma in (0.05, 0.10)] * n


@pytest.mark.parametrize("n", [1, 8, 60])
@pytest.mark.parametrize("sigma", [0.03, 0.05, 0.08, 0.1, 0.2])
def test_weights_sum_to_one_and_find_what_is_there(n: int, sigma: float) -> None:
    weights, misfit = solve_weights(*stored(n), 10 * n, gamma_of_sigma(sigma))
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    assert misfit >= 0
    if sigma in (0.05, 0.10):
        assert misfit < 1e-12
        expected = torch.zeros(2 * n).double()
        expected[2 * n - 2 + (sigma == 0.10)] = 1
        torch.testing.assert_close(weights, expected, atol=1e-6, rtol=0)


def test_no_other_mixture_of_that_sum_is_much_nearer() -> None:
    """The misfit falls as more is stored, and small changes of the weights do not lower it."""
    fits = [solve_weights(*stored(n), 10 * n, gamma_of_sigma(0.03))[1] for n in (4, 8, 16, 32)]
    assert fits == sorted(fits, reverse=True)
    assert fits[-1] < 1e-3 < fits[0]


def quadratic(step: Tensor) -> Tensor:
    return 3 - 2 * step / 200 + 5 * (step / 200) ** 2


@pytest.mark.parametrize("sigma", [0.02, 0.03, 0.07, 0.15, 0.25])
@pytest.mark.parametrize("to", [120, 200])
def test_on_a_quadratic_path_the_mixture_is_the_average_tracked_directly(sigma: float, to: int) -> None:
    net = nn.Linear(1, 1, bias=False)
    direct, two, steps, values = Averages(net, [sigma]), Averages(net), [], []
    for step in range(1, to + 1):
        net.weight.data.fill_(float(quadratic(torch.tensor(float(step)))))
        direct.update(net, step)
        two.update(net, step)
        if step % 8 == 0:
            steps += [step, step]
            values += [float(kept["weight"]) for kept in two.kept]
    weights, _ = solve_weights(steps, [*two.gammas] * (len(steps) // 2), to, gamma_of_sigma(sigma))
    mixed = float(weights @ torch.tensor(values).double())
    assert mixed == pytest.approx(float(direct.kept[0]["weight"]), abs=0.015)  # of a path from 3 to 6
    assert abs(mixed - values[-1]) > 0.05  # which the stored ones are not


# Runs


@pytest.mark.parametrize("sigma", [0.05, 0.07, 0.1, 0.15])
def test_the_average_of_a_run_is_the_one_tracked_along(
    finished: tuple[Path, dict[float, GAN]], sigma: float
) -> None:
    folder, tracked = finished
    gan = averaged(folder, sigma_rel=sigma)
    z = gan.latents(8, seed=1)
    apart = (gan.sample(z=z) - tracked[sigma].sample(z=z)).abs().max()
    others = (tracked[0.05].sample(z=z) - tracked[0.15].sample(z=z)).abs().max()
    assert apart < (2e-5 if sigma in (0.05, 0.1) else 0.05 * others)
    made = gan.card["averaged"]
    assert (made["sigma_rel"], made["step"], made["snapshots"]) == (sigma, 40, 20)
    assert 0 <= made["misfit"] < 1e-3


def test_an_earlier_step_has_its_own_buffers_and_knows_nothing_of_later_ones(
    finished: tuple[Path, dict[float, GAN]], digits: Images, tmp_path: Path
) -> None:
    folder, _ = finished
    train(small(), digits, steps=20, run_dir=tmp_path, averages_every=2, learning_rate=2e-3, **OPTIONS)
    early, short = averaged(folder, sigma_rel=0.07, step=20), averaged(tmp_path, sigma_rel=0.07)
    for name, tensor in short.ema.state_dict().items():
        assert torch.equal(tensor, early.ema.state_dict()[name]), name
    buffers = GAN.load(folder).ema.named_buffers()
    assert not all(torch.equal(b, early.ema.get_buffer(name)) for name, b in buffers)


def test_a_run_taken_up_again_stores_the_same_bits(
    finished: tuple[Path, dict[float, GAN]], digits: Images, tmp_path: Path
) -> None:
    folder, _ = finished
    options = OPTIONS | {"learning_rate": 2e-3, "averages_every": 2, "run_dir": tmp_path}
    train(small(), digits, steps=13, **options)
    train(small(), digits, steps=21, **options | {"averages_every": None})  # kept on with, and not stored
    train(small(), digits, steps=40, **options)
    assert sorted(snapshots(tmp_path)) == [2, 4, 6, 8, 10, 12, 13, *range(22, 41, 2)]
    for step in (12, 22, 40):
        ours, theirs = (load_checkpoint(snapshots(run)[step]) for run in (tmp_path, folder))
        for a, b in zip([*ours["kept"], ours["buffers"]], [*theirs["kept"], theirs["buffers"]], strict=True):
            assert a.keys() == b.keys()
            assert all(torch.equal(a[name], b[name]) for name in a)


def test_keeping_averages_changes_nothing_of_the_run(digits: Images, tmp_path: Path) -> None:
    runs = []
    for name, every in (("with", 1), ("without", None)):
        gan = small()
        train(gan, digits, steps=3, run_dir=tmp_path / name, averages_every=every, **OPTIONS)
        runs.append(gan.ema.state_dict())
    assert all(torch.equal(runs[0][name], runs[1][name]) for name in runs[0])
    assert not snapshots(tmp_path / "without")


def test_what_a_killed_run_stored_beyond_its_checkpoint_is_not_mixed_in(
    digits: Images, tmp_path: Path
) -> None:
    gan = small()
    train(gan, digits, steps=4, run_dir=tmp_path, averages_every=2, **OPTIONS)
    for step in (6, 7):  # as a run that was killed before its next checkpoint leaves them
        write_snapshot(tmp_path, Averages(gan.generator), gan.generator, step)
    train(small(), digits, steps=8, run_dir=tmp_path, averages_every=4, **OPTIONS)
    assert sorted(snapshots(tmp_path)) == [2, 4, 8]
    forget_after(tmp_path, 2)
    assert sorted(snapshots(tmp_path)) == [2]


def test_a_full_disk_leaves_no_half_of_an_average(tmp_path: Path) -> None:
    gan = small()
    with quota(2000), pytest.raises(CheckpointError, match=r"step-00000003\.pt could not be saved"):
        write_snapshot(tmp_path, Averages(gan.generator), gan.generator, 3)
    assert snapshots(tmp_path) == {}
    assert not list((tmp_path / "averages").iterdir())


# Bad input


@pytest.mark.parametrize("sigma", [0, -0.1, 0.3, float("nan"), "long", None, True])
def test_a_length_that_cannot_be_is_refused(sigma: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^sigma_rel is .* right$"):
        averaged("nowhere", sigma_rel=sigma)


def test_what_is_not_stored_is_refused_in_a_sentence(
    finished: tuple[Path, dict[float, GAN]], digits: Images, tmp_path: Path
) -> None:
    folder, _ = finished
    with pytest.raises(ValueError, match=r"^step is 13, at which no averages were stored; .* such as 12$"):
        averaged(folder, sigma_rel=0.1, step=13)
    with pytest.raises(
        ValueError, match=r"^sigma_rel is 0.005, and the 20 averages .* no nearer .* more often$"
    ):
        averaged(folder, sigma_rel=0.005)
    with pytest.raises(FileNotFoundError, match="is a folder without a run"):
        averaged(tmp_path, sigma_rel=0.1)
    train(small(), digits, steps=2, run_dir=tmp_path, **OPTIONS)
    with pytest.raises(FileNotFoundError, match="holds a run without stored averages; train"):
        averaged(tmp_path, sigma_rel=0.1)
    with pytest.raises(
        CheckpointError, match="kept no averages from its beginning, so averages_every comes too late"
    ):
        train(small(), digits, steps=4, run_dir=tmp_path, averages_every=1, **OPTIONS)
    with pytest.raises(
        ValueError, match=r"^averages_every is 5 and there is no run_dir to store averages in"
    ):
        train(small(), digits, steps=4, averages_every=5, **OPTIONS)
    with pytest.raises(ValueError, match=r"^averages_every is 0; .* no averages$"):
        train(small(), digits, steps=4, averages_every=0, run_dir=tmp_path, **OPTIONS)


def test_a_damaged_or_foreign_file_is_named(digits: Images, tmp_path: Path) -> None:
    train(small(), digits, steps=2, run_dir=tmp_path, averages_every=1, **OPTIONS)
    path = snapshots(tmp_path)[1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(CheckpointError, match=r"step-00000001\.pt is damaged"):
        averaged(tmp_path, sigma_rel=0.1)
    path.write_bytes((tmp_path / "checkpoint.pt").read_bytes())
    with pytest.raises(CheckpointError, match=r"step-00000001\.pt is a whole file, but holds no averages"):
        averaged(tmp_path, sigma_rel=0.1)
