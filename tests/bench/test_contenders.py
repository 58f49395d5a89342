"""How the benchmark starts its contenders and reads what they did."""

from __future__ import annotations

import sys
from pathlib import Path

import polars
import pytest

from pgx.bench import contenders
from pgx.bench.contenders import StableBaselines3, read_part, run
from pgx.errors import ConfigError, RunFailed


def test_a_part_is_read_as_a_rate_over_replicas_and_the_return_of_the_last_episodes(
    tmp_path: Path,
) -> None:
    steps = range(1, 11)
    polars.DataFrame(
        {
            "seed": [3] * 10 + [4] * 10,
            "decisions": [1000 * i for i in steps] * 2,
            "wall_s": [0.5 * i for i in steps] * 2,
        }
    ).write_parquet(tmp_path / "metrics.parquet")
    polars.DataFrame(
        {
            "seed": [3] * 150 + [4] * 150,
            "decisions": list(range(150)) * 2,
            "return_raw": [0.0] * 50 + [60.0] * 100 + [0.0] * 50 + [80.0] * 100,
        }
    ).write_parquet(tmp_path / "episodes.parquet")
    found = read_part(tmp_path, replicas=2)
    assert found.rate == pytest.approx(2 * 1000 / 0.5)
    assert found.final_return == pytest.approx(70.0)


def test_a_contender_that_fails_says_why(tmp_path: Path) -> None:
    code = "import sys; print('one\\ntwo', file=sys.stderr); sys.exit(3)"
    with pytest.raises(RunFailed, match=r"ended with 3: two"):
        run([sys.executable, "-c", code], tmp_path)


def test_without_stable_baselines3_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contenders, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pgx-lab\[bench\]'"):
        contenders.contenders([1])


def test_stable_baselines3_does_the_work_and_is_timed() -> None:
    found = StableBaselines3("same", 1).measure(decisions=5 * 1024, seed=0)
    assert found.rate > 100
    assert 5 < found.final_return < 500


def test_every_contender_has_a_name_of_its_own() -> None:
    names = [contender.name for contender in contenders.contenders([1, 32])]
    assert names[:3] == ["pgx, R=1", "pgx, R=32", "SB3 A2C, same work, 1 thread"]
    assert len(set(names)) == len(names)
