"""From rollouts to episodes: T-step rollouts cut episodes, this puts them together again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:  # the reading commands use the constants below, and do without torch
    from torch import Tensor

    from pgx.types import Rollout

RECENT = 100  #: episodes of a replica over which its recent return is the mean

#: numpy dtypes of an episode's row in a part's files
EPISODE_ROW = {
    "seed": "int64",
    "episode": "int64",
    "decisions": "int64",
    "return_raw": "float64",
    "return_train": "float64",
    "length": "int64",
    "wall_s": "float64",
}

#: of a row of metrics; the diagnostics follow, float64 each
METRIC_ROW = {"seed": "int64", "iteration": "int64", "decisions": "int64", "wall_s": "float64"}

#: diagnostics that only some iterations measure, NaN in the others; not in every run
SPARSE = ("gradient_variance", "gradient_snr")

#: of an episode of an evaluation; ``decisions`` are those of training that came before it
EVALUATION_ROW = {
    "seed": "int64",
    "iteration": "int64",
    "decisions": "int64",
    "episode": "int64",
    "return_raw": "float64",
    "length": "int64",
}

_UPDATE = {
    "replica": np.int64,
    "episode": np.int64,
    "decisions": np.int64,
    "return_raw": np.float64,
    "return_train": np.float64,
    "length": np.int64,
    "t": np.int64,
}


class _Segments(NamedTuple):
    """A rollout's rows in the order (replica, slot, t), cut where an episode or a slot ends."""

    start: np.ndarray  #: int64 ``[S]``, first row of each segment
    first: np.ndarray  #: bool ``[S]``, whether it continues what the slot carried here
    closed: np.ndarray  #: bool ``[S]``, whether an episode ends with it
    slot: np.ndarray  #: int64 ``[S]``, replica·N + slot
    last: np.ndarray  #: int64 ``[S]``, last row of each segment


class EpisodeLog:
    """Running sums of every slot's open episode, and counts per replica.

    A sum is ``carried + Σ rows of this rollout``; the second term is one ``reduceat`` segment,
    whose additions depend on the segment's own length only, so that a replica's returns are the
    same bits whatever its neighbours do.

    Args:
        replicas: R.
        slots: environment slots per replica, N.

    Attributes:
        return_raw, return_train: float64 ``[R, N]``, summed reward of each slot's open episode.
        length: int64 ``[R, N]``, decisions of each slot's open episode.
        episodes: int64 ``[R]``, episodes that ended.
        decisions: int64 ``[R]``, decisions taken.
    """

    _STATE = ("return_raw", "return_train", "length", "episodes", "decisions")

    def __init__(self, replicas: int, slots: int) -> None:
        self.replicas, self.slots = replicas, slots
        self.return_raw = np.zeros((replicas, slots))
        self.return_train = np.zeros((replicas, slots))
        self.length = np.zeros((replicas, slots), dtype=np.int64)
        self.episodes = np.zeros(replicas, dtype=np.int64)
        self.decisions = np.zeros(replicas, dtype=np.int64)

    def update(
        self, rollout: Rollout, reward_raw: Tensor, alive: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Add a rollout's rows; return the episodes that ended in it.

        Args:
            rollout: rows with ``mask`` false do not exist, whatever their values.
            reward_raw: ``[T, R, N]``, the environment's own reward; may be ``rollout.reward``.
            alive: bool ``[R]``; a replica that is not alive is treated as if all its rows were
                masked. ``None``: all are.

        Returns:
            Columns of one row per episode, by replica, then t, then slot: ``replica``, ``episode``
            (from 0 within the replica), ``decisions`` (of the replica, all slots, right after the
            step that ended the episode), ``return_raw``, ``return_train``, ``length`` and ``t``,
            the row of the rollout that ended it.

        Raises:
            ValueError: the rollout has other sizes than this log.
        """
        mask = _by_replica(rollout.mask)
        if mask.shape[::2] != (self.replicas, self.slots) or reward_raw.shape != rollout.mask.shape:
            raise ValueError(
                f"mask is {tuple(rollout.mask.shape)}, reward_raw {tuple(reward_raw.shape)}; "
                f"expected [T, {self.replicas}, {self.slots}]"
            )
        if alive is not None and not alive.all():
            mask = mask & alive[:, None, None]
        if not mask.any():
            return {name: np.empty(0, dtype) for name, dtype in _UPDATE.items()}
        ended = _by_replica(rollout.terminated) | _by_replica(rollout.truncated)
        ended &= mask
        gaps = None if mask.all() else _flat(~mask, np.bool_)
        segments = self._segments(ended)
        rows = _rows(rollout.reward, gaps)
        train = self._sums(rows, self.return_train, segments)
        if reward_raw is not rollout.reward:
            rows = _rows(reward_raw, gaps)
        raw = self._sums(rows, self.return_raw, segments)
        length = self._lengths(gaps, segments)
        return self._episodes(mask, segments, raw, train, length)

    @staticmethod
    def _segments(ended: np.ndarray) -> _Segments:
        steps, rows = ended.shape[1], ended.size
        if not ended.any():
            start = np.arange(0, rows, steps)
            closed = np.zeros(len(start), dtype=np.bool_)
            whole = np.ones(len(start), dtype=np.bool_)
            return _Segments(start, whole, closed, np.arange(len(start)), start + (steps - 1))
        ended = _flat(ended, np.bool_)
        begin = np.empty(rows, dtype=np.bool_)
        begin[1:] = ended[:-1]
        begin[::steps] = True
        start = np.flatnonzero(begin)
        last = np.append(start[1:], rows) - 1
        slot, step = np.divmod(start, steps)
        return _Segments(start, step == 0, ended[last], slot, last)

    @staticmethod
    def _sums(rows: np.ndarray, carried: np.ndarray, segments: _Segments) -> np.ndarray:
        """Each segment's sum with what was carried into it; the open ones become ``carried``."""
        sums = np.add.reduceat(rows, segments.start)
        sums[segments.first] += carried.ravel()
        carried[...] = 0
        still = ~segments.closed
        carried.reshape(-1)[segments.slot[still]] = sums[still]
        return sums

    def _lengths(self, gaps: np.ndarray | None, segments: _Segments) -> np.ndarray:
        if gaps is not None:
            return self._sums((~gaps).astype(np.int64), self.length, segments)
        length = segments.last - segments.start + 1
        length[segments.first] += self.length.ravel()
        self.length[...] = 0
        still = ~segments.closed
        self.length.reshape(-1)[segments.slot[still]] = length[still]
        return length

    def _episodes(
        self,
        mask: np.ndarray,
        segments: _Segments,
        raw: np.ndarray,
        train: np.ndarray,
        length: np.ndarray,
    ) -> dict[str, np.ndarray]:
        replicas, steps, slots = mask.shape
        closed = np.flatnonzero(segments.closed)
        if not len(closed):
            self.decisions += mask.reshape(replicas, -1).sum(1)
            return {name: np.empty(0, dtype) for name, dtype in _UPDATE.items()}
        slot, t = segments.slot[closed], segments.last[closed] % steps
        replica = slot // slots
        order = np.lexsort((slot, t, replica))
        closed, t, replica = closed[order], t[order], replica[order]
        taken = mask.sum(2).cumsum(1)
        ended = np.bincount(replica, minlength=replicas)
        rank = np.arange(len(replica)) - (ended.cumsum() - ended)[replica]
        columns = {
            "replica": replica,
            "episode": self.episodes[replica] + rank,
            "decisions": self.decisions[replica] + taken[replica, t],
            "return_raw": raw[closed],
            "return_train": train[closed],
            "length": length[closed],
            "t": t,
        }
        self.episodes += ended
        self.decisions += taken[:, -1]
        return columns

    def forget_open_episodes(self) -> None:
        """Drop the sums of episodes that have begun and not ended."""
        for sums in (self.return_raw, self.return_train, self.length):
            sums[...] = 0

    def state_dict(self) -> dict[str, Any]:
        """Plain Python lists that `load_state_dict` continues from."""
        return {name: getattr(self, name).tolist() for name in self._STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict`` of the same sizes.

        Raises:
            ValueError: the state is of other sizes.
        """
        for name in self._STATE:
            own = getattr(self, name)
            value = np.asarray(state[name], dtype=own.dtype)
            if value.shape != own.shape:
                raise ValueError(f"{name} has shape {value.shape}, expected {own.shape}")
            own[...] = value


def _by_replica(tensor: Tensor) -> np.ndarray:
    """``[T, R, N]`` to an array ``[R, T, N]``, contiguous when the storage is laid out so."""
    return tensor.detach().cpu().numpy().transpose(1, 0, 2)


def _flat(array: np.ndarray, dtype: type) -> np.ndarray:
    """``[R, T, N]`` to ``[R·N·T]``: the rows of a slot side by side."""
    return array.transpose(0, 2, 1).astype(dtype, order="C").reshape(-1)


def _rows(reward: Tensor, gaps: np.ndarray | None) -> np.ndarray:
    """float64 ``[R·N·T]``, with zeros where no row exists."""
    rows = _flat(_by_replica(reward), np.float64)
    if gaps is not None:
        rows[gaps] = 0.0
    return rows
