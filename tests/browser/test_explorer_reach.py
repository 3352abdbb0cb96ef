"""The explorer on a page of its own: by finger, by keyboard, for screen readers, without scripts, beside a kernel."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from explorer_site import CLOSE, NAME, PIXELS, differ, drawn, shown
from visits import Visit

from tgan_lib.gan import GAN
from tgan_lib.widgets.explorer.twin import seeded_latents

pytestmark = pytest.mark.browser


def test_a_phone_has_room_for_fingers(explore: Callable[..., Visit], gan: GAN) -> None:
    page = (visit := explore(width=390, has_touch=True, is_mobile=True)).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.eval_on_selector_all(
        ".tgx button, .tgx input, .tgx [role=option]",
        """all => all.map(e => [e.textContent || e.id, e.getBoundingClientRect()])
                   .filter(([, box]) => box.width < 32 || box.height < 32).map(([name]) => name)""",
    )
    assert small == []
    page.get_by_role("option").nth(6).tap()
    assert differ(shown(visit), drawn(gan, seeded_latents(16, 64, 0)[6])) < CLOSE
    page.get_by_role("slider").first.tap(position={"x": 300, "y": 16})
    assert float(page.get_by_role("slider").first.input_value()) > 1


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(explore: Callable[..., Visit], dark: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    visit = explore(dark=dark)
    report = Axe().run(visit.page).response
    assert [f"{v['id']}: {[n['html'][:120] for n in v['nodes']]}" for v in report["violations"]] == []
    ink = visit.page.eval_on_selector(".tgx", "e => getComputedStyle(e).color")
    assert (sum(map(int, re.findall(r"\d+", ink)[:3])) > 384) is dark


def test_everything_is_reached_by_tab(explore: Callable[..., Visit]) -> None:
    page = explore().page
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        name = "e => e.getAttribute('aria-label') || (e.labels && e.labels[0]?.textContent) || e.textContent"
        reached.append(page.evaluate(f"({name})(document.activeElement)"))
    for wanted in (
        "Random walk",
        "Reset",
        "Copy as Python",
        "truncation",
        "A to B",
        "Sample 1",
        "seed",
        "New samples",
    ):
        assert wanted in reached, reached
    assert "Sample 2" not in reached, "the grid is one stop"


def test_without_scripts_the_twin_is_a_still_picture(
    open_page: Callable[..., Visit], explorer_site: Path
) -> None:
    visit = open_page((explorer_site / "index.html").as_uri(), java_script_enabled=False)
    picture = visit.page.get_by_role("img", name="16 samples of mnist-dcgan, in a grid")
    assert picture.is_visible()
    assert visit.page.get_by_text("A still picture").is_visible()
    visit.assert_clean()


def test_another_version_of_the_model_stays_still(
    open_page: Callable[..., Visit], explorer_site: Path
) -> None:
    visit = open_page((explorer_site / "stale.html").as_uri())
    with visit.page.expect_console_message() as said:
        visit.page.reload()
    assert "another version" in said.value.text
    assert visit.page.locator(".tgx").count() == 0
    assert visit.page.get_by_role("img").is_visible()


def test_pictures_asked_of_a_kernel_are_asked_one_at_a_time(explore: Callable[..., Visit]) -> None:
    """A stand-in for Python that answers after 40 ms: many moves of a slider become few requests, the last
    one shown.
    """
    page = explore().page
    page.evaluate(
        """() => { const state = { image: [3, 2, 2], latent_dim: 1, rows: 2, columns: 2, seed: 0, drawn_by:
        'kernel', z: [0], directions: { up: [1] } }; const ears = []; window.asked = []; window.most = 0; let
        flying = 0; const model = { get: (k) => state[k], set: (k, v) => { state[k] = v }, save_changes: () =>
        {}, off: () => {}, on: (event, ear) => { if (event === 'msg:custom') ears.push(ear) }, send: ({ kind,
        id, n }, _, [z]) => { asked.push([kind, n]); most = Math.max(most, ++flying); setTimeout(() => {
        flying--; const grey = Array.from(new Float32Array(z), (x) => Math.max(0, Math.min(255, 100 + 20 *
        x))); const bytes = Uint8Array.from(grey.flatMap((g) => Array(12).fill(g))); ears.forEach((ear) =>
        ear({ kind, id }, [new DataView(bytes.buffer)])); }, 40); }, };
        document.querySelector('.tgx').remove(); tganExplorer.render({ model, el:
        document.querySelector('main') }); }"""
    )
    page.wait_for_selector(".tgx[data-ready]")
    page.wait_for_timeout(500)
    assert ["render", 4] in page.evaluate("asked"), "the grid is one batch"
    page.evaluate("asked.length = 0")
    page.evaluate(
        """() => { const s = document.querySelector('input[type=range]');
            for (let i = 0; i <= 30; i++) { s.value = i / 10; s.dispatchEvent(new Event('input')) } }"""
    )
    page.wait_for_timeout(400)
    assert 1 <= len(page.evaluate("asked")) <= 3
    assert page.evaluate("most") == 1
    assert page.evaluate(PIXELS) == [160] * 4, (
        "the slider's last place, from the z the model held: 100 + 20 * 3"
    )


def test_the_weights_are_small(explorer_site: Path) -> None:
    text = (explorer_site / "_static" / "explorer" / f"{NAME}.js").read_text(encoding="utf-8")
    packed = base64.b64decode(re.search(r'"data": "([^"]+)"', text)[1])
    assert len(packed) <= 1_000_000
