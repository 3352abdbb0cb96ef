"""What watches over a run: a clock, a record, a folder, a progress bar, the user's Ctrl-C, the memory there is."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..data.pixels import to_uint8
from ..errors import shown
from ..gan import GAN
from .averaging import write_snapshot
from .checkpoint import CheckpointError, save_checkpoint
from .divergence import diverged, forget, remember, spoilt
from .history import History, Record
from .settings import PERIODS, Schedule
from .state import state_dict
from .step import SCALARS, Run

Metric = Callable[[GAN], float]
# A scale of the loss that forty overflows in a row lead to: updates are left out for good.
SMALLEST_SCALE = 2.0**-24


class Loop:
    """A run with what watches over it: a clock, a record, a folder, a bar.

    changes: sentences on what was changed on the way (`divergence.follow_advice`), kept in the checkpoint.
    """

    def __init__(
        self, run: Run, history: History, folder: Path | None, metric: Metric | None, progress: bool
    ) -> None:
        self.run, self.history, self.folder, self.metric = run, history, folder, metric
        self.bar = tqdm(disable=True)
        self.progress = progress and run.world.rank == 0
        self.unread: list[Tensor] = []  # the scalars of the steps since the last record, on the device
        self.saved = run.step  # the step of the last checkpoint
        self.changes: list[str] = []

    def over(self, schedule: Schedule) -> str:
        """Why there is nothing (more) to do, in words; empty while there is."""
        run = self.run
        last = next((r["distance"] for r in reversed(self.history.records) if "distance" in r), None)
        if schedule.target is not None and last is not None and last <= schedule.target:
            return f"a distance of {last:g} has reached the target of {schedule.target:g}"
        if run.step >= schedule.steps:
            return f"it has its {schedule.steps} steps"
        if schedule.seconds is not None and run.seconds >= schedule.seconds:
            return f"it has had its {schedule.seconds:g} seconds"
        return ""

    def go(self, schedule: Schedule, stop: threading.Event) -> None:
        """Steps until `schedule` says that it is enough, or until `stop` is set, by a Ctrl-C."""
        run, world = self.run, self.run.world
        limit = float("inf") if schedule.seconds is None else schedule.seconds
        self.bar = tqdm(
            total=schedule.steps if schedule.seconds is None else None,
            initial=run.step,
            disable=not self.progress,
            unit="step",
            mininterval=1.0,
            leave=False,
        )
        started = time.perf_counter() - run.seconds
        over, stopped = bool(self.over(schedule)), world.any(stop.is_set())
        with self.bar:
            while not (over or stopped):
                self.unread.append(self.one_step())
                self.bar.update()
                run.seconds = time.perf_counter() - started
                done = run.step >= schedule.steps
                # One process stops at once. Several ask each other where they look, since asking waits for devices.
                hurried = world.size == 1 and (run.seconds >= limit or stop.is_set())
                looks = any(schedule.due(period, run.step) for period in PERIODS)
                if not (done or hurried or looks):
                    continue
                if run.gan.device.type == "cuda":  # the clock must not run ahead of the card
                    torch.cuda.synchronize()
                    run.seconds = time.perf_counter() - started
                at_end = world.any(done or run.seconds >= limit)
                row = self.read()
                self.history.records.append(row)
                try:
                    self.look(schedule, row, at_end)
                except KeyboardInterrupt:  # a second Ctrl-C, in a slow measurement: the step is whole
                    if world.size > 1:  # the others wait where they compare notes
                        raise
                last = at_end or bool(self.over(schedule))
                if schedule.averages_every and (last or schedule.due("averages_every", run.step)):
                    self.store_averages()  # before the checkpoint: what was stored after one is stored again
                if last or schedule.due("save_every", run.step):
                    self.save()
                # Asked last, since it may come while something is measured.
                stopped = world.any(stop.is_set())
                over = at_end or bool(self.over(schedule))
                started = time.perf_counter() - run.seconds  # what measuring and saving took is not training
        if stopped:
            if run.step > self.saved:
                self.save()
            kept = (
                f"it is saved in {self.folder}, and the same call goes on from there"
                if self.folder and self.saved
                else "the GAN in memory has it"
            )
            when = f"after step {run.step}; {kept}" if run.step else "before the first step"
            world.say(f"Stopped {when}.")

    def one_step(self) -> Tensor:
        """A step of the run. MemoryError, naming a batch that fits, where there is too little memory."""
        try:
            return self.run.one_step()
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        size = self.run.settings.batch_size
        fits = batch_that_fits(self.run)
        advice = (
            f"batch_size={fits} fits" if fits else "not even one image at a time fits; use a smaller network"
        )
        raise MemoryError(f"{self.run.gan.device} has too little memory for batch_size={size}; {advice}")

    def read(self) -> Record:
        """Read the unread scalars, and stop where one is not a number. What the last step is to be remembered by."""
        run = self.run
        values = torch.stack(self.unread)
        self.unread.clear()
        run.world.average([values])
        values = values.double().cpu()
        bad = (~torch.isfinite(values)).any(1).nonzero()
        if len(bad):
            step = run.step - len(values) + 1 + int(bad[0])
            names = [n for n, v in zip(SCALARS, values[bad[0, 0]], strict=True) if not torch.isfinite(v)]
            raise self.diverged(" and ".join(names), step)
        if run.scaler.is_enabled() and run.scaler.get_scale() < SMALLEST_SCALE:
            raise self.diverged("every gradient of late", run.step)
        row: Record = {"step": run.step, "images": run.step * run.settings.batch_size * run.settings.d_steps}
        row |= {"seconds": round(run.seconds, 3)}
        row |= dict(zip(SCALARS, values[-1].tolist(), strict=True))
        if not run.settings.penalties:
            del row["penalty"]
        if run.augment is not None:
            row |= run.augment.readings()
        return row

    def look(self, schedule: Schedule, row: Record, at_end: bool) -> None:
        """Measure and draw what is due, of a GAN that is still whole."""
        run = self.run
        measure = self.metric is not None and (at_end or schedule.due("metric_every", run.step))
        draw = schedule.samples_every and (at_end or schedule.due("samples_every", run.step))
        if measure or draw or at_end:
            self.refuse_spoilt()
        if measure:
            row["distance"] = self.measured()
            self.bar.set_postfix(distance=f"{row['distance']:.1f}")
        if draw:
            self.history.grids[run.step] = to_uint8(run.gan.sample(64, seed=run.settings.seed)).cpu()

    def measured(self) -> float:
        """What the metric says, as a plain number. ValueError or TypeError when it says none."""
        assert self.metric is not None
        value: Any = self.metric(self.run.gan)
        plain = value.item() if getattr(value, "shape", None) == () else value
        if isinstance(plain, bool) or not isinstance(plain, (int, float)):
            raise TypeError(f"the metric gave {shown(value)} at step {self.run.step}; one number is right")
        if not isfinite(plain):
            raise ValueError(
                f"the metric gave {plain} at step {self.run.step}, of a GAN whose weights and images are finite; a "
                "metric should give a finite number"
            )
        return float(plain)

    def refuse_spoilt(self) -> None:
        """FloatingPointError if the last update left something that is no longer finite."""
        if what := spoilt(self.run.gan, self.run.settings.seed):
            raise self.diverged(what, self.run.step)

    def diverged(self, what: str, step: int) -> FloatingPointError:
        """The error of a run that diverged, noted down in its folder."""
        if self.folder is not None and self.saved and self.run.world.rank == 0:
            remember(self.folder, step)
        return diverged(what, step, self.run.settings, self.folder, self.saved)

    def save(self) -> None:
        """Write the checkpoint, unless the GAN is spoilt."""
        if self.folder is None:
            return
        self.refuse_spoilt()
        state = state_dict(self.run, self.history)  # every process takes part in gathering it
        if self.run.world.rank == 0:
            save_checkpoint(self.folder / "checkpoint.pt", state | {"changes": self.changes})
            forget(self.folder)
            self.write_history()
        self.saved = self.run.step

    def store_averages(self) -> None:
        """Write the run's averages as they are now, unless the GAN is spoilt."""
        run = self.run
        if self.folder is None or run.averages is None:
            return
        self.refuse_spoilt()
        if run.world.rank == 0:
            write_snapshot(self.folder, run.averages, run.gan.generator, run.step)

    def write_history(self) -> None:
        """Write history.jsonl, which holds nothing that the checkpoint does not; CheckpointError if that fails."""
        if self.folder is None or self.run.world.rank > 0:
            return
        try:
            self.history.write(self.folder / "history.jsonl")
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint is saved, but history.jsonl could not be written ({error.strerror or error}); "
                "the next save will try again"
            ) from error


def out_of_memory(error: RuntimeError) -> bool:
    """Whether this is a device's or the system's refusal of memory."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def batch_that_fits(run: Run) -> int | None:
    """The largest of B/2, B/4, ... at which one step of a copy of this run has memory enough."""
    size = run.settings.batch_size
    while size > run.world.size:
        size //= 2
        for optimiser in (run.g_optimiser, run.d_optimiser):
            optimiser.zero_grad()
        if run.gan.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            trial = copy.deepcopy(run.gan)
            augment, terms = copy.deepcopy((run.augment, run.terms))
            Run(trial, run.images, replace(run.settings, batch_size=size), augment, terms).one_step()
            return size
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
    return None
