"""Training for a moment tells rates and sizes, and leaves nothing behind."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import pytest

from pgx.errors import ConfigError
from pgx.sweep.measure import Rates, Task, measure


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def found(*words: str, seconds: float = 0.5) -> Rates:
    before = signal.getsignal(signal.SIGTERM)
    overrides = (*words, "seeds=2", "threads=1", "tracker=files", "arm=a", "allocator=default")
    rates = measure(Task("key", overrides, (), seconds), imported_s=3.0)
    assert signal.getsignal(signal.SIGTERM) == before
    assert list(Path().glob("pgx-*")) == []
    return rates


def test_complete_episodes_grow_and_wait_for_the_longest() -> None:
    rates = found("experiment=reinforce")
    assert not rates.ended and rates.seconds >= 0.4
    assert rates.rate > 0 and rates.around_s > 3.0
    assert 1.0 < rates.rise < 30.0
    assert 1.0 < rates.growth <= 500.0
    assert rates.bytes_fixed > 1000 and rates.bytes_iterations > 0 and rates.bytes_episodes > 0


def test_a_budget_that_is_reached_is_the_whole_of_it() -> None:
    rates = found("experiment=a2c", "decisions=1", seconds=60.0)
    assert rates.ended and rates.rise == 1.0
    assert rates.taken == 2 * 256


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ConfigError, match=r"estimator\.discount=3"):
        found("estimator.discount=3")


def test_seeds_that_diverge_at_once_have_ended() -> None:
    rates = found("experiment=reinforce", "optimizer=sgd", "optimizer.learning_rate=1e38")
    assert rates.ended and rates.rate == 0.0 and rates.taken == 0
