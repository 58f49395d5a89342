"""Every trajectory of a small process, as a rollout that lists them with their probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pgx.environments.mdp import MDP
from pgx.types import Rollout

MOST = 20_000  #: trajectories that are listed
MOST_ROWS = 10**6  #: trajectories times decisions of the longest


class TooMany(ValueError):
    """There are more trajectories than are listed, or no bound on their length."""


@dataclass(frozen=True)
class Listing:
    """All trajectories of one policy.

    Attributes:
        rollout: complete episodes ``[T, 1, M, …]`` in float64, one per slot.
        probability: float64 ``[M]``, which sum to 1.
        states: int64 ``[T, 1, M]``, where each decision is made.
    """

    rollout: Rollout
    probability: Tensor
    states: Tensor


def count(mdp: MDP, chosen: Tensor, horizon: int | None) -> int:
    """How many trajectories there are, by dynamic programming over states.

    Args:
        mdp: the process.
        chosen: float64 ``[S, A]``, π(a|s); what has probability 0 does not happen.
        horizon: decisions after which an episode is cut off; None: never.

    Raises:
        TooMany: more than `MOST`, or an episode may go on for ever.
    """
    ways = (_joint(mdp, chosen) > 0).sum(1).astype(float)  # [S, S]
    over, last = mdp.terminal.numpy(), mdp.states - 1 if horizon is None else horizon
    going, ended = (mdp.start.numpy() > 0).astype(float), 0.0
    for _ in range(last):
        going = going @ ways
        ended += float(going[over].sum())
        going = np.where(over, 0.0, going)
        if ended + going.sum() > MOST:
            raise TooMany(f"there are more than {MOST:,} trajectories")
        if not going.any():
            break
    if horizon is None and going.any():
        raise TooMany("an episode may return to a state, so that there is no end of trajectories")
    return int(ended + going.sum())


def every_trajectory(mdp: MDP, chosen: Tensor, horizon: int | None) -> Listing:
    """All that may happen in an episode, as what was collected would look.

    Args:
        mdp: the process.
        chosen: float64 ``[S, A]``, π(a|s).
        horizon: decisions after which an episode is truncated; None: never.

    Raises:
        TooMany: as `count`; or they are too long.
    """
    count(mdp, chosen, horizon)
    joint, over = _joint(mdp, chosen), mdp.terminal.numpy()
    first = np.flatnonzero(mdp.start.numpy() > 0)
    state, probability = first, mdp.start.numpy()[first]
    history: list[np.ndarray] = []  # of every decision: state, action, successor; −1 for none
    while (going := ~over[state]).any() and len(history) != horizon:
        parent, action, after = _branches(joint, state, going)
        here = np.where(going[parent], state[parent], -1)
        happens = np.where(here >= 0, joint[here, action, after], 1.0)
        history = [past[:, parent] for past in history]
        history.append(np.stack([here, action, after]))
        probability, state = probability[parent] * happens, after
        if len(history) * len(state) > MOST_ROWS:
            raise TooMany(f"the trajectories have more than {MOST_ROWS:,} decisions in all")
    return _listing(mdp, np.stack(history), torch.from_numpy(probability), horizon)


def _joint(mdp: MDP, chosen: Tensor) -> np.ndarray:
    """Probability of action and successor in a state, ``[S, A, S]``; 0 from terminal ones."""
    live = (~mdp.terminal).double()[:, None, None]
    found: np.ndarray = (chosen.detach()[:, :, None] * mdp.transition * live).numpy()
    return found


def _branches(
    joint: np.ndarray, state: np.ndarray, going: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What may follow: which trajectory goes on, by which action, to which state."""
    parent, action, after = np.nonzero(joint[state] > 0)
    rest = np.flatnonzero(~going)  # these wait as they are
    parent = np.concatenate([parent, rest])
    action = np.concatenate([action, np.zeros_like(rest)])
    after = np.concatenate([after, state[rest]])
    order = np.argsort(parent, kind="stable")
    return parent[order], action[order], after[order]


def _listing(mdp: MDP, history: np.ndarray, probability: Tensor, horizon: int | None) -> Listing:
    """The rollout of decisions ``[T, 3, M]``."""
    seen = torch.from_numpy(history).unsqueeze(1)  # [T, 1, 3, M]
    state, action, after = seen.unbind(2)
    mask = state >= 0
    state = state.clamp(min=0)
    place = (state, action) if mdp.reward.ndim == 2 else (state, action, after)
    terminated = mask & mdp.terminal[after]
    last = torch.arange(len(mask)).view(-1, 1, 1) + 1 == horizon
    rollout = Rollout(
        observation=torch.where(mask.unsqueeze(-1), mdp.features[state], 0.0),
        action=action,
        reward=torch.where(mask, mdp.reward[place], 0.0),
        terminated=terminated,
        truncated=mask & last,
        next_observation=torch.where(mask.unsqueeze(-1), mdp.features[after], 0.0),
        mask=mask,
        time=torch.arange(len(mask)).view(-1, 1, 1).expand_as(mask),
        log_prob=torch.zeros(mask.shape, dtype=torch.float64),
        complete=True,
    )
    return Listing(rollout, probability, state)
