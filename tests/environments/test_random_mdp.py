"""A drawn process has the sizes asked for, and depends on its seed alone."""

from __future__ import annotations

import pytest
import torch

from pgx.environments.exact import visits
from pgx.environments.random_mdp import RandomMDP, random_mdp
from pgx.errors import ConfigError

S, A, B, END = 7, 3, 2, 0.2


def test_every_action_has_its_successors_and_the_end():
    mdp = random_mdp(4, S, A, B, END)
    live = mdp.transition[:S]
    assert mdp.states == S + 1 and mdp.actions == A and mdp.terminal.tolist() == [False] * S + [1]
    assert ((live[..., :S] > 0).sum(-1) == B).all() and (live[..., S] == END).all()
    torch.testing.assert_close(live.sum(-1), torch.ones(S, A, dtype=torch.float64))
    assert (live[..., :S].amax(-1) < 1 - END).all()  # shares, not certainties
    assert mdp.start.tolist() == [1 / S] * S + [0]
    assert len(mdp.reward[:S].unique()) == S * A and (mdp.reward[S] == 0).all()


def test_episodes_have_the_mean_length_that_the_end_says():
    mdp = random_mdp(4, S, A, B, END)
    policy = torch.full((S + 1, A), 1 / A, dtype=torch.float64)
    assert visits(mdp, policy, 1.0).sum().item() == pytest.approx(1 / END, rel=1e-9)


def test_numbers_look_drawn():
    mdp = random_mdp(0, 200, 4, 2, 0.0)
    reward, share = mdp.reward[:200].flatten(), mdp.transition[:200, :, :200].amax(-1)
    assert abs(reward.mean()) < 4 / 800**0.5 and abs(reward.std() - 1) < 4 / 1600**0.5
    assert abs(share.mean().item() - 0.75) < 4 * (1 / 48 / 800) ** 0.5  # of two, the larger one
    arrivals = (mdp.transition[:200, :, :200] > 0).sum((0, 1))
    assert arrivals.min() > 0 and arrivals.max() < 30  # 8 on average


def test_the_process_is_its_seeds_and_no_others():
    def tables(env: RandomMDP) -> torch.Tensor:
        return env.mdp.transition

    sizes = {"states": S, "actions": A, "branching": B, "ending": END}
    one, same = (RandomMDP(seeds, 2, 4, **sizes) for seeds in ((0,), (5, 6)))
    assert torch.equal(tables(one), tables(same))
    assert not torch.equal(tables(one), tables(RandomMDP((0,), 2, 5, **sizes)))


def test_the_process_of_a_seed_stays_what_it_was():
    """Studies name a process by its seed."""
    mdp = random_mdp(4, S, A, B, END)
    wanted = [0, 0, 0.5401607277708589, 0.2598392722291411, 0, 0, 0, 0.2]
    assert mdp.transition[0, 0].tolist() == pytest.approx(wanted, rel=1e-12)
    wanted = [1.1256773, -1.3225955, -0.1293293]
    assert mdp.reward[0].tolist() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("mdp_seed", -1), ("states", 0), ("actions", 1), ("branching", 8), ("branching", 0)),
        *(("ending", 0.0), ("ending", 1.5)),
    ],
)
def test_mistakes_name_the_key(key, value):
    sizes = {"mdp_seed": 0, "states": S, "actions": A, "branching": B, "ending": END}
    with pytest.raises(ConfigError, match=rf"environment\.{key}="):
        RandomMDP([0], 1, **{**sizes, key: value})


def test_it_need_not_end_where_time_does():
    sizes = {"mdp_seed": 0, "states": S, "actions": A, "branching": B, "ending": 0.0}
    assert RandomMDP([0], 1, **sizes, max_steps=9).spec.time_limit == 9
