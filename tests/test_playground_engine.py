"""The playground's engine in Node against PyTorch, and what its presets show."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tgan_lib.losses import LOSSES
from tgan_lib.metrics import mixture_modes
from tgan_lib.penalties import clip_weights, r1
from tgan_lib.widgets.playground import PRESETS, assets
from tgan_lib.widgets.playground.choices import CHOICES, DATA, STRENGTH

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node.js, and none was found: install nodejs")
ENGINE = Path(__file__).with_name("playground_engine.mjs")
TOLERANCE = 1e-9  # relative; both sides are float64
SETTINGS = PRESETS["good"]["settings"] | {"seed": 3}

Ask = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """`ask({"task": ...}, ...)` puts questions to the module in Node and returns its answers."""
    folder = tmp_path_factory.mktemp("playground")
    (folder / "module.mjs").write_text(assets.module(), encoding="utf-8")

    def put(*questions: dict[str, Any]) -> list[Any]:
        (folder / "question.json").write_text(json.dumps(questions))
        command = [str(NODE), str(ENGINE), str(folder / "module.mjs"), str(folder / "question.json")]
        answers: list[Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return answers

    return put


def mlp(outputs: int, values: Any = None) -> nn.Sequential:
    """The same network in PyTorch, in float64, with these weights or PyTorch's own."""
    leaky = nn.LeakyReLU(0.2)
    net = nn.Sequential(nn.Linear(2, 32), leaky, nn.Linear(32, 32), leaky, nn.Linear(32, outputs)).double()
    if values is not None:
        nn.utils.vector_to_parameters(torch.tensor(values, dtype=torch.float64), net.parameters())
    return net


def flat(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach()


def slopes(net: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])


def error(found: Any, expected: Tensor) -> float:
    """The largest difference, against the largest number expected."""
    expected = expected.detach().double()
    return float((torch.as_tensor(found, dtype=torch.float64) - expected).abs().max() / expected.abs().max())


def points(numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64).view(-1, 2)


def d_loss(name: str, penalty: str, d: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """D's loss, and the same with its penalty."""
    loss = LOSSES[name].discriminator(d(real)[:, 0], d(fake.detach())[:, 0])
    return loss, loss + STRENGTH["r1"] * r1(d, real) if penalty == "r1" else loss


def g_loss(name: str, d: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return LOSSES[name].generator(d(fake)[:, 0], d(real)[:, 0].detach())


@needs_node
@pytest.mark.parametrize("penalty", ["none", "r1"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_pytorchs(ask: Ask, name: str, penalty: str) -> None:
    torch.manual_seed(5)
    d, g = mlp(1), mlp(2)
    for parameter in d.parameters():
        parameter.data *= 2  # scores on both sides of every kink
    real, z = torch.randn(64, 2).double(), torch.randn(64, 2).double()
    [answer] = ask(
        {
            "task": "slopes",
            "settings": SETTINGS | {"loss": name, "penalty": penalty, "batch": 64},
            "weights": [flat(d).tolist(), flat(g).tolist()],
            "real": real.flatten().tolist(),
            "z": z.flatten().tolist(),
        }
    )
    plain, whole = d_loss(name, penalty, d, real, g(z))
    whole.backward(retain_graph=True)
    assert answer["d"] == pytest.approx(plain.item(), rel=1e-9)
    assert error(answer["dSlopes"], slopes(d)) < TOLERANCE
    if penalty == "r1":
        (without,) = torch.autograd.grad(plain, d[2].weight)
        assert error(without, d[2].weight.grad) > 1e-3, "the penalty can be seen in it"
    loss = g_loss(name, d, real, g(z))
    g.zero_grad()
    loss.backward()
    assert answer["g"] == pytest.approx(loss.item(), rel=1e-9)
    assert error(answer["gSlopes"], slopes(g)) < TOLERANCE
    fake, shown = points(answer["fake"]).requires_grad_(), points(answer["real"])
    (pushed,) = torch.autograd.grad(-len(fake) * g_loss(name, d, shown, fake), fake)
    assert error(answer["pushes"], pushed.flatten()) < TOLERANCE, "the arrows"


@needs_node
@pytest.mark.parametrize("optimiser", CHOICES["optimiser"])
@pytest.mark.parametrize("penalty", CHOICES["penalty"])
def test_whole_rounds_are_pytorchs(ask: Ask, penalty: str, optimiser: str) -> None:
    settings = SETTINGS | {"penalty": penalty, "optimiser": optimiser, "d_steps": 2, "batch": 16}
    settings |= {"rate_d": 0.03, "rate_g": 0.01, "loss": "relativistic"}
    [answer] = ask({"task": "rounds", "settings": settings, "rounds": 3})
    d, g = (mlp(n, values) for n, values in zip((1, 2), answer["before"], strict=True))

    def mover(net: nn.Module, rate: float) -> torch.optim.Optimizer:
        if optimiser == "sgd":
            return torch.optim.SGD(net.parameters(), rate)
        return torch.optim.Adam(net.parameters(), rate, betas=(0.5, 0.9))

    move_d, move_g = mover(d, 0.03), mover(g, 0.01)
    batches = [(points(batch["real"]), points(batch["z"])) for batch in answer["batches"]]
    for losses in answer["losses"]:
        for _ in range(2):
            real, z = batches.pop(0)
            plain, whole = d_loss("relativistic", penalty, d, real, g(z))
            d.zero_grad()
            whole.backward()
            move_d.step()
            if penalty == "clip":
                with torch.no_grad():
                    clip_weights(d, STRENGTH["clip"])
        real, z = batches.pop(0)
        loss = g_loss("relativistic", d, real, g(z))
        g.zero_grad()
        loss.backward()
        move_g.step()
        assert losses == pytest.approx([plain.item(), loss.item()], rel=1e-9)
    for values, net in zip(answer["after"], (d, g), strict=True):
        assert error(values, flat(net)) < 1e-7, (
            "Adam divides by its slopes' size, and so their last digits count"
        )
    if penalty == "clip":
        assert flat(d).abs().max() == STRENGTH["clip"]


@needs_node
def test_a_run_can_be_repeated(ask: Ask) -> None:
    question = {"task": "run", "settings": SETTINGS, "steps": 40, "every": 20}
    first, again, other = ask(question, question, question | {"settings": SETTINGS | {"seed": 4}})
    assert first == again
    assert first["last"] != other["last"]
    assert first["seen"][0]["losses"] != other["seen"][0]["losses"]


@needs_node
def test_modes_are_counted_as_the_library_counts_them(ask: Ask) -> None:
    [data] = ask({"task": "data"})
    assert data.keys() == DATA.keys()
    for name, one in data.items():
        centres, sample = torch.tensor(one["centres"]), points(one["sample"])
        exact = mixture_modes(sample, centres, one["std"])
        assert exact.covered == len(centres)
        assert exact.high_quality > 0.97, "the set is the mixture it says"
        assert sample.abs().max() < 1.5, "it fits the plane that is shown"
        torch.manual_seed(1)
        tried = torch.cat([sample[:60] + 0.05 * torch.randn(60, 2), torch.randn(60, 2)])
        [counted] = ask({"task": "count", "data": name, "points": tried.flatten().tolist()})
        expected = mixture_modes(tried, centres, one["std"])
        assert (counted["covered"], counted["of"]) == (expected.covered, len(centres))
        assert counted["good"] == pytest.approx(expected.high_quality)


def run(ask: Ask, name: str, steps: int, **changes: Any) -> tuple[bool, list[dict[str, Any]]]:
    """Whether a preset's run stayed finite, and what was seen every 500 steps."""
    settings = PRESETS[name]["settings"] | {"seed": 0} | changes
    [answer] = ask({"task": "run", "settings": settings, "steps": steps, "every": 500})
    return answer["finite"], answer["seen"]


@needs_node
def test_the_good_run_covers_the_ring(ask: Ask) -> None:
    _, seen = run(ask, "good", 1500)
    assert [look["covered"] for look in seen] == [8, 8, 8]
    assert seen[-1]["good"] > 0.6


@needs_node
def test_mode_collapse_leaves_most_modes_out_with_calm_losses(ask: Ask) -> None:
    _, seen = run(ask, "collapse", 2000)
    assert max(look["covered"] for look in seen) <= 4
    assert all(look["losses"] == pytest.approx([1.386, 0.693], abs=0.15) for look in seen[1:])


@needs_node
def test_saturation_holds_g_where_the_non_saturating_loss_frees_it(ask: Ask) -> None:
    (_, stuck), (_, free) = (
        run(ask, "saturation", 2000, loss=name) for name in ("minimax", "non_saturating")
    )
    assert (stuck[1]["push"] < 0.01) is (free[1]["push"] > 1) is True, "when G may move, at step 1000"
    assert (stuck[-1]["covered"], stuck[-1]["push"] < 0.01) == (0, True)
    assert free[-1]["covered"] >= 1


@needs_node
def test_a_critic_without_a_leash_runs_away(ask: Ask) -> None:
    assert not run(ask, "leash", 1500)[0]
    finite, seen = run(ask, "leash", 1500, penalty="r1")
    assert finite
    assert seen[-1]["covered"] == 8


@needs_node
def test_the_grid_is_reached(ask: Ask) -> None:
    assert run(ask, "grid", 1500)[1][-1]["covered"] >= 15
