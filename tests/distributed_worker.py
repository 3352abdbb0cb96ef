"""The processes of a distributed test, forked from one that has imported torch.

    python distributed_worker.py JOBS

JOBS is a JSON list of {"processes": N, "job": "cases" or "train", "out": PATH, ...}, done one after the other: N
children join one world, as torchrun's would, and the first of them writes what came of the job to PATH.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist

from tgan_lib import penalties
from tgan_lib.data import load
from tgan_lib.distributed import World
from tgan_lib.gan import GAN
from tgan_lib.metrics import Distance
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import Run
from tgan_lib.training.train import train

IMAGES = load("glyphs:digits", size=28, limit=64, device="cpu")
SETTINGS = Settings(batch_size=8, ema_half_life=100.0)


def gan(network: str = "dcgan") -> GAN:
    return GAN.build(network, size=28, latent_dim=8, width=8, device="cpu")


def weights(of: GAN) -> dict[str, torch.Tensor]:
    return {f"{part}.{k}": v for part, m in of.modules().items() for k, v in m.state_dict().items()}


def gradients(case: str) -> dict[str, torch.Tensor]:
    """Gradients of D's first step, weights after it, and how far G moved, for one case.

    Gradients and not weights after many steps: Adam's first step is the sign of the gradient, which turns a
    rounding error where a gradient is 0 into a whole step.
    """
    plain = case if case in ("non_saturating", "hinge", "relativistic") else "non_saturating"
    settings = replace(SETTINGS, loss=plain, penalties={"r1": 0.5} if "r1" in case else {})
    if case == "r1 by torch.func":
        penalties.PENALTIES["r1"] = lambda d, x, fake, rng: penalties.r1(d, x, route="func")
    mine = gan("dcgan_2016" if "batch norm" in case else "dcgan")
    run = Run(mine, IMAGES, settings)
    run.penalty_shares_forward = run.penalty_shares_forward and case != "r1 by torch.func"
    before = torch.cat([p.detach().reshape(-1).clone() for p in mine.generator.parameters()])
    scalars = run.one_step()
    run.world.average([scalars])
    after = torch.cat([p.detach().reshape(-1) for p in mine.generator.parameters()])
    found = {"scalars": scalars, "moved": (after - before).abs().max()}
    for part, network in (("g", mine.generator), ("d", mine.discriminator)):
        found |= {f"{part}.{k}": p.grad.clone() for k, p in network.named_parameters()}
        found |= {f"{part}.{k}": b.clone() for k, b in network.named_buffers()}
    return found


def batch_norm(shared: bool) -> dict[str, torch.Tensor]:
    world, mine = World(), gan("dcgan_2016")
    if shared:
        world.share_batch_norm(mine.discriminator)
    x = world.share(IMAGES.batch(range(8)))
    return {"logits": world.gather(mine.discriminator.train()(x).detach())}


def cases(names: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: gradients(name) for name in names}
    found["batch norm shared"], found["batch norm apart"] = batch_norm(True), batch_norm(False)
    found["distance"] = {"value": torch.tensor(Distance(IMAGES, n=201)(gan()), dtype=torch.float64)}
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def work(job: dict[str, Any]) -> None:
    """One process's part of a job; RANK and the like are in the environment."""
    if job["processes"] > 1:
        dist.init_process_group("gloo")
    if job["job"] == "cases":
        found = cases(job["cases"])
    else:
        mine = gan()
        history = train(
            mine, IMAGES, steps=job["steps"], batch_size=8, run_dir=job["run_dir"], progress=False
        )
        found = {"weights": weights(mine), "step": history.notes["steps"]}
    if World().rank == 0:
        torch.save(found, job["out"])
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def forked(job: dict[str, Any], rank: int, port: int) -> int:
    """The id of a new child that does its part of `job` and ends."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(job["processes"])}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        work(job)
        status = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


def main() -> None:
    # What a parent has computed with several threads, its children cannot go on with.
    torch.set_num_threads(1)
    for job in json.loads(sys.argv[1]):
        port = free_port()
        children = [forked(job, rank, port) for rank in range(job["processes"])]
        statuses = [os.waitpid(child, 0)[1] for child in children]
        if any(statuses):
            sys.exit(f"{job} failed")


if __name__ == "__main__":
    main()
