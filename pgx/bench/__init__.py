"""``pgx bench``: this machine's training rates beside its peers', on the same work.

The reference work is A2C with GAE on CartPole-v1: 8 environments a replica, 128 steps of each per
rollout, separate 64-64 tanh networks for actor and critic, Adam, one full-batch step per rollout,
advantages as they are. pgx runs it through the ``pgx train`` a user types, each run in a process of
its own; contenders take turns, so that a slow minute of the machine hits them all.
"""

from __future__ import annotations

from pgx.bench.command import main

__all__ = ["main"]
