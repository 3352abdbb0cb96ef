"""Chapter 7's patients: a fault changes the words it names and nothing else, and what is stored is of this code."""

from __future__ import annotations

import dataclasses
import difflib
import math

import pytest
import torch

from tgan_lib import data
from tgan_lib.chapters import clinic
from tgan_lib.chapters.clinic_ward import Ward, alt, chart
from tgan_lib.results import results

GROUPS = ("healthy", "healthy again", "healthy critic", *clinic.EVERY)


@pytest.fixture(scope="module")
def images() -> data.Images:
    return data.load("glyphs", size=clinic.SIZE, limit=200, device="cpu")


@pytest.mark.parametrize("name", clinic.EVERY)
def test_a_fault_changes_few_lines_of_the_parts_it_names(name: str) -> None:
    fault = clinic.EVERY[name]
    found = clinic.parts(fault)
    assert {part for part in clinic.PARTS if found[part] is not clinic.PARTS[part]} == set(fault.swaps)
    for part in fault.swaps:
        healthy, broken = (clinic.source(part, f).splitlines() for f in (None, fault))
        changed = [line for line in difflib.ndiff(healthy, broken) if line[0] in "+-"]
        assert 1 <= len(changed) <= 4


@pytest.mark.parametrize("name", clinic.EVERY)
def test_every_patient_runs(name: str, images: data.Images) -> None:
    course = clinic.treat(images, clinic.EVERY[name], steps=4, seed=0, readings=2)
    assert {len(curve) for curve in course.curves.values()} == {2}
    assert course.samples.shape == course.shown.shape == (16, 1, 16, 16)
    assert (course.died == 1) == (name == "half")
    assert math.isnan(course.curves["held"][-1]) == (name == "half")


def test_d_sees_the_whole_image() -> None:
    """The mixed second difference of its logit between the first and the last rows is none of a sum of patches'."""
    _, D = clinic.build(0)
    both = torch.zeros(4, 1, clinic.SIZE, clinic.SIZE)
    both[1::2, :, :4], both[2:, :, -4:] = 1.0, 1.0
    neither, top, bottom, all_of_it = D(both)
    assert abs(all_of_it - top - bottom + neither) > 1e-4


def test_a_treatment_can_be_repeated_and_leaves_the_random_state_alone(images: data.Images) -> None:
    before = torch.get_rng_state()
    one, other = (clinic.treat(images, critic=True, steps=4, seed=3, readings=2) for _ in range(2))
    assert one.curves == other.curves
    assert torch.equal(before, torch.get_rng_state())


def test_a_report_moves_nothing_unless_it_leaves_g_in_eval_mode(images: data.Images) -> None:
    def last(fault: clinic.Fault | None, readings: int) -> torch.Tensor:
        return clinic.treat(images, fault, steps=8, seed=0, readings=readings).samples

    assert torch.equal(last(None, 1), last(None, 4))
    assert not torch.equal(last(clinic.FAULTS["left in eval"], 1), last(clinic.FAULTS["left in eval"], 4))


def test_few_images_are_those_that_d_sees_and_unseen_ones_are_not(images: data.Images) -> None:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    held, few = order[:50], order[50:150]  # a quarter is held; 100 of the rest are trained on

    def trained(changed: torch.Tensor) -> dict[str, list[float]]:
        pixels = images.data.clone()
        pixels[changed] = 255 - pixels[changed]
        shown = dataclasses.replace(images, data=pixels)
        return clinic.treat(shown, clinic.DYNAMICS["few images"], steps=4, seed=0, readings=2).curves

    as_they_are, others, unseen = trained(order[:0]), trained(order[150:]), trained(held)
    assert as_they_are == others
    assert as_they_are["real"] == unseen["real"]
    assert as_they_are["held"] != unseen["held"]
    assert as_they_are["real"] != trained(few)["real"]


def test_a_missing_detach_is_harmless_where_gradients_are_cleared_in_between(images: data.Images) -> None:
    swaps = clinic.FAULTS["no detach"].swaps["step"] | {
        "    g_loss = ": "    g_adam.zero_grad()\n    g_loss = "
    }
    cleared = clinic.treat(images, clinic.Fault({"step": swaps}), steps=6, seed=0, readings=2)
    assert cleared.curves == clinic.treat(images, steps=6, seed=0, readings=2).curves


def test_noise_in_place_of_data_shows_d_the_shape_of_a_batch_and_nothing_of_it(images: data.Images) -> None:
    fault = clinic.FAULTS["noise for data"]
    assert "return torch.randn(pixels.shape)" in clinic.source("real_images", fault)
    healthy, broken = (clinic.parts(f)["real_images"] for f in (None, fault))
    pixels = images.data[:32]
    assert healthy(pixels).aminmax() == (-1, 1)
    torch.manual_seed(0)
    one, other = broken(pixels), broken(pixels)
    assert one.shape == healthy(pixels).shape
    assert one.dtype == healthy(pixels).dtype
    assert not torch.equal(one, other)  # the same images, and other noise
    assert 0.30 < (one.abs() > 1).float().mean() < 0.34  # beyond a tanh


def test_a_training_on_noise_is_the_same_whatever_the_images(images: data.Images) -> None:
    def curves(fault: clinic.Fault | None, shown: data.Images) -> dict[str, list[float]]:
        return clinic.treat(shown, fault, steps=4, seed=0, readings=2).curves

    fault, negative = clinic.FAULTS["noise for data"], dataclasses.replace(images, data=255 - images.data)
    assert curves(fault, images) == curves(fault, negative)
    assert curves(None, images) != curves(None, negative)
    assert curves(fault, images) != curves(None, images)


def test_a_patients_number_is_its_place_and_the_sister_stands_behind_them() -> None:
    names = list(clinic.FAULTS)
    assert names[1] == "out of reach"
    assert names[10:] == ["no zero_grad", "noise for data"]  # the open question's, and the second's sister


def test_words_that_are_not_there_cannot_be_swapped() -> None:
    with pytest.raises(ValueError, match="does not stand in the part 'step'"):
        clinic.source("step", clinic.Fault({"step": {"no such words": ""}}))


def test_steps_are_a_multiple_of_the_readings(images: data.Images) -> None:
    with pytest.raises(ValueError, match="steps is 30 and readings 20"):
        clinic.treat(images, steps=30, seed=0)


def test_the_stored_courses_are_of_this_code_and_complete() -> None:
    ward = Ward(results("clinic"))
    assert ward.settings["code"] == clinic.fingerprint()
    for name in GROUPS:
        for curve in clinic.CURVES:
            assert ward.curves(name, curve).shape == (3, ward.settings["readings"])
        if name != "healthy again":
            assert ward.samples(name, "shown").shape == (16, 1, 16, 16)
    assert ward.apart("healthy", "d_loss", "healthy") == 0
    assert ward.apart("same labels", "d_loss", "healthy") == 1
    assert ward.apart("half", "d_loss", "healthy") == 1
    assert ward.signs("healthy")["spread"] == 1


def test_a_chart_says_what_is_below_and_what_is_no_number() -> None:
    ward = Ward(results("clinic"))
    gradients = chart(ward, "same labels").axes[2]
    assert gradients.get_yticklabels()[0].get_text() == "below"
    assert "no finite number" in chart(ward, "half").axes[0].texts[0].get_text()
    assert "not at all" in alt(ward, "half", "nothing is drawn")


def test_the_sisters_chart_is_the_second_patients_but_for_gs_gradients() -> None:
    ward = Ward(results("clinic"))
    dead, alive = (ward.curves(name, "g_grad")[:, -1] for name in ("out of reach", "noise for data"))
    for name in ("out of reach", "noise for data"):
        assert ward.curves(name, "d_loss")[:, -1].max() < 0.3
    assert dead.max() < alive.min()
