"""Randomness that belongs to a replica: one stream per seed and purpose, indexed by counters.

A draw is a pure function of (seed, purpose, slot, index, word): there is no generator that moves,
so a replica's numbers cannot depend on its neighbours, on how rows are batched, or on how often a
run was interrupted. Checkpoints store counters, nothing else.

The function is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"),
evaluated for all replicas at once. The key of a stream comes from ``numpy.random.SeedSequence``.
One evaluation yields two words of two consecutive indices, (index // 2, slot, word // 2) is its
counter: neither many indices nor many words waste much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

PURPOSES = {"initialisation": 0, "noise": 1, "resets": 2, "dynamics": 3, "search": 4, "process": 5}

_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_ROUNDS = 10
_CHUNK = 8192  #: evaluations that stay in the processor's cache together


def philox(counter: Sequence[np.ndarray], key: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Philox4x32-10: four words of counter and two of key to four random words.

    Args:
        counter: four uint64 arrays that broadcast against each other, each value below 2**32.
        key: two uint64 arrays that broadcast against the counter, each value below 2**32.

    Returns:
        Four uint64 arrays of the broadcast shape, each value below 2**32.
    """
    shape = np.broadcast_shapes(*(word.shape for word in (*counter, *key)))
    scratch = np.empty((6, *shape), dtype=np.uint64)
    for word, value in zip(scratch, counter, strict=False):
        word[...] = value
    _evaluate(scratch, _schedule(np.stack(key)))
    return list(scratch[:4])


def _schedule(key: np.ndarray) -> np.ndarray:
    """The key of every round: ``[2, …]`` to ``[10, 2, …]``."""
    schedule = [key]
    for _ in range(_ROUNDS - 1):
        schedule.append(np.stack([(schedule[-1][i] + _WEYL[i]) & _LOW for i in range(2)]))
    return np.stack(schedule)


def _evaluate(scratch: np.ndarray, schedule: np.ndarray) -> None:
    """Philox in place: rows 0 to 3 of ``scratch`` are the counter and become the random words."""
    c0, c1, c2, c3, p0, p1 = scratch
    for k0, k1 in schedule:
        np.multiply(c0, _MULTIPLIER[0], out=p0)
        np.multiply(c2, _MULTIPLIER[1], out=p1)
        np.right_shift(p1, _SHIFT, out=c0)
        np.bitwise_xor(c0, c1, out=c0)
        np.bitwise_xor(c0, k0, out=c0)
        np.right_shift(p0, _SHIFT, out=c2)
        np.bitwise_xor(c2, c3, out=c2)
        np.bitwise_xor(c2, k1, out=c2)
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)


def _range(size: int) -> np.ndarray:
    return np.arange(size, dtype=np.uint64)


class Stream:
    """The draws of one purpose, for every replica at once.

    Args:
        seeds: one seed per replica.
        purpose: a name in ``PURPOSES``.
    """

    def __init__(self, seeds: Sequence[int], purpose: str) -> None:
        states = [
            np.random.SeedSequence(seed, spawn_key=(PURPOSES[purpose],)).generate_state(2)
            for seed in seeds
        ]
        self._schedule = _schedule(np.array(states, dtype=np.uint64).T[:, :, None])
        self._scratch = np.empty(0, dtype=np.uint64)

    def bits(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """Random 32-bit words for ``count`` consecutive indices of every slot.

        Args:
            start: int64 ``[R, N]``, the first index of each slot (its own counter).
            count: how many indices, C.
            width: words per index, W.

        Returns:
            uint32 ``[R, C, N, W]``; entry (r, c, n, w) depends on replica r's seed, the slot n, the
            index ``start[r, n] + c`` and w, and on nothing else.
        """
        odd = start & 1
        blocks = (int(odd.max()) + count + 1) // 2
        words = self._words((start >> 1).astype(np.uint64), blocks, (width + 1) // 2)
        if not odd.any():
            return words[:, :count, :, :width]
        later = words[:, 1 : count + 1, :, :width]
        return np.where(odd[:, None, :, None] == 1, later, words[:, :count, :, :width])

    def _words(self, start: np.ndarray, blocks: int, pairs: int) -> np.ndarray:
        """uint32 ``[R, 2·blocks, N, 2·pairs]``: every word of whole evaluations."""
        replicas, slots = start.shape
        shape, size = (blocks, slots, pairs), blocks * slots * pairs
        words = np.empty((replicas, blocks, 2, slots, pairs, 2), dtype=np.uint32)
        group = min(max(1, _CHUNK // size), replicas)
        if self._scratch.size < 6 * group * size:
            self._scratch = np.empty(6 * group * size, dtype=np.uint64)
        for first in range(0, replicas, group):
            some = slice(first, min(first + group, replicas))
            scratch = self._scratch[: 6 * (some.stop - first) * size].reshape(6, -1, size)
            c0, c1, c2, c3 = counter = scratch[:4].reshape(4, -1, *shape)
            np.add(start[some, None, :, None], _range(blocks)[:, None, None], out=c0)
            np.right_shift(c0, _SHIFT, out=c1)
            np.bitwise_and(c0, _LOW, out=c0)
            c2[...] = _range(slots)[:, None]
            c3[...] = _range(pairs)
            _evaluate(scratch, self._schedule[:, :, some])
            for position, drawn in enumerate(counter):
                words[some, :, position // 2, :, :, position % 2] = drawn
        return words.reshape(replicas, 2 * blocks, slots, 2 * pairs)

    def uniform(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float32 ``[R, C, N, W]``, uniform on the open interval (0, 1); arguments as in `bits`."""
        mantissa = self.bits(start, count, width)
        mantissa >>= np.uint32(9)
        drawn = mantissa.view(np.int32).astype(np.float32)
        drawn += np.float32(0.5)
        drawn *= np.float32(2.0**-23)
        return drawn

    def uniform64(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float64 ``[R, C, N, W]``, uniform on [0, 1) with 53 bits; arguments as in `bits`."""
        words = self.bits(start, count, 2 * width)
        high, low = words[..., 0::2] >> np.uint32(5), words[..., 1::2] >> np.uint32(6)
        return (high * 67108864.0 + low) * 2.0**-53

    def gumbel(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float32 ``[R, C, N, W]``, standard Gumbel; argmax(logits + gumbel) is a softmax draw."""
        u = self.uniform(start, count, width)
        for _ in range(2):
            np.log(u, out=u)
            np.negative(u, out=u)
        return u

    def normal(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float32 ``[R, C, N, W]``, standard normal (Box & Muller 1958)."""
        u = self.uniform(start, count, 2 * width)
        radius, angle = u[..., 0::2].copy(), u[..., 1::2].copy()
        np.log(radius, out=radius)
        radius *= np.float32(-2.0)
        np.sqrt(radius, out=radius)
        angle *= np.float32(2 * np.pi)
        np.cos(angle, out=angle)
        radius *= angle
        return radius


class Reserve:
    """Draws taken ahead of need, because a call costs far more than a draw.

    Holds the next ``count`` draws of every slot, and draws again when some slot has none left. What
    a slot receives for an index does not depend on when that happened.

    Args:
        draw: from ``start`` (int64 ``[R, N]``) and a count C to an array ``[R, C, N, W]``, such as
            a method of `Stream` with its width filled in.
        count: indices of every slot that are held, C.
    """

    def __init__(self, draw: Callable[[np.ndarray, int], np.ndarray], count: int = 16) -> None:
        self._draw, self._count = draw, count
        self.clear()

    def clear(self) -> None:
        """Forget what is held: to be called when counters have jumped."""
        self._held = np.empty((0, 1))
        self._next = np.zeros(1, dtype=np.int64)

    def take(self, rows: np.ndarray, counter: np.ndarray) -> np.ndarray:
        """The next draw of some slots; the others keep theirs.

        Args:
            rows: int64 ``[M]``, slots as indices into the flattened ``[R, N]``, each at most once.
            counter: int64 ``[R, N]``, the index of every slot's next draw. It must have moved by
                one exactly where the last call took, unless `clear` was called.

        Returns:
            ``[M, W]``, a copy.
        """
        if not len(self._held):
            self._fill(counter)
        place = self._next.take(rows)
        try:
            drawn = self._held.take(place, axis=0)
        except IndexError:  # some slot has used up what is held
            self._fill(counter)
            place = self._next.take(rows)
            drawn = self._held.take(place, axis=0)
        self._next[rows] = place + counter.size
        return drawn

    def _fill(self, counter: np.ndarray) -> None:
        """Hold the draws of every slot from ``counter`` on: row c·R·N + slot is its c-th."""
        held = self._draw(counter, self._count).swapaxes(0, 1)
        self._held = held.reshape(self._count * counter.size, -1)
        self._next = np.arange(counter.size, dtype=np.int64)


class Streams:
    """Every stream of a set of replicas, and the counters of those that training moves.

    Attributes:
        decisions: int64 ``[R, N]``, decisions each slot has taken: the index of its next noise.
    """

    def __init__(self, seeds: Sequence[int], slots: int) -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        self.noise = Stream(self.seeds, "noise")
        self.decisions = np.zeros((len(self.seeds), slots), dtype=np.int64)
