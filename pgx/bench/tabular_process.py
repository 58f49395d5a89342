"""Times tabular environments, alone in its process: prints one line of JSON, a row for each.

Run as ``python -m pgx.bench.tabular_process REPEATS``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from pgx.bench.tabular import SLOTS, Rate
from pgx.environments.corridor import Corridor
from pgx.environments.random_mdp import RandomMDP
from pgx.environments.tabular import Tabular

STEPS = 2000  #: of all slots, in a repeat

#: What is stepped, by the name it goes by.
PROCESSES: dict[str, Callable[[], Tabular]] = {
    "corridor": lambda: Corridor([0], SLOTS, max_steps=10_000),
    "random_mdp, 20 states": lambda: RandomMDP([0], SLOTS, 0, 20, 4, 3, 0.1),
}


def timed(env: Tabular, repeats: int, steps: int = STEPS) -> tuple[list[float], list[float]]:
    """Rates by wall and by processor time, actions drawn beforehand and uniform."""
    shape = (env.replicas, env.slots)
    actions = np.random.default_rng(0).integers(0, env.spec.actions, (64, *shape))
    env.reset()
    wall, cpu = [], []
    for _ in range(repeats + 1):  # the first is to warm up
        before = time.perf_counter(), time.process_time()
        for step in range(steps):
            done = env.step(actions[step % 64])
            ended = done.terminated | done.truncated
            if ended.any():
                env.reset(ended)
        wall.append(steps * env.episode.size / (time.perf_counter() - before[0]))
        cpu.append(steps * env.episode.size / (time.process_time() - before[1]))
    return wall[1:], cpu[1:]


def main(repeats: str) -> None:
    """Time everything and print it."""
    rows = [Rate(name, *timed(make(), int(repeats)))._asdict() for name, make in PROCESSES.items()]
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
