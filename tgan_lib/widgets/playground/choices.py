"""What the playground offers, and its presets: the one list that Python checks against and the browser shows.

Every preset's note says what was seen with it; tests run it and hold it to that.
"""

from __future__ import annotations

from typing import Any

DATA = {
    "one": "one Gaussian",
    "two": "two Gaussians",
    "ring": "ring of 8",
    "grid": "grid of 25",
    "moons": "two moons",
    "spiral": "spiral",
}
STRENGTH = {"r1": 0.1, "clip": 0.1}  # the weight of R1; where weights and biases are clipped
PENALTIES = {
    "none": "none",
    "r1": f"R1, weight {STRENGTH['r1']}",
    "clip": f"weights within {STRENGTH['clip']}",
}
OPTIMISERS = {"adam": "Adam", "sgd": "plain gradient"}
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
BATCHES = (16, 32, 64, 128, 256)  # multiples of four, which the nets rely on
MOST_SEED = 999_999

# Those that game.js knows; a test holds them to the library's, value and gradient.
LOSSES = {
    "minimax": "minimax",
    "non_saturating": "non-saturating",
    "least_squares": "least squares",
    "wasserstein": "Wasserstein",
    "hinge": "hinge",
    "relativistic": "relativistic",
}

CHOICES: dict[str, dict[Any, str]] = {
    "data": DATA,
    "loss": LOSSES,
    "penalty": PENALTIES,
    "optimiser": OPTIMISERS,
    "rate_d": {rate: f"{rate:g}" for rate in RATES},
    "rate_g": {rate: f"{rate:g}" for rate in RATES},
    "head_start": {n: f"{n} steps" if n else "none" for n in (0, 300, 1000)},
    "d_steps": {n: str(n) for n in (1, 2, 5)},
    "batch": {n: str(n) for n in BATCHES},
    "speed": {n: str(n) for n in (1, 2, 5, 10, 20)},
}


def preset(label: str, note: str, **settings: Any) -> dict[str, Any]:
    """A preset: what it is called, what to watch, and the settings in which it differs from these."""
    base = {
        "data": "ring",
        "loss": "non_saturating",
        "penalty": "none",
        "optimiser": "adam",
        "rate_d": 1e-3,
        "rate_g": 1e-3,
        "d_steps": 1,
        "head_start": 0,
        "batch": 64,
        "speed": 10,
        "arrows": True,
    }
    return {"label": label, "note": note, "settings": base | settings}


PRESETS: dict[str, dict[str, Any]] = {
    "good": preset(
        "A good run",
        "G spreads over the ring and then gathers at its eight modes, while D ends where it cannot tell. Then try it "
        "without the penalty.",
        penalty="r1",
        rate_d=0.003,
        rate_g=0.003,
    ),
    "collapse": preset(
        "Mode collapse",
        "G learns ten times as fast as D. Its samples crowd into a few places and move on as soon as D has found them. "
        "The losses look as calm as in a good run.",
        rate_g=0.01,
    ),
    "saturation": preset(
        "Saturation",
        "D learns alone for 1000 steps. Then G may move, and stays where it is: where D is sure, the minimax loss has "
        "next to no slope, and its arrows are too short to be seen. Now choose the non-saturating loss, while it runs: "
        "from the same place, G reaches the mode within 400 steps.",
        data="one",
        loss="minimax",
        optimiser="sgd",
        rate_d=0.3,
        rate_g=1e-4,
        head_start=1000,
        batch=32,
        speed=20,
    ),
    "leash": preset(
        "A critic without a leash",
        "Nothing bounds the slopes of the Wasserstein critic. Its scores grow, G is thrown about, and after some "
        "hundreds of steps the numbers run away; the picture stops at the last sound step. Then give the critic R1 and "
        "start again.",
        loss="wasserstein",
        optimiser="sgd",
        rate_d=0.1,
        rate_g=0.01,
        speed=2,
    ),
    "grid": preset(
        "Twenty-five modes",
        "A grid is harder than a ring. Within a few hundred steps some sample reaches nearly every place, but places "
        "are lost and found again. Bridges of samples stay between them, since G is continuous.",
        data="grid",
        penalty="r1",
        rate_d=0.003,
        speed=20,
    ),
}
