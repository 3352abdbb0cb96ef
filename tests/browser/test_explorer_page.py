"""The explorer on a page of its own, with no kernel anywhere: what it draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from explorer_site import CLOSE, NAME, differ, drawn, label, shown
from visits import Visit

from tgan_lib.gan import GAN
from tgan_lib.latent import slerp
from tgan_lib.widgets.explorer import LatentExplorer
from tgan_lib.widgets.explorer.twin import seeded_latents

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", [pytest.param("http", marks=pytest.mark.slow), "file"])
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


def test_the_walk_from_a_to_b_follows_the_arc_and_pauses_where_it_is(
    explore: Callable[..., Visit], gan: GAN
) -> None:
    page = (visit := explore(reduced_motion="no-preference")).page
    page.get_by_role("button", name="Walk from A to B").click()
    page.wait_for_timeout(700)
    page.get_by_role("button", name="Pause between A and B").click()
    z = torch.from_numpy(seeded_latents(2, 64, 0))
    near = [
        drawn(gan, slerp(z[0], z[1], t / 100).numpy())
        for t in range(1, 101)  # as finely as the slider's steps
    ]
    paused = shown(visit)
    assert min(np.abs(paused - picture).mean() for picture in near) < 0.02
    assert np.abs(paused - drawn(gan, z[0].numpy())).mean() > 0.02, "it has left A"
    assert "% of the way from A to B" in label(visit)
    page.get_by_role("option").nth(4).click()
    assert differ(shown(visit), drawn(gan, seeded_latents(5, 64, 0)[4])) < CLOSE


def test_where_motion_is_unwelcome_the_way_from_a_to_b_is_taken_in_steps(
    explore: Callable[..., Visit], gan: GAN
) -> None:
    page = (visit := explore(reduced_motion="reduce")).page
    z = torch.from_numpy(seeded_latents(2, 64, 0))
    for t in (0.1, 0.2):
        page.get_by_role("button", name="Step from A to B").click()
        assert differ(shown(visit), drawn(gan, slerp(z[0], z[1], t).numpy())) < CLOSE
    assert float(page.get_by_role("slider", name="A to B").input_value()) == pytest.approx(0.2)
