"""The explorer on a page of its own, made of the pieces that the site is made of, with no kernel anywhere."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from visits import Visit

from tgan_lib import zoo
from tgan_lib.gan import GAN
from tgan_lib.widgets.explorer import STATE, LatentExplorer, assets, pack
from tgan_lib.widgets.explorer.twin import seeded_latents, twin_html

pytestmark = pytest.mark.browser

NAME = "mnist-dcgan"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Explorer</title> <meta
name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,"> <style>:root {{
color-scheme: light dark }} body {{ background: Canvas; color: CanvasText; margin: 16px }}</style> <script
defer src="_static/explorer/loader.js"></script></head>
<body><main><h1>Explorer</h1>{twins}</main></body></html>"""
# The main picture's first channel, as numbers from 0 to 255.
PIXELS = """() => {
    const canvas = document.querySelector('canvas[role=img]'), { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    return Array.from(data).filter((_, i) => i % 4 === 0);
}"""


@pytest.fixture(scope="module")
def gan() -> GAN:
    """The shipped MNIST DCGAN."""
    return zoo.load(NAME, device="cpu")


@pytest.fixture(scope="module")
def folder(gan: GAN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site: index.html with one explorer, stale.html with one of another version of the model."""
    made = tmp_path_factory.mktemp("explorer")
    explorer = LatentExplorer(gan, name=NAME)
    state = {key: getattr(explorer, key) for key in STATE} | {"sha256": "ab12"}
    images = gan.sample(z=torch.from_numpy(seeded_latents(16, 64, 0)))
    assets.write_site(made / "_static" / "explorer", {NAME: ("ab12", pack(gan.ema))})
    for page, version in (("index", "ab12"), ("stale", "old")):
        twin = twin_html(images, 4, NAME, state | {"sha256": version})
        (made / f"{page}.html").write_text(PAGE.format(twins=twin), encoding="utf-8")
    return made


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[dict[str, str]]:
    """The page's address by scheme."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {
        "http": f"http://127.0.0.1:{server.server_address[1]}/index.html",
        "file": (folder / "index.html").as_uri(),
    }
    server.shutdown()
    server.server_close()


@pytest.fixture
def explore(open_page: Callable[..., Visit], address: dict[str, str]) -> Callable[..., Visit]:
    """`explore(scheme="file", ...)` opens the page and waits until its explorer draws."""

    def open_explorer(scheme: str = "file", **options: Any) -> Visit:
        visit = open_page(address[scheme], **options)
        visit.page.wait_for_selector(".tgx[data-ready]")
        return visit

    return open_explorer


def shown(visit: Visit) -> np.ndarray:
    """What the main picture shows now, at rest, in [-1, 1]."""
    visit.page.wait_for_timeout(120)
    return np.array(visit.page.evaluate(PIXELS)) / 127.5 - 1


def drawn(gan: GAN, z: np.ndarray) -> np.ndarray:
    """The same of torch, for one latent."""
    return gan.sample(z=torch.from_numpy(z[None]).float()).flatten().numpy()


def differ(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


CLOSE = 0.03 + 1 / 255  # the engine's error and a byte's rounding


def label(visit: Visit) -> str:
    """What a screen reader is told of the picture, once the news has settled."""
    visit.page.wait_for_timeout(800)
    return visit.page.get_attribute("canvas[role=img]", "aria-label")


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_slider_changes_the_picture_without_a_kernel(
    explore: Callable[..., Visit], gan: GAN, scheme: str
) -> None:
    visit = explore(scheme)
    z = seeded_latents(1, 64, 0)[0]
    assert differ(shown(visit), drawn(gan, z)) < CLOSE
    name, direction = next(iter(LatentExplorer(gan).directions.items()))
    slider = visit.page.get_by_role("slider", name=name)
    slider.focus()
    for _ in range(15):
        visit.page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(1.5)
    assert differ(shown(visit), drawn(gan, z + 1.5 * np.array(direction))) < CLOSE
    assert differ(shown(visit), drawn(gan, z)) > CLOSE
    assert label(visit) == f"Generated picture: sample 1 of seed 0, {name} +1.5"
    assert visit.page.inner_text("[role=status]") == f"{name.capitalize()} +1.5."
    assert slider.get_attribute("aria-valuetext") == "+1.5"
    visit.assert_clean()


def test_the_browser_draws_what_torch_draws_in_time_for_the_next_frame(
    explore: Callable[..., Visit], gan: GAN
) -> None:
    z = gan.latents(50, seed=11)
    expected = gan.sample(z=z).flatten(1).numpy()
    found = explore().page.evaluate(
        """([name, latents]) => { const data = tganExplorer.weights[name].data; const generator =
        tganExplorer.makeGenerator(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer); const pictures
        = latents.map((z) => Array.from(generator.run(z))); const context =
        document.createElement('canvas').getContext('2d'), times = []; for (let round = 0; round < 2; round++)
        for (const z of latents) { const began = performance.now(), pixels = generator.run(z), image = new
        ImageData(28, 28); pixels.forEach((x, i) => image.data.fill((x + 1) * 127.5, 4 * i, 4 * i + 3));
        context.putImageData(image, 0, 0); times.push(performance.now() - began); } return { pictures, ms:
        times.sort((a, b) => a - b)[times.length >> 1] }; }""",
        [NAME, z.tolist()],
    )
    error = differ(np.array(found["pictures"]), expected)
    assert error <= 0.03
    assert found["ms"] <= 16


def test_the_grid_is_walked_with_arrow_keys_and_chosen_with_enter(
    explore: Callable[..., Visit], gan: GAN
) -> None:
    page = (visit := explore()).page
    cells = page.get_by_role("option")
    assert cells.count() == 16
    cells.first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    at = page.evaluate("[...document.querySelectorAll('[role=option]')].indexOf(document.activeElement)")
    assert at == 3, "right, down, down, left, left (over the row's end), up"
    assert [cells.nth(i).get_attribute("tabindex") for i in range(4)] == ["-1", "-1", "-1", "0"]
    page.keyboard.press("Enter")
    assert cells.nth(3).get_attribute("aria-selected") == "true"
    assert differ(shown(visit), drawn(gan, seeded_latents(16, 64, 0)[3])) < CLOSE
    assert label(visit) == "Generated picture: sample 4 of seed 0"
    cells.nth(9).click()
    assert differ(shown(visit), drawn(gan, seeded_latents(16, 64, 0)[9])) < CLOSE


def test_the_grid_is_seeded_again(explore: Callable[..., Visit], gan: GAN) -> None:
    page = (visit := explore()).page
    seed = page.get_by_label("seed", exact=True)
    page.get_by_role("button", name="New samples").click()
    assert seed.input_value() == "1"
    seed.fill("1234")
    seed.press("Enter")
    page.wait_for_timeout(400)
    page.get_by_role("option").nth(15).click()
    assert differ(shown(visit), drawn(gan, seeded_latents(16, 64, 1234)[15])) < CLOSE
    for wrong in ("-3", "1.5", "4294967296", ""):
        seed.fill(wrong)
        seed.press("Enter")
        assert seed.input_value() == "1234"
    page.wait_for_timeout(800)
    assert "whole number from 0 to 4294967295" in page.inner_text("[role=status]")
    page.get_by_role("button", name="Reset").click()
    assert seed.input_value() == "0"
    assert differ(shown(visit), drawn(gan, seeded_latents(1, 64, 0)[0])) < CLOSE


def test_interpolation_and_truncation(explore: Callable[..., Visit], gan: GAN) -> None:
    page = (visit := explore()).page
    z = seeded_latents(16, 64, 0)
    for cell, end in ((5, "A"), (10, "B")):
        page.get_by_role("option").nth(cell).click()
        page.get_by_role("button", name=f"Set {end} to the current picture").click()
    page.get_by_role("slider", name="A to B").press("Home")
    page.get_by_role("slider", name="A to B").press("ArrowRight")
    page.get_by_role("slider", name="A to B").press("End")
    assert differ(shown(visit), drawn(gan, z[10])) < CLOSE
    page.get_by_role("slider", name="A to B").press("Home")
    assert differ(shown(visit), drawn(gan, z[5])) < CLOSE
    assert label(visit) == "Generated picture: 0 % of the way from A to B"
    page.get_by_role("slider", name="truncation").press("Home")
    assert differ(shown(visit), drawn(gan, 0 * z[0])) < CLOSE


@pytest.mark.parametrize("clipboard", [True, False])
def test_the_latent_is_copied_as_python_that_runs(explore: Callable[..., Visit], clipboard: bool) -> None:
    allowed = ["clipboard-read", "clipboard-write"] if clipboard else []
    page = explore("http", permissions=allowed).page
    if not clipboard:
        page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("option").nth(2).click()
    page.get_by_role("button", name="Copy as Python").click()
    page.wait_for_timeout(900)
    if clipboard:
        code = page.evaluate("navigator.clipboard.readText()")
        assert "clipboard" in page.inner_text("[role=status]")
    else:
        code = page.evaluate("getSelection().toString()")
        assert page.get_by_label("The latent as Python").is_visible()
    scope: dict[str, Any] = {}
    exec(code, scope)
    assert scope["z"].shape == (1, 64)
    assert np.allclose(scope["z"][0], seeded_latents(3, 64, 0)[2], atol=1e-5)
    assert "# sample 3 of seed 0" in code


def test_the_walk_starts_and_pauses(explore: Callable[..., Visit]) -> None:
    page = (visit := explore(reduced_motion="no-preference")).page
    still = shown(visit)
    assert differ(shown(visit), still) == 0, "nothing moves unasked"
    page.get_by_role("button", name="Random walk").click()
    page.wait_for_timeout(700)
    moved = shown(visit)
    assert differ(moved, still) > CLOSE
    page.get_by_role("button", name="Pause").click()
    paused = shown(visit)
    page.wait_for_timeout(400)
    assert differ(shown(visit), paused) == 0
    assert page.get_by_role("button", name="Random walk").is_visible()


def test_where_motion_is_unwelcome_the_walk_takes_one_step(explore: Callable[..., Visit]) -> None:
    page = (visit := explore(reduced_motion="reduce")).page
    before = shown(visit)
    page.get_by_role("button", name="Step at random").click()
    after = shown(visit)
    assert differ(after, before) > CLOSE
    page.wait_for_timeout(400)
    assert differ(shown(visit), after) == 0


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


def test_without_scripts_the_twin_is_a_still_picture(open_page: Callable[..., Visit], folder: Path) -> None:
    visit = open_page((folder / "index.html").as_uri(), java_script_enabled=False)
    picture = visit.page.get_by_role("img", name="16 samples of mnist-dcgan, in a grid")
    assert picture.is_visible()
    assert visit.page.get_by_text("A still picture").is_visible()
    visit.assert_clean()


def test_another_version_of_the_model_stays_still(open_page: Callable[..., Visit], folder: Path) -> None:
    visit = open_page((folder / "stale.html").as_uri())
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


def test_the_weights_are_small(folder: Path) -> None:
    text = (folder / "_static" / "explorer" / f"{NAME}.js").read_text(encoding="utf-8")
    packed = base64.b64decode(re.search(r'"data": "([^"]+)"', text)[1])
    assert len(packed) <= 1_000_000
