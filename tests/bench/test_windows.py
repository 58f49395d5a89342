"""Windows of one training: pairs, rates and differences by hand, and a planted slowdown."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from pgx.bench.windows import Window, interval, orders, rate, slowdowns


def test_a_pair_holds_both_states_in_an_order_of_its_own() -> None:
    first = list(islice(orders(np.random.default_rng(0)), 400))
    assert [pair for pair, _ in first] == [number // 2 for number in range(400)]
    assert all(a[1] != b[1] for a, b in zip(first[::2], first[1::2], strict=True))
    begins_on = sum(on for _, on in first[::2])
    assert 70 < begins_on < 130
    assert first == list(islice(orders(np.random.default_rng(0)), 400))


def test_a_rate_counts_parts_of_an_iteration() -> None:
    """100 decisions in every second, 300 in the last one: 2.5 to 3.5 holds 50 and 150 of them."""
    times, decisions = np.arange(5.0), np.array([0, 100, 200, 300, 600])
    assert rate(Window(0, True, 2.5, 3.5), times, decisions) == pytest.approx(200.0)
    assert rate(Window(0, True, 0.25, 0.75), times, decisions) == pytest.approx(100.0)


def test_a_slowdown_is_the_difference_within_a_pair() -> None:
    """Without: 100 a second, with: 80, then 100 and 125; the third pair is not whole."""
    times, decisions = np.arange(7.0), np.array([0, 100, 180, 305, 405, 505, 605])
    windows = [
        Window(0, False, 0.0, 1.0),
        Window(0, True, 1.0, 2.0),
        Window(1, True, 2.0, 3.0),
        Window(1, False, 3.0, 4.0),
        Window(2, False, 5.0, 6.0),
        Window(2, True, 6.0, 7.0),
        Window(3, True, 5.0, 6.0),
    ]
    assert slowdowns(windows, times, decisions) == pytest.approx([0.25, -0.2])
    assert slowdowns(windows, np.array([]), np.array([])).size == 0


def test_a_planted_slowdown_is_found_and_its_absence_as_well() -> None:
    """Iterations of about 12 ms on a machine whose speed drifts by half; with: 3% longer."""
    for planted in (0.03, 0.0):
        generator = np.random.default_rng(7)
        windows = [
            Window(pair, on, 2.5 * number, 2.5 * number + 2.5)
            for number, (pair, on) in enumerate(islice(orders(generator), 80))
        ]
        times = [0.0]
        while times[-1] < 210.0:
            window = windows[min(int(times[-1] / 2.5), 79)]
            length = 0.012 * (1.5 + 0.5 * np.sin(times[-1] / 20)) * (1 + planted * window.on)
            times.append(times[-1] + length * generator.gamma(25.0, 1 / 25.0))
        found = slowdowns(windows, np.array(times), 1024 * np.arange(len(times)))
        span = interval(found, np.random.default_rng(0))
        assert span.runs == len(found) == 40
        assert span.low < planted < span.high
        assert span.high - span.low < 0.05
        assert (span.low > 0.0) == (planted > 0.0)
