"""Our classic control problems beside gymnasium's own: one scalar environment for every slot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from pgx.environments.classic import Classic
from pgx.types import Transition

Policy = Callable[[np.ndarray], np.ndarray]  #: observations ``[R, N, O]`` to actions


def place(other: gym.Env[Any, Any], state: np.ndarray) -> None:
    """Put a scalar environment of gymnasium into a state."""
    other.unwrapped.state = state.copy()  # type: ignore[attr-defined]


def scalars(env: Classic) -> list[gym.Env[Any, Any]]:
    """One scalar environment of gymnasium per slot, at the beginning of the same episode."""
    others = []
    for state in env.state.reshape(-1, env.state.shape[-1]):
        others.append(gym.make(env.spec.id, max_episode_steps=env.spec.time_limit))
        others[-1].reset(seed=0)
        place(others[-1], state)
    return others


def assert_equal(
    env: Classic,
    step: Transition,
    others: list[gym.Env[Any, Any]],
    action: np.ndarray,
    tolerance: float,
) -> None:
    """Step gymnasium's environments too and compare, the state to an absolute tolerance.

    Float32 results may differ by the tolerance, or by one unit in the last place of float32.
    """
    actions = action.reshape(env.episode.size, *action.shape[2:])
    for row, other in enumerate(others):
        at = divmod(row, env.slots)
        observation, reward, terminated, truncated, _ = other.step(actions[row])
        np.testing.assert_allclose(
            env.state[at], np.array(other.unwrapped.state), rtol=0, atol=tolerance
        )
        assert observation.dtype == step.next_observation.dtype
        close = {"rtol": 1.2e-7, "atol": tolerance}
        np.testing.assert_allclose(step.next_observation[at], observation, **close)
        np.testing.assert_allclose(step.reward[at], np.float32(reward), **close)
        assert (step.terminated[at], step.truncated[at]) == (terminated, truncated)


def follow(env: Classic, policy: Policy, steps: int, tolerance: float) -> dict[str, int]:
    """Play on, every step from the same state as gymnasium's; how many episodes ended, and how."""
    env.reset()
    others, ends = scalars(env), {"terminated": 0, "truncated": 0}
    for _ in range(steps):
        action = policy(env.observation)
        step = env.step(action)
        assert_equal(env, step, others, action, tolerance)
        ended = step.terminated | step.truncated
        ends["terminated"] += int(step.terminated.sum())
        ends["truncated"] += int(step.truncated.sum())
        env.reset(ended)
        for row, other in enumerate(others):
            if ended.flat[row]:
                other.reset(seed=0)
            place(other, env.state[divmod(row, env.slots)])
    return ends


def anywhere(env: Classic, states: np.ndarray, action: np.ndarray, tolerance: float) -> Transition:
    """One step from ``states`` (float64 ``[R, N, S]``), compared with gymnasium's."""
    env.reset()
    env.set_state(states)
    others = scalars(env)
    step = env.step(action)
    assert_equal(env, step, others, action, tolerance)
    return step
