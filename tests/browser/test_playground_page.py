"""The playground on a page of its own, with no kernel anywhere: its training, its controls, its pictures."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable

import pytest
from playground_site import PLANE, STOPPED, button, steps, wait_for_step
from visits import Visit

from tgan_lib.widgets.playground import PRESETS

pytestmark = pytest.mark.browser

# In how many of twenty stripes of the plot's height G's loss is drawn.
STRIPES = r"""() => {
    const canvas = document.querySelector('.tgp-losses'), { width, height } = canvas, rows = new Set();
    const colour = getComputedStyle(document.querySelector('.tgp')).getPropertyValue('--tgp-fake');
    const [r, g, b] = colour.match(/\w\w/g).map(x => parseInt(x, 16));
    const at = canvas.getContext('2d').getImageData(0, 0, width, height).data;
    for (let i = 0; i < at.length; i += 4) {
        const near = Math.hypot(at[i] - r, at[i + 1] - g, at[i + 2] - b) < 40 && at[i + 3] > 200;
        if (near) rows.add(Math.floor(20 * Math.floor(i / 4 / width) / height));
    }
    return rows.size;
}"""


@pytest.mark.parametrize("scheme", [pytest.param("http", marks=pytest.mark.slow), "file"])
def test_it_trains_without_a_kernel_when_asked(play: Callable[..., Visit], scheme: str) -> None:
    page = (visit := play(scheme, reduced_motion="no-preference")).page
    still = page.evaluate(PLANE)
    page.wait_for_timeout(400)
    assert page.evaluate(PLANE) == still
    button(page, "Run").click()
    wait_for_step(page, 30)
    assert page.evaluate(PLANE) != still
    button(page, "Pause").click()
    reached, paused = steps(page), page.evaluate(PLANE)
    page.wait_for_timeout(400)
    assert (steps(page), page.evaluate(PLANE)) == (reached, paused)
    said = page.text_content("[role=status]")
    assert re.match(
        rf"Paused at step {reached}\. \d of 8 modes reached, \d+\s% of the samples good; D's loss", said
    )
    label = page.get_attribute(".tgp-plane", "aria-label")
    assert f"at step {reached}" in label
    button(page, "Restart").click()
    assert (steps(page), page.evaluate(PLANE)) == (0, still), "a restart is the same start"
    visit.assert_clean()


def test_thirty_frames_a_second(play: Callable[..., Visit]) -> None:
    """The page's thread works less than 33 ms for a frame: its own time, since others use this machine too."""
    page = play(reduced_motion="no-preference").page
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float({metric["name"]: metric["value"] for metric in metrics}["TaskDuration"])

    page.get_by_label("Steps a frame").select_option("2")
    button(page, "Run").click()
    wait_for_step(page, 50)
    per_frame = []
    for _ in range(5):
        before = worked()
        frames = page.evaluate(
            """() => new Promise(done => {
                let frames = 0;
                const began = performance.now();
                const look = () => {
                    frames++;
                    if (performance.now() - began < 500) requestAnimationFrame(look); else done(frames);
                };
                look();
            })"""
        )
        per_frame.append(1000 * (worked() - before) / frames)
    assert statistics.median(per_frame) < 33, per_frame


def test_every_control_by_keyboard(play: Callable[..., Visit]) -> None:
    page = play().page
    page.evaluate("document.activeElement.blur()")
    name = "e => e.labels?.[0]?.textContent || e.textContent"
    reached = []
    for _ in range(17):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"({name})(document.activeElement)"))
    assert reached[:5] == ["Run", "Step", "Restart", "Controls", "What to watch"]
    for wanted in (
        "Steps a frame",
        "Data",
        "Loss",
        "Penalty on D",
        "Optimiser",
        "Learning rate of D",
        "Learning rate of G",
        "Seed",
    ):
        assert wanted in reached, reached
    button(page, "Step").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    assert steps(page) == 2
    page.get_by_label("Loss", exact=True).focus()
    page.keyboard.press(".")
    assert steps(page) == 3, "a full stop is a step, wherever the focus is"
    page.wait_for_timeout(800)
    assert page.inner_text("[role=status]").startswith("Step 3.")
    button(page, "Run").focus()
    page.keyboard.press("Enter")
    wait_for_step(page, 10)
    page.keyboard.press("Space")
    assert page.inner_text("[role=status]").startswith("Paused at step ")
    for node in page.locator(".tgp :is(button, select, input)").all():
        assert node.get_attribute("data-lm-suppress-shortcuts") == "true", "or JupyterLab takes the keys"


def test_presets_and_settings(play: Callable[..., Visit]) -> None:
    page = (visit := play()).page
    watch = page.get_by_label("What to watch")
    fields = {"data": "Data", "loss": "Loss", "penalty": "Penalty on D", "rate_g": "Learning rate of G"}
    for name, preset in PRESETS.items():
        watch.select_option(name)
        assert page.inner_text(".tgp-note") == preset["note"]
        for key, label in fields.items():
            shown = page.get_by_label(label, exact=True).input_value()
            assert shown == str(preset["settings"][key]) or float(shown) == preset["settings"][key]
    before = page.evaluate(PLANE)
    page.get_by_label("Data", exact=True).select_option("spiral")
    assert watch.input_value() == "", "own settings"
    assert page.evaluate(PLANE) != before
    seed, spiral = page.get_by_label("Seed"), page.evaluate(PLANE)
    for wrong in ("-1", "1.5", ""):
        seed.fill(wrong)
        seed.press("Enter")
        assert seed.input_value() == "0"
    assert "whole number from 0 to 999999" in page.inner_text("[role=status]")
    seed.fill("7")
    seed.press("Enter")
    assert page.evaluate(PLANE) != spiral
    seed.fill("0")
    seed.press("Enter")
    assert page.evaluate(PLANE) == spiral
    for label in ("Data", "Loss", "Penalty on D", "Optimiser", "Batch"):
        choice = page.get_by_label(label, exact=True)
        for value in choice.locator("option").evaluate_all("all => all.map(o => o.value)"):
            choice.select_option(value)
            button(page, "Step").click()
            assert "Stopped" not in page.inner_text("[role=status]")
    arrows = page.get_by_label("Arrows")
    watch.select_option("good")
    drawn = page.evaluate(PLANE)
    arrows.uncheck()
    assert page.evaluate(PLANE) != drawn
    visit.assert_clean()


def test_it_stops_at_the_last_sound_step(play: Callable[..., Visit]) -> None:
    page = (visit := play(page="runaway")).page
    button(page, "Run").click()
    page.wait_for_function(STOPPED)
    said = page.inner_text("[role=status]")
    assert "the last with sound numbers" in said
    assert said.count(".") == 1, "one sentence"
    stopped, picture = steps(page), page.evaluate(PLANE)
    shown = page.inner_text(".tgp-side")
    assert not re.search("NaN|Infinity", shown + page.get_attribute(".tgp-losses", "aria-label"))
    button(page, "Step").click()
    assert (steps(page), page.evaluate(PLANE)) == (stopped, picture)
    button(page, "Start again").click()
    page.wait_for_function(STOPPED)
    assert (steps(page), page.evaluate(PLANE)) == (stopped, picture), "the same start runs away again"
    button(page, "Restart").click()
    assert steps(page) == 0
    visit.assert_clean()


def test_a_blow_up_leaves_the_losses_readable(play: Callable[..., Visit]) -> None:
    """With the bands of powers of ten, curves stand in the middle of the plot as well as at its edges."""
    page = play().page
    page.get_by_label("What to watch").select_option("leash")
    page.get_by_label("Steps a frame").select_option("20")
    assert not page.get_by_text("powers of ten").is_visible()
    button(page, "Run").click()
    page.wait_for_function(STOPPED, timeout=120_000)
    page.wait_for_timeout(300)
    assert page.get_by_text("powers of ten").is_visible()
    rows = page.evaluate(STRIPES)
    assert rows >= 6, "of twenty"


@pytest.mark.parametrize("steps_run", [0, 300])
def test_small_slopes_of_d_show_in_the_picture(play: Callable[..., Visit], steps_run: int) -> None:
    """The colours of the corners and the middle differ, and the legend gives the range that they stand for."""
    page = play().page
    page.get_by_label("Arrows").uncheck()
    button(page, "Step").evaluate("(b, n) => { for (let i = 0; i < n; i++) b.click(); }", steps_run)
    page.wait_for_timeout(300)
    low, high = (
        float(t.split("=")[1])
        for t in page.locator(".tgp-legend >> nth=0").locator("span").all_inner_texts()
        if "=" in t
    )
    assert low < 0.5 < high
    assert high - low < 0.6, "D is nowhere near sure"
    light = page.evaluate(
        """() => {
            const canvas = document.querySelector('.tgp-plane'), pen = canvas.getContext('2d'), seen = [];
            for (let i = 1; i < 40; i++) for (let k = 1; k < 40; k++) {
                const [r, g, b] = pen.getImageData(i * canvas.width / 40, k * canvas.height / 40, 1, 1).data;
                seen.push(b - r);
            }
            seen.sort((a, b) => a - b);
            return [seen[Math.floor(0.1 * seen.length)], seen[Math.floor(0.9 * seen.length)]];
        }"""
    )
    assert light[1] - light[0] > 30, light
