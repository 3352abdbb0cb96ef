"""The playground's engine in Node against PyTorch, its presets, and what a notebook and the site keep of it."""

from __future__ import annotations

import html
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tgan_lib.losses import LOSSES
from tgan_lib.metrics import mixture_modes
from tgan_lib.penalties import clip_weights, r1
from tgan_lib.widgets.playground import PRESETS, Playground, assets
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


def twin_settings(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(html.unescape(re.search(r'data-playground="([^"]*)"', text)[1]))
    return found


def test_a_notebook_keeps_a_description_and_the_settings() -> None:
    playground = Playground("spiral", "hinge", (0.001, 0.02), seed=5)
    data, _ = playground._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data, "live, the widget is shown"
    text = data["text/html"]
    assert len(text) < 2000
    assert "two small networks" in text
    assert "(spiral; hinge loss)" in text
    assert "\n" not in text, "markdown must not read into it"
    settings = twin_settings(text)
    assert settings == playground.settings
    assert (settings["rate_g"], settings["rate_d"], settings["seed"], settings["preset"]) == (
        0.001,
        0.02,
        5,
        "",
    )
    for name, preset in PRESETS.items():
        assert twin_settings(Playground(preset=name).twin()) == {
            **preset["settings"],
            "seed": 0,
            "preset": name,
        }
    changed = Playground(preset="saturation", loss="non_saturating").settings
    assert (changed["preset"], changed["head_start"]) == ("", 1000)


def test_what_the_browser_can_choose_is_what_python_takes() -> None:
    assert set(CHOICES["loss"]) == set(LOSSES)
    for preset in PRESETS.values():
        for key, choices in CHOICES.items():
            assert preset["settings"][key] in choices


def test_bad_input_is_answered_in_one_sentence() -> None:
    calls: list[tuple[dict[str, Any], str]] = [
        ({"data": "rings"}, r"no data named 'rings' \(did you mean 'ring'\?\)"),
        ({"loss": "wgan"}, "no loss named 'wgan'.*; known: hinge"),
        ({"preset": "colapse"}, "did you mean 'collapse'"),
        ({"penalty": "r2"}, "no penalty named 'r2'"),
        ({"optimiser": "rmsprop"}, "no optimiser named 'rmsprop'"),
        ({"learning_rates": 0.01}, r"learning_rates is 0.01; two numbers above 0 are right, G's and D's"),
        ({"learning_rates": (0.01, -1)}, r"learning_rates is \(0.01, -1\)"),
        ({"learning_rates": (0.01, float("nan"))}, "nan"),
        ({"seed": -1}, "seed is -1; a whole number from 0 to 999999 is right"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"batch": 50}, "batch is 50; one of 16, 32, 64, 128, 256 is right"),
        ({"d_steps": 0}, "d_steps is 0; a whole number from 1 to 10"),
        ({"head_start": True}, "head_start is True"),
    ]
    for arguments, said in calls:
        with pytest.raises(ValueError, match=said) as caught:
            Playground(**arguments)
        assert "\n" not in str(caught.value)


def test_the_module_stands_alone_and_stays_small() -> None:
    for text in (assets.module(), assets.script(), assets.style(), assets.read("loader.js")):
        assert not re.search(r"https?://|\bimport\s*[({*'\"]|@import|\brequire\(|\bfetch\(", text)
    assert len(assets.module()) < 60_000
    for path in (*assets.HERE.glob("*.js"), *assets.HERE.glob("*.css")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 250
    with pytest.raises(LookupError, match="no function nothing"):
        assets.borrowed("engine.js", "nothing")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_colours_can_be_read_in_grey() -> None:
    found = re.findall(r'scale: \[(.*?)\], real: "(.*?)", fake: "(.*?)"', assets.read("draw.js"))
    assert len(found) == 2, "light and dark"
    for scale, *kinds in found:
        ground = [luminance(colour) for colour in re.findall(r"#\w+", scale)]
        assert ground == sorted(ground), "lighter is more real"
        for ink in map(luminance, kinds):
            for level in (ground[0], ground[-1]):
                low, high = sorted((ink, level))
                assert (high + 0.05) / (low + 0.05) > 2.9


def test_the_site_gets_what_its_twins_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "book" / "_ext")
    extension = importlib.import_module("playground_assets")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))
    extension.write_assets(app, RuntimeError())
    assert not list(tmp_path.iterdir())
    extension.write_assets(app, None)
    written = {path.name for path in (tmp_path / "_static" / "playground").iterdir()}
    assert written == {"loader.js", "playground.js", "playground.css"}
