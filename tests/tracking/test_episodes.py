"""Episode rows from rollouts, against a slow obvious twin that walks every row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.tracking.episodes import EpisodeLog
from pgx.types import Rollout

T, R, N = 7, 3, 5
COLUMNS = ("replica", "episode", "decisions", "return_raw", "return_train", "length", "t")


def stored(array: np.ndarray) -> torch.Tensor:
    """``[R, T, N]`` in memory, seen as ``[T, R, N]``: the layout of real rollouts."""
    return torch.from_numpy(np.ascontiguousarray(array)).transpose(0, 1)


def make_rollout(reward, terminated, truncated, mask, complete=False) -> Rollout:
    """A rollout of arrays ``[R, T, N]``; what `EpisodeLog` does not read is left empty."""
    unread = torch.zeros(())
    return Rollout(
        observation=unread,
        action=unread,
        reward=stored(reward.astype(np.float32)),
        terminated=stored(terminated),
        truncated=stored(truncated),
        next_observation=unread,
        mask=stored(mask),
        time=unread,
        log_prob=unread,
        complete=complete,
    )


def random_rollout(
    generator, replicas=R, ends=0.2, gaps=0.1, steps=T
) -> tuple[Rollout, torch.Tensor]:
    shape = (replicas, steps, N)
    mask = generator.random(shape) >= gaps
    reward = np.where(mask, generator.normal(size=shape), np.nan)
    ended = generator.random((2, *shape)) < ends
    raw = stored(np.where(mask, generator.normal(size=shape), np.inf).astype(np.float32))
    return make_rollout(reward, ended[0], ended[1], mask), raw


class Twin:
    """The same rows, one step at a time."""

    def __init__(self, replicas: int) -> None:
        self.open = {(r, n): [0.0, 0.0, 0] for r in range(replicas) for n in range(N)}
        self.episodes, self.decisions = [0] * replicas, [0] * replicas

    def update(self, rollout: Rollout, raw: torch.Tensor) -> list[tuple]:
        rows = []
        for r in range(rollout.replicas):
            for t in range(rollout.mask.shape[0]):
                self.decisions[r] += int(rollout.mask[t, r].sum())
                for n in range(N):
                    if not rollout.mask[t, r, n]:
                        continue
                    sums = self.open[r, n]
                    sums[0] += float(raw[t, r, n])
                    sums[1] += float(rollout.reward[t, r, n])
                    sums[2] += 1
                    if rollout.terminated[t, r, n] or rollout.truncated[t, r, n]:
                        rows.append((r, self.episodes[r], self.decisions[r], *sums, t))
                        self.episodes[r] += 1
                        self.open[r, n] = [0.0, 0.0, 0]
        return rows


def assert_equal(columns: dict[str, np.ndarray], expected: list[tuple]) -> None:
    assert tuple(columns) == COLUMNS
    for name, values in zip(
        COLUMNS, zip(*expected, strict=True) if expected else [()] * 7, strict=True
    ):
        exact = not name.startswith("return")
        np.testing.assert_allclose(columns[name], values, rtol=0 if exact else 1e-12, atol=1e-12)


@pytest.mark.parametrize("replicas", [1, R])
@pytest.mark.parametrize("ends", [0.0, 0.03, 0.3, 1.0])
@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_random_rollouts_equal_the_slow_twin(replicas, ends, gaps):
    generator = np.random.default_rng([replicas, int(100 * ends), int(10 * gaps)])
    log, twin = EpisodeLog(replicas, N), Twin(replicas)
    for _ in range(6):
        rollout, raw = random_rollout(generator, replicas, ends, gaps)
        assert_equal(log.update(rollout, raw), twin.update(rollout, raw))
    assert log.decisions.tolist() == twin.decisions
    assert log.episodes.tolist() == twin.episodes


def test_by_hand_an_episode_crosses_two_rollouts():
    log = EpisodeLog(1, 2)
    no, yes = np.zeros((1, 2, 2), bool), np.ones((1, 2, 2), bool)
    first = make_rollout(np.array([[[1, 10], [2, 20]]]), no, no, yes)
    assert len(log.update(first, first.reward)["t"]) == 0
    terminated, truncated = no.copy(), no.copy()
    terminated[0, 0, 1] = truncated[0, 1, 0] = truncated[0, 1, 1] = True
    second = make_rollout(np.array([[[3, 30], [4, 40]]]), terminated, truncated, yes)
    raw = 2 * second.reward
    columns = {name: column.tolist() for name, column in log.update(second, raw).items()}
    assert columns == {
        "replica": [0, 0, 0],
        "episode": [0, 1, 2],
        "decisions": [6, 8, 8],
        "return_raw": [10 + 20 + 60, 1 + 2 + 6 + 8, 80],
        "return_train": [60, 10, 40],
        "length": [3, 4, 1],
        "t": [0, 1, 1],
    }


def test_complete_episodes_of_unequal_length():
    lengths = np.array([[2, 7, 4, 1, 4], [3, 3, 3, 3, 3], [1, 2, 3, 4, 5]])
    step = np.arange(T)[:, None]
    mask = step < lengths[:, None, :]
    rollout = make_rollout(mask * 1.0, step == lengths[:, None, :] - 1, mask & False, mask, True)
    columns = EpisodeLog(R, N).update(rollout, rollout.reward)
    for replica in range(R):
        own = columns["replica"] == replica
        assert columns["length"][own].tolist() == sorted(lengths[replica])
        assert columns["return_raw"][own].tolist() == sorted(lengths[replica])
    assert columns["decisions"][columns["replica"] == 2].tolist() == [5, 9, 12, 14, 15]


def test_a_replica_that_is_not_alive_stays_as_it_was():
    generator = np.random.default_rng(3)
    log, others = EpisodeLog(R, N), EpisodeLog(R, N)
    rollout, raw = random_rollout(generator)
    log.update(rollout, raw), others.update(rollout, raw)
    before = log.state_dict()
    rollout, raw = random_rollout(generator)
    rollout.reward[:, 1] = float("nan")
    columns = log.update(rollout, raw, alive=np.array([True, False, True]))
    expected = others.update(rollout, raw)
    assert 1 not in columns["replica"]
    assert 1 in expected["replica"]
    for name in COLUMNS:
        np.testing.assert_array_equal(columns[name], expected[name][expected["replica"] != 1])
    for name, value in log.state_dict().items():
        assert value[1] == before[name][1]
        assert value[0] == others.state_dict()[name][0]


def test_a_nan_stays_in_its_own_episode():
    rollout, raw = random_rollout(np.random.default_rng(5), ends=0.3, gaps=0.0)
    clean = EpisodeLog(R, N).update(rollout, raw)
    rollout.reward[0, 0, 0] = float("nan")
    columns = EpisodeLog(R, N).update(rollout, raw)
    assert np.isnan(columns["return_train"]).sum() <= 1
    np.testing.assert_array_equal(columns["return_raw"], clean["return_raw"])


def test_a_replica_alone_has_the_same_bits_as_among_others():
    generator = np.random.default_rng(11)
    together, alone = EpisodeLog(R, N), EpisodeLog(1, N)
    for ends in (0.0, 0.01, 0.2, 0.0):
        rollout, raw = random_rollout(generator, ends=ends, gaps=0.0, steps=131)
        if ends == 0.2:
            rollout.terminated[:, 1] = rollout.truncated[:, 1] = False
        fields = {"reward": 0, "terminated": 0, "truncated": 0, "mask": 0}
        own = {name: getattr(rollout, name)[:, 1:2] for name in fields}
        single = make_rollout(*(own[name].transpose(0, 1).numpy() for name in fields))
        expected = together.update(rollout, raw)
        columns = alone.update(single, raw[:, 1:2])
        chosen = expected["replica"] == 1
        for name in COLUMNS[1:]:
            np.testing.assert_array_equal(columns[name], expected[name][chosen])
    np.testing.assert_array_equal(alone.return_raw[0], together.return_raw[1])
    np.testing.assert_array_equal(alone.return_train[0], together.return_train[1])


def test_the_padding_a_neighbour_causes_changes_no_bit():
    rollout, raw = random_rollout(np.random.default_rng(13), ends=0.3, gaps=0.0)
    rollout.terminated[-1] = True
    pad = [torch.cat([x, torch.zeros_like(x)]) for x in (rollout.reward, rollout.terminated)]
    pad += [torch.cat([x, torch.zeros_like(x)]) for x in (rollout.truncated, rollout.mask)]
    longer = make_rollout(*(x.transpose(0, 1).numpy() for x in pad))
    log, padded = EpisodeLog(R, N), EpisodeLog(R, N)
    columns = log.update(rollout, raw)
    for name, value in padded.update(longer, torch.cat([raw, raw])).items():
        np.testing.assert_array_equal(value, columns[name])
    assert padded.state_dict() == log.state_dict()


def test_sharing_the_reward_tensor_changes_nothing():
    generator = np.random.default_rng(17)
    shared, copied = EpisodeLog(R, N), EpisodeLog(R, N)
    first, raw = random_rollout(generator)
    shared.update(first, raw), copied.update(first, raw)
    rollout, _ = random_rollout(generator)
    one = shared.update(rollout, rollout.reward)
    two = copied.update(rollout, rollout.reward.clone())
    for name in COLUMNS:
        np.testing.assert_array_equal(one[name], two[name])
    assert shared.state_dict() == copied.state_dict()
    assert shared.state_dict()["return_raw"] != shared.state_dict()["return_train"]


def test_state_continues_exactly(tmp_path):
    generator = np.random.default_rng(19)
    log, resumed = EpisodeLog(R, N), EpisodeLog(R, N)
    log.update(*random_rollout(generator))
    torch.save(log.state_dict(), tmp_path / "state")
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    rollout, raw = random_rollout(generator)
    one, two = log.update(rollout, raw), resumed.update(rollout, raw)
    for name in COLUMNS:
        np.testing.assert_array_equal(one[name], two[name])
    with pytest.raises(ValueError, match="shape"):
        EpisodeLog(R + 1, N).load_state_dict(log.state_dict())


def test_other_sizes_are_refused():
    rollout, raw = random_rollout(np.random.default_rng(23))
    with pytest.raises(ValueError, match=r"expected \[T, 3, 4\]"):
        EpisodeLog(R, 4).update(rollout, raw)
    with pytest.raises(ValueError, match="reward_raw"):
        EpisodeLog(R, N).update(rollout, raw[:3])


def test_no_rows_at_all():
    rollout, raw = random_rollout(np.random.default_rng(29), gaps=1.0)
    log = EpisodeLog(R, N)
    assert all(len(column) == 0 for column in log.update(rollout, raw).values())
    assert log.decisions.tolist() == [0] * R
