"""The arithmetic of the benchmark, on numbers worked by hand."""

from __future__ import annotations

import pytest

from pgx.bench.rates import Measurement, import_times, steady_rate, table


def test_a_steady_rate_leaves_the_first_tenth_out() -> None:
    slow = [(100 * i, 10.0 * i) for i in range(1, 3)]
    fast = [(200 + 100 * i, 20.0 + 0.5 * i) for i in range(1, 19)]
    assert steady_rate([*slow, *fast]) == pytest.approx(200.0)


def test_a_rate_needs_two_iterations_after_the_warm_up() -> None:
    with pytest.raises(ValueError, match="1 iterations are too few"):
        steady_rate([(8, 0.1)])
    with pytest.raises(ValueError, match="too few"):
        steady_rate([(8, 0.1), (16, 0.1)])


def test_a_row_is_a_median_its_spread_and_its_ratio_to_the_best_peer() -> None:
    rows = table(
        {
            "pgx": [Measurement(rate, 200.0) for rate in (90.0, 300.0, 120.0)],
            "peer, 1 thread": [Measurement(30.0, 80.0)] * 3,
            "peer, 2 threads": [Measurement(40.0, 49.0), Measurement(20.0, 20.0)],
            "peer, other work": [Measurement(1000.0, 60.0)],
        },
        peers=["peer, 1 thread", "peer, 2 threads"],
    )
    ours, one, two, other = rows
    assert (ours.median, ours.least, ours.most, ours.ratio) == (120.0, 90.0, 300.0, 4.0)
    assert (one.ratio, two.median, two.ratio) == (1.0, 30.0, 1.0)
    assert other.ratio == pytest.approx(1000 / 30)
    assert [row.learned for row in rows] == [True, True, False, True]


def test_import_times_are_added_up_by_package() -> None:
    text = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 |   numpy.core
import time:      2000 |       2100 | numpy
a warning that is no import
import time:       500 |        500 |     torch._C
import time:   1000000 |    1000500 | torch
import time:         7 |          7 | zipimport
"""
    found = import_times(text, 2)
    assert [name for name, _ in found] == ["torch", "numpy"]
    assert [seconds for _, seconds in found] == pytest.approx([1.0005, 0.0021])
