"""What a run's checkpoint holds, and how a run is known again and taken up from it.

A run is known by whatever decides its result: its settings, its images and the weights it began with. It is refused,
by the name of the first thing that differs, if it is another, and taken up if only its device, its threads or the
number of its processes changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ..errors import MOST_SEED
from ..gan import fit_weights
from ..plain import hash_of, near, plain
from .averaging import Averages
from .checkpoint import CheckpointError, refuse_changed
from .history import History

if TYPE_CHECKING:
    from .step import Run

NOTHING = torch.zeros(0)


def described(run: Run) -> dict[str, Any]:
    """Whatever decides the result, in plain values: the settings, and what data, methods and frozen layers add.

    Not what does not: device, threads, processes, a captured graph, how often one looks or saves.
    """
    pixels, networks = run.images.data, (run.gan.generator, run.gan.discriminator)
    if run.pixel_hash is None:
        run.pixel_hash = hash_of({"data": pixels})
    added = {
        "images": len(pixels),
        "pixels": run.pixel_hash,
        "augment": None if run.augment is None else run.augment.settings(),
        "terms": [term.settings() for term in run.terms],
        "methods": run.gan.methods,
        "trained": [
            [name for name, p in network.named_parameters() if p.requires_grad] for network in networks
        ],
    }
    found: dict[str, Any] = plain(run.settings.as_dict() | added, "settings", functions=True)
    for part, names in zip(("G", "D"), found.pop("trained"), strict=True):
        found[f"trained of {part}"] = f"{len(names)} tensors ({hash_of(dict.fromkeys(names, NOTHING))})"
    return found


def begin(run: Run) -> None:
    """Note which weights this run begins with, by which a later call knows it again."""
    run.start = run.gan.began = run.gan.fingerprints()


def state_dict(run: Run, history: History) -> dict[str, Any]:
    device, gather = run.gan.device, run.world.gather_list
    return {
        "settings": described(run),
        "config": run.gan.config.as_dict(),
        "start": run.start,
        "networks": {name: module.state_dict() for name, module in run.gan.modules().items()},
        "optimisers": [run.g_optimiser.state_dict(), run.d_optimiser.state_dict()],
        "scaler": run.scaler.state_dict(),
        "augment": {} if run.augment is None else run.augment.state_dict(),
        "terms": [term.state_dict() for term in run.terms],
        "sampler": run.sampler.state_dict(),
        "averages": {} if run.averages is None else run.averages.state_dict(),
        "random": {
            "latents": run.rng.get_state(),
            "noise": gather(run.noise.get_state()),
            "cpu": gather(torch.get_rng_state()),
            "cuda": gather(torch.cuda.get_rng_state(device)) if device.type == "cuda" else [],
        },
        "step": run.step,
        "seconds": run.seconds,
        "records": plain(history.records, "records"),
        "grids": history.grids,
        "versions": {"torch": str(torch.__version__)},
    }


def load_state_dict(run: Run, state: dict[str, Any], where: str) -> History:
    """Take up a run again; CheckpointError, naming the field, when it was another run.

    A run may go on on another kind of device: its random numbers are then others from there on, and it says so.
    """
    refuse_changed(state["config"], run.gan.config.as_dict(), where)
    refuse_changed(state["settings"], described(run), where)
    modules = run.gan.modules()
    try:
        if not any(near(state["start"], ours) for ours in (run.gan.fingerprints(), run.gan.began) if ours):
            raise CheckpointError(
                f"{where} holds a run that began with other weights than this GAN has; build the GAN as it was then "
                "(seed, source), or choose another run_dir"
            )
        for load in (False, True):  # nothing is changed unless all of it fits
            for name, module in modules.items():
                fit_weights(module, state["networks"][name], name, where, load)
            if not load:
                take_up(run, state)
    except CheckpointError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{where} holds a run that does not fit this one ({reason})") from error
    run.start = run.gan.began = state["start"]
    run.step, run.seconds = state["step"], state["seconds"]
    return History(state["records"], state["grids"])


def take_up_averages(run: Run, saved: dict[str, Any]) -> None:
    """Go on with the averages that a run keeps, even where no more are to be stored, since a gap would spoil them."""
    if saved:
        run.averages = Averages(run.gan.generator)
        run.averages.load_state_dict(saved)
    elif run.averages is not None:
        raise CheckpointError(
            "this run kept no averages from its beginning, so averages_every comes too late; leave it out, or choose "
            "another run_dir"
        )


def take_up(run: Run, state: dict[str, Any]) -> None:
    """All of a saved state but the networks' weights."""
    cuda = run.gan.device.type == "cuda"
    for optimiser, saved in zip((run.g_optimiser, run.d_optimiser), state["optimisers"], strict=True):
        rates = [group["lr"] for group in optimiser.param_groups]
        optimiser.load_state_dict(saved)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["capturable"], group["lr"] = cuda, rate  # the rates are the settings', on this device
    run.scaler.load_state_dict(state["scaler"])
    if run.augment is not None:
        run.augment.load_state_dict(state["augment"])
    for term, saved in zip(run.terms, state["terms"], strict=True):
        term.load_state_dict(saved)
    run.sampler.load_state_dict(state["sampler"])
    take_up_averages(run, state.get("averages", {}))
    random, rank = state["random"], run.world.rank
    torch.set_rng_state(random["cpu"][rank % len(random["cpu"])])
    if random["cuda"] and cuda:
        torch.cuda.set_rng_state(random["cuda"][rank % len(random["cuda"])], run.gan.device)
    if len(random["latents"]) == len(run.rng.get_state()):  # each kind of device has a length of its own
        run.rng.set_state(random["latents"])
        run.noise.set_state(random["noise"][rank % len(random["noise"])])
    else:
        run.rng.manual_seed((run.settings.seed + 1_000_003 * state["step"]) % MOST_SEED)
        run.noise.manual_seed((run.settings.seed + 1_000_003 * state["step"] + 1 + rank) % MOST_SEED)
        run.world.say("The run was on another kind of device, so its random numbers are others from here on.")
