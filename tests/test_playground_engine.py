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
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4))])
def test_saturation_holds_g_until_the_non_saturating_loss_frees_it(ask: Ask, seed: int) -> None:
    settings = PRESETS["saturation"]["settings"] | {"seed": seed}
    question = {"task": "freed", "settings": settings, "from": 1000, "loss": "non_saturating", "more": 400}
    at_once, later = ask(question | {"until": 1000}, question | {"until": 2500})
    assert later["moved"] < 0.05, "in 1500 steps, on a plane three wide"
    for seen in (at_once, later):
        minimax, non_saturating = seen["pushes"]
        assert (minimax < 0.03) is (non_saturating > 1) is True, "the arrows"
        assert seen["good"] == 0
        assert seen["after"] > 0.9, "400 steps later"


@needs_node
def test_a_critic_without_a_leash_stops_at_its_last_sound_step(ask: Ask) -> None:
    settings = PRESETS["leash"]["settings"] | {"seed": 0}
    [gone] = ask({"task": "runaway", "settings": settings, "steps": 1500})
    assert gone["steps"] < 1000
    assert (gone["again"], gone["same"], gone["finite"]) == (False, True, True)
    finite, seen = run(ask, "leash", 1500, penalty="r1")
    assert finite
    assert seen[-1]["covered"] == 8


@needs_node
@pytest.mark.parametrize("loss", LOSSES)
def test_whatever_blows_up_leaves_a_state_that_can_be_drawn(ask: Ask, loss: str) -> None:
    settings = SETTINGS | {"loss": loss, "penalty": "r1", "optimiser": "sgd", "rate_d": 30.0, "rate_g": 30.0}
    later, at_once = ask(
        {"task": "runaway", "settings": settings, "steps": 500},
        {"task": "runaway", "settings": settings | {"rate_d": 1e9, "rate_g": 1e9}, "steps": 500},
    )
    assert at_once["steps"] <= 1
    for gone in (later, at_once):
        assert (gone["again"], gone["same"], gone["finite"]) == (False, True, True)


@needs_node
def test_the_grid_is_reached(ask: Ask) -> None:
    assert run(ask, "grid", 1500)[1][-1]["covered"] >= 15


@needs_node
def test_small_slopes_of_d_are_seen(ask: Ask) -> None:
    """Of eleven colours, most are used: with a D near 1/2 everywhere, with a sure one, and with scores of any size."""
    cases = [("good", 1500), ("good", 0), ("collapse", 1000), ("saturation", 1000), ("leash", 200)]
    seen = ask(
        *(
            {"task": "map", "settings": PRESETS[name]["settings"] | {"seed": 0}, "steps": steps}
            for name, steps in cases
        )
    )
    good, _, _, sure, _ = seen
    assert good["half"] < 1 < 5 < sure["half"], "logits"
    for case, one in zip(cases, seen, strict=True):
        assert one["used"] >= 6, case
        assert sum(segments > 0 for segments in one["lines"]) >= 3, (
            case,
            "lines at fixed parts of the range",
        )


@needs_node
def test_a_blow_up_does_not_flatten_the_losses(ask: Ask) -> None:
    calm = [[1.3 + 0.1 * (i % 3) for i in range(200)], [0.7 + 0.1 * (i % 2) for i in range(200)]]
    high, low = [*calm[0], 1e3, 1e40, 1e80], [*calm[1], -1e2, -1e30]
    at = [0.7, 1.5, 1e3, 1e80, -1e30]
    plain, blown = (
        ask({"task": "axis", "series": series, "rest": 1.386, "at": at})[0] for series in (calm, [high, low])
    )
    assert (plain["low"], plain["high"]) == (None, None)
    assert blown["shares"][1] - blown["shares"][0] > 0.4, "the calm part keeps two fifths of the height"
    assert 0 <= blown["shares"][4] < blown["low"] < blown["shares"][0]
    assert blown["shares"][1] < blown["high"] < blown["shares"][2] < blown["shares"][3] <= 1
    assert {1.386, 1e80, -1e30} <= set(blown["ticks"])
    assert len([v for v in blown["ticks"] if 0.7 <= v <= 1.5]) >= 3
    settings = PRESETS["leash"]["settings"] | {"seed": 0}
    [gone] = ask({"task": "runaway", "settings": settings, "steps": 1500})
    series = [[both[k] for both in gone["losses"]] for k in (0, 1)]
    [axis] = ask(
        {"task": "axis", "series": series, "rest": 0, "at": [max(series[1][:300]), min(series[0][:300])]}
    )
    assert axis["shares"][0] - axis["shares"][1] > 0.1, "the 300 steps before it are no line"


@needs_node
def test_numbers_are_brief(ask: Ask) -> None:
    numbers = [0, 1.386, -0.004, 12.34, 123.4, -1e77, 8e-5]
    [(said, chances)] = ask({"task": "brief", "numbers": numbers, "logits": [0, -10, 10]})
    assert said == ["0.00", "1.39", "−4e−3", "12.3", "123", "−1e77", "8e−5"]
    assert chances == ["0.50", "5e−5", "1 − 5e−5"]
