"""The playground: a GAN of two small networks that learns points of the plane, in the reader's browser.

    Playground("ring", "non_saturating", learning_rates=(0.001, 0.003))
    Playground(preset="collapse")

It shows D's surface, real and generated points, where G's loss pushes the latter, both losses, and how many modes
are reached; the reader runs, stops and steps it, and changes whatever it is made of. All of the training is done
by the page's own script: a notebook needs the kernel only to place it, the book's site needs none.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

import anywidget
import traitlets

from ...errors import one_of, real_number, shown, true_or_false
from . import assets
from .choices import BATCHES, CHOICES, MOST_SEED, PRESETS

__all__ = ["PRESETS", "Playground"]


class Playground(anywidget.AnyWidget):
    """A GAN in the plane that trains while it is watched.

    `preset`: where to start, by name (see `PRESETS`); what else is given changes it, and without one the start is
    "good". `data`: "one", "two", "ring", "grid", "moons" or "spiral". `loss`: a name in `LOSSES`.
    `learning_rates`: (G's, D's). `penalty` on D: "none", "r1" or "clip". `optimiser`: "adam" (betas 0.5 and 0.9)
    or "sgd". `d_steps`: D's updates for one of G. `head_start`: rounds in which D learns alone. `batch`: 16, 32,
    64, 128 or 256. `arrows`: whether to show where G's loss pushes its samples. `seed` fixes data, latents and
    first weights: the same settings give the same run. `controls`: whether they are open; otherwise they wait behind
    a button. While they are open the picture stays on screen.

    Once most of its picture is in view it runs by itself for three seconds, except where motion is unwelcome. A run
    whose numbers run away stops at its last sound step. The widget reads nothing from the kernel after its start and
    writes nothing back.
    """

    _esm = assets.module()
    _css = assets.style()

    settings = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        data: str | None = None,
        loss: str | None = None,
        learning_rates: tuple[float, float] | None = None,
        preset: str | None = None,
        seed: int = 0,
        *,
        penalty: str | None = None,
        optimiser: str | None = None,
        d_steps: int | None = None,
        head_start: int | None = None,
        batch: int | None = None,
        arrows: bool | None = None,
        controls: bool = False,
    ) -> None:
        if preset is not None:
            one_of("preset", preset, PRESETS)
        given: dict[str, Any] = {"data": data, "loss": loss, "penalty": penalty, "optimiser": optimiser}
        for kind, name in given.items():
            if name is not None:
                one_of(kind, name, CHOICES[kind])
        given |= {"d_steps": d_steps, "head_start": head_start, "batch": batch, "arrows": arrows}
        if learning_rates is not None:
            given["rate_g"], given["rate_d"] = check_rates(learning_rates)
        check_numbers(seed, d_steps, head_start, batch)
        if arrows is not None:
            true_or_false("arrows", arrows)
        true_or_false("controls", controls)
        start = PRESETS[preset or "good"]["settings"]
        settings = start | {key: value for key, value in given.items() if value is not None}
        unchanged = settings == start
        name = (preset or "good") if unchanged else ""
        super().__init__(settings={**settings, "seed": seed, "preset": name, "controls": controls})

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**(data or {}), "text/html": self.twin()}, metadata

    def twin(self) -> str:
        """The HTML kept in a stored notebook: a description, and the settings with which the site brings it to
        life.
        """
        state = escape(json.dumps(self.settings, separators=(",", ":")))
        data, loss = (CHOICES[kind][self.settings[kind]] for kind in ("data", "loss"))
        said = (
            f"The playground: two small networks play the game on points of the plane ({data}; {loss} loss) while you "
            "watch. It needs scripts: run this cell, or open the book's page with scripts allowed."
        )
        return (
            f'<div class="tgan-playground" data-playground="{state}">'
            f'<p style="max-width: 40em">{escape(said)}</p></div>'
        )


def check_rates(rates: Any) -> tuple[float, float]:
    """G's and D's learning rates as floats; ValueError unless they are two numbers above 0."""
    try:
        g, d = (real_number("a rate", rate, above=0) for rate in rates)
    except Exception as error:  # whatever comes of taking it for two numbers
        raise ValueError(
            f"learning_rates is {shown(rates)}; two numbers above 0 are right, G's and D's, as in (0.001, 0.003)"
        ) from error
    return g, d


def check_numbers(seed: Any, d_steps: Any, head_start: Any, batch: Any) -> None:
    """ValueError unless the whole numbers are ones that the browser can take."""
    whole = {
        "seed": (seed, range(MOST_SEED + 1), f"a whole number from 0 to {MOST_SEED}"),
        "d_steps": (d_steps, range(1, 11), "a whole number from 1 to 10"),
        "head_start": (head_start, range(10_001), "a whole number from 0 to 10000"),
        "batch": (batch, BATCHES, f"one of {', '.join(map(str, BATCHES))}"),
    }
    for name, (value, allowed, words) in whole.items():
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or value not in allowed
        ):
            raise ValueError(f"{name} is {shown(value)}; {words} is right")
