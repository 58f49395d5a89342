"""Randomness that belongs to a replica: one stream per seed and purpose, indexed by counters.

A draw is a pure function of (seed, purpose, slot, index, word): there is no generator that moves, so a
replica's numbers cannot depend on its neighbours, on how rows are batched, or on how often a run was
interrupted. Checkpoints store counters, nothing else.

The function is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"),
evaluated for all replicas at once. The key of a stream comes from ``numpy.random.SeedSequence``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PURPOSES = {"initialisation": 0, "noise": 1, "resets": 2}

_MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(counter: Sequence[np.ndarray], key: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Philox4x32-10: four words of counter and two of key to four random words.

    Args:
        counter: four uint64 arrays of one shape, each value below 2**32.
        key: two uint64 arrays that broadcast against the counter, each value below 2**32.

    Returns:
        Four uint64 arrays of the counter's shape, each value below 2**32.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIER[0], c2 * _MULTIPLIER[1]
        c0 = p1 >> _SHIFT
        c0 ^= c1
        c0 ^= k0
        c2 = p0 >> _SHIFT
        c2 ^= c3
        c2 ^= k1
        c1, c3 = p1, p0
        c1 &= _LOW
        c3 &= _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return [c0, c1, c2, c3]


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
        self._key = np.array(states, dtype=np.uint64).T.reshape(2, len(seeds), 1, 1, 1)

    def bits(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """Random 32-bit words for ``count`` consecutive indices of every slot.

        Args:
            start: int64 ``[R, N]``, the first index of each slot (its own counter).
            count: how many indices, C.
            width: words per index, W.

        Returns:
            uint64 ``[R, C, N, W]``, each value below 2**32; entry (r, c, n, w) depends on replica r's
            seed, the slot n, the index ``start[r, n] + c`` and w, and on nothing else.
        """
        replicas, slots = start.shape
        blocks = -(-width // 4)
        index = start.astype(np.uint64)[:, None, :, None] + np.arange(count, dtype=np.uint64)[
            :, None, None
        ]
        shape = (replicas, count, slots, blocks)
        slot = np.arange(slots, dtype=np.uint64)[:, None]
        counter = [
            np.ascontiguousarray(np.broadcast_to(word, shape))
            for word in (index & _LOW, index >> _SHIFT, slot, np.arange(blocks, dtype=np.uint64))
        ]
        words = np.stack(philox(counter, self._key), axis=-1)
        return words.reshape(replicas, count, slots, 4 * blocks)[..., :width]

    def uniform(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float32 ``[R, C, N, W]``, uniform on the open interval (0, 1); arguments as in `bits`."""
        mantissa = (self.bits(start, count, width) >> np.uint64(9)).astype(np.float32)
        mantissa += np.float32(0.5)
        mantissa *= np.float32(2.0**-23)
        return mantissa

    def uniform64(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float64 ``[R, C, N, W]``, uniform on [0, 1) with 53 bits; arguments as in `bits`."""
        words = self.bits(start, count, 2 * width)
        high, low = words[..., 0::2] >> np.uint64(5), words[..., 1::2] >> np.uint64(6)
        return (high * 67108864.0 + low) * 2.0**-53

    def gumbel(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float32 ``[R, C, N, W]``, standard Gumbel; ``argmax(logits + gumbel)`` is a softmax draw."""
        u = self.uniform(start, count, width)
        for _ in range(2):
            np.log(u, out=u)
            np.negative(u, out=u)
        return u

    def normal(self, start: np.ndarray, count: int, width: int) -> np.ndarray:
        """float32 ``[R, C, N, W]``, standard normal (Box & Muller 1958)."""
        u = self.uniform(start, count, 2 * width)
        radius = np.sqrt(-2.0 * np.log(u[..., 0::2]))
        return radius * np.cos(np.float32(2 * np.pi) * u[..., 1::2])


class Streams:
    """Every stream of a set of replicas, and the counters of those that training moves.

    Attributes:
        decisions: int64 ``[R, N]``, decisions each slot has taken: the index of its next noise.
    """

    def __init__(self, seeds: Sequence[int], slots: int) -> None:
        self.seeds = tuple(int(seed) for seed in seeds)
        self.noise = Stream(self.seeds, "noise")
        self.decisions = np.zeros((len(self.seeds), slots), dtype=np.int64)
