"""Stable-Baselines3's A2C, alone in its process: prints one line of JSON, its stamps and return.

Run as ``python -m pgx.bench.stable_baselines3 same|default DECISIONS THREADS SEED``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

ENVIRONMENTS = 8

#: What makes it the reference work; everything else is Stable-Baselines3's default, which agrees.
SAME_WORK: dict[str, Any] = {
    "n_steps": 128,
    "gae_lambda": 0.95,
    "learning_rate": 1e-3,
    "use_rms_prop": False,
    "normalize_advantage": False,
    "policy_kwargs": {
        "net_arch": {"pi": [64, 64], "vf": [64, 64]},
        "activation_fn": torch.nn.Tanh,
        "optimizer_kwargs": {"eps": 1e-8},
    },
}


class Stamps(BaseCallback):
    """Notes (decisions, seconds) at the end of every rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps: list[tuple[int, float]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.stamps.append((self.num_timesteps, time.perf_counter()))


def main(work: str, decisions: str, threads: str, seed: str) -> None:
    """Train once and print what happened."""
    torch.set_num_threads(int(threads))
    environments = make_vec_env("CartPole-v1", n_envs=ENVIRONMENTS, seed=int(seed))
    settings = SAME_WORK if work == "same" else {}
    model = A2C("MlpPolicy", environments, seed=int(seed), device="cpu", **settings)
    stamps = Stamps()
    model.learn(int(decisions), callback=stamps)
    returns = [episode["r"] for episode in model.ep_info_buffer or ()]
    final = float(sum(returns) / max(len(returns), 1))
    print(json.dumps({"stamps": stamps.stamps, "final_return": final}))


if __name__ == "__main__":
    main(*sys.argv[1:])
