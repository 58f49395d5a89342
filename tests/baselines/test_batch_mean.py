"""The batch mean: hand numbers, trajectories that have ended, and replicas apart."""

from __future__ import annotations

import pytest
import torch

from pgx.baselines.batch_mean import BatchMean
from pgx.errors import ConfigError
from tests.support.rollouts import (
    SEEDS,
    N,
    R,
    T,
    changed,
    lengthened,
    part,
    random_rollout,
    regrouped,
    spec,
)
from tests.support.twins import slow_return


def make(scope: str, discount: float = 0.9, seeds=SEEDS) -> BatchMean:
    return BatchMean(spec(), seeds, discount, scope)


def hand_rollout():
    """One replica, two trajectories: rewards 1, 2, 4 and 8."""
    rollout = part(random_rollout(complete=True, steps=3), slice(1), slice(2))
    reward = torch.tensor([[1.0, 8.0], [2.0, 0.0], [4.0, 0.0]]).unsqueeze(1)
    last = torch.tensor([[False, True], [False, False], [True, False]]).unsqueeze(1)
    mask = reward > 0
    for name, tensor in {"reward": reward, "terminated": last, "mask": mask}.items():
        getattr(rollout, name)[...] = tensor
    rollout.truncated[...] = False
    return rollout


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ("time", [(1 + 1 + 1 + 8) / 2, (2 + 2) / 2, 4 / 2]),  # to go: 1+.5(2+.5·4) = 3, 4, 4
        ("trajectory", [5.5, 5.5, 5.5]),
    ],
)
def test_hand_numbers_and_an_ended_trajectory_counts_as_zero(scope, wanted):
    answer = make(scope, 0.5, SEEDS[:1])(hand_rollout())
    for slot in range(2):
        assert answer.value[:, 0, slot].tolist() == wanted
    assert (answer.next_value == 0).all() and answer.gradient is None


@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize("replicas", [1, R])
def test_it_equals_its_slow_twin(discount, replicas):
    rollout = part(random_rollout(complete=True), slice(replicas))
    to_go = slow_return(rollout.reward, rollout.ended, discount)
    assert not rollout.mask.all()
    by_time, whole = (
        make(s, discount, SEEDS[:replicas])(rollout).value for s in ("time", "trajectory")
    )
    for r in range(replicas):
        for t in range(T):
            alive = [float(to_go[t, r, n]) for n in range(N) if rollout.mask[t, r, n]]
            assert by_time[t, r].tolist() == pytest.approx([sum(alive) / N] * N, abs=1e-5)
            mean = float(to_go[0, r].mean())
            assert whole[t, r].tolist() == pytest.approx([mean] * N, abs=1e-5)


def test_scope_and_discount_change_the_answer():
    rollout = random_rollout(complete=True)
    base = make("time")(rollout).value
    assert not torch.allclose(base, make("trajectory")(rollout).value)
    assert not torch.allclose(base, make("time", 0.5)(rollout).value)


@pytest.mark.parametrize("scope", ["time", "trajectory"])
def test_replicas_stay_apart(scope):
    rollout = random_rollout(complete=True)
    among = make(scope)(rollout).value
    for value in (1e6, torch.nan):
        broken = make(scope)(changed(rollout, "reward", (0, 1, 0), value)).value
        assert torch.equal(broken[:, [0, 2]], among[:, [0, 2]])
        assert not torch.equal(broken[:, 1], among[:, 1])
    for r in range(R):
        alone = make(scope, seeds=SEEDS[r : r + 1])(part(rollout, slice(r, r + 1))).value
        assert torch.equal(alone[:, 0], among[:, r])


@pytest.mark.parametrize("scope", ["time", "trajectory"])
def test_padding_changes_no_bit(scope):
    rollout = random_rollout(complete=True)
    longer = make(scope)(lengthened(rollout, 130)).value
    assert torch.equal(longer[:T], make(scope)(rollout).value)


def test_the_order_of_slots_does_not_matter():
    rollout = part(random_rollout(complete=True), slice(1))
    order = torch.tensor([[4, 2, 0, 1, 3]]).numpy()
    one, two = (
        make("time", seeds=SEEDS[:1])(x).value for x in (rollout, regrouped(rollout, order))
    )
    torch.testing.assert_close(one, two)


def test_it_needs_two_trajectories_and_a_known_scope():
    assert make("time").least_slots == 2 and not make("time").predicts
    with pytest.raises(ConfigError, match=r"baseline\.scope=tine: did you mean 'time'\?"):
        make("tine")
