"""Draws are philox's, depend on (seed, purpose, slot, index, word) alone, and have their laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgx.streams import PURPOSES, Reserve, Stream, Streams, philox

SEEDS, SLOTS = (7, 0, 2**40), 5
ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, words):
    drawn = philox([np.uint64([c]) for c in counter], [np.uint64([k]) for k in key])
    assert [int(word[0]) for word in drawn] == words


def twin(seed: int, purpose: str, slot: int, index: int, word: int) -> int:
    """One word the slow way: scalar philox under the key of this seed and purpose."""
    key = np.random.SeedSequence(seed, spawn_key=(PURPOSES[purpose],)).generate_state(2)
    block, pair = index // 2, word // 2
    counter = [block & ONES, block >> 32, slot, pair]
    drawn = philox([np.uint64([c]) for c in counter], [np.uint64([k]) for k in key])
    return int(drawn[2 * (index % 2) + word % 2][0])


@pytest.mark.parametrize("width", [1, 2, 3])
def test_bits_equal_a_scalar_twin(width):
    start = np.array([[0, 1, 2, 3, 2**33 + 1]] * 3) + np.array([[0], [5], [11]])
    drawn = Stream(SEEDS, "noise").bits(start, 7, width)
    assert drawn.shape == (3, 7, SLOTS, width)
    for r, c, n, w in np.ndindex(drawn.shape):
        assert drawn[r, c, n, w] == twin(SEEDS[r], "noise", n, int(start[r, n]) + c, w)


@pytest.mark.parametrize("kind", ["bits", "uniform", "uniform64", "gumbel", "normal"])
def test_a_draw_does_not_depend_on_how_rows_are_batched(kind):
    stream = Stream(SEEDS, "noise")
    draw = getattr(stream, kind)
    start = np.arange(15).reshape(3, 5)
    together = draw(start, 7, 3)
    for c in range(7):
        assert np.array_equal(draw(start + c, 1, 3)[:, 0], together[:, c])
    assert np.array_equal(draw(start, 7, 2), together[..., :2])
    assert np.array_equal(draw(start[:, :2], 7, 3), together[:, :, :2])


@pytest.mark.parametrize("kind", ["bits", "uniform", "uniform64", "gumbel", "normal"])
def test_a_replica_alone_draws_what_it_draws_among_others(kind):
    start = np.arange(15).reshape(3, 5)
    together = getattr(Stream(SEEDS, "noise"), kind)(start, 7, 3)
    for r, seed in enumerate(SEEDS):
        alone = getattr(Stream([seed], "noise"), kind)(start[r : r + 1], 7, 3)
        assert np.array_equal(alone[0], together[r])


def test_many_replicas_are_evaluated_in_pieces_without_a_difference():
    seeds, start = list(range(67)), np.zeros((67, 3), dtype=np.int64)
    together = Stream(seeds, "noise").bits(start, 101, 5)
    assert np.array_equal(together[66], Stream([66], "noise").bits(start[:1], 101, 5)[0])
    assert np.array_equal(together[30], Stream([30], "noise").bits(start[:1], 101, 5)[0])


def test_a_draw_is_not_overwritten_by_the_next():
    stream, start = Stream(SEEDS, "noise"), np.zeros((3, SLOTS), dtype=np.int64)
    first = stream.bits(start, 7, 2)
    kept = first.copy()
    stream.bits(start + 50, 7, 2)
    assert np.array_equal(first, kept)


def test_purposes_seeds_slots_indices_and_words_all_differ():
    start = np.zeros((3, SLOTS), dtype=np.int64)
    drawn = np.stack([Stream(SEEDS, purpose).bits(start, 7, 3) for purpose in PURPOSES])
    assert drawn.shape == (len(PURPOSES), 3, 7, 5, 3)
    assert len(np.unique(drawn)) > drawn.size - 3  # a collision of 32 bits is possible, not likely


def test_uniforms_are_uniform_and_in_range():
    start = np.zeros((3, SLOTS), dtype=np.int64)
    for kind, low in (("uniform", np.nextafter(np.float32(0), np.float32(1))), ("uniform64", 0.0)):
        drawn = getattr(Stream(SEEDS, "noise"), kind)(start, 4001, 3)
        assert drawn.min() >= low and drawn.max() < 1
        assert abs(drawn.mean() - 0.5) < 4 * np.sqrt(1 / 12 / drawn.size)
        assert stats.kstest(drawn.ravel()[:50_000], "uniform").pvalue > 1e-3


def test_normals_are_standard_normal():
    drawn = Stream(SEEDS, "noise").normal(np.zeros((3, SLOTS), dtype=np.int64), 4001, 3)
    assert drawn.dtype == np.float32 and np.isfinite(drawn).all()
    assert abs(drawn.mean()) < 4 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 4 * np.sqrt(2 / drawn.size)
    assert stats.kstest(drawn.ravel()[:50_000], "norm").pvalue > 1e-3


def test_gumbel_argmax_draws_a_softmax():
    probability = np.array([0.2, 0.7, 0.1], dtype=np.float32)
    noise = Stream(SEEDS, "noise").gumbel(np.zeros((3, SLOTS), dtype=np.int64), 4001, 3)
    assert noise.dtype == np.float32 and np.isfinite(noise).all()
    choice = (np.log(probability) + noise).argmax(-1)
    frequency = np.bincount(choice.ravel()) / choice.size
    error = np.sqrt(probability * (1 - probability) / choice.size)
    assert (abs(frequency - probability) < 4 * error).all()


def test_extreme_words_give_finite_gumbels():
    class Extreme(Stream):
        def bits(self, start, count, width):
            return np.array([0, ONES], dtype=np.uint32).reshape(1, 1, 1, 2)

    noise = Extreme([0], "noise").gumbel(np.zeros((1, 1), dtype=np.int64), 1, 2)
    assert np.allclose(noise, [-np.log(24 * np.log(2)), 24 * np.log(2)], rtol=1e-4)


def test_a_reserve_yields_the_same_draws_whatever_it_holds():
    stream, rng = Stream(SEEDS, "resets"), np.random.default_rng(0)
    masks = rng.random((60, 3 * SLOTS)) < rng.random(3 * SLOTS)

    def play(reserve, clear_at=()):
        counter, drawn = np.zeros((3, SLOTS), dtype=np.int64), []
        for step, mask in enumerate(masks):
            if step in clear_at:
                reserve.clear()
            rows = np.flatnonzero(mask)
            drawn.append(reserve.take(rows, counter))
            direct = stream.uniform64(counter, 1, 4)[:, 0].reshape(-1, 4)[rows]
            assert np.array_equal(drawn[-1], direct)
            counter.reshape(-1)[rows] += 1
        return np.concatenate(drawn)

    def reserve(count):
        return Reserve(lambda start, size: stream.uniform64(start, size, 4), count)

    expected = play(reserve(16))
    assert np.array_equal(play(reserve(1)), expected)
    assert np.array_equal(play(reserve(64), clear_at=(3, 20)), expected)


def test_streams_count_decisions_of_every_slot():
    streams = Streams([3, 4, 9], SLOTS)
    assert streams.seeds == (3, 4, 9) and streams.decisions.shape == (3, SLOTS)
    assert (streams.decisions == 0).all() and streams.decisions.dtype == np.int64
