"""Returns and advantages: vectors, identities, and slow twins that sum every row by itself."""

from __future__ import annotations

import pytest
import torch

from pgx.returns import bootstrap, discount_power, discounted_return, gae, reverse_scan, td_error
from tests.support.twins import slow_gae, slow_return

T, R, N = 7, 3, 5
VECTORS = [
    (0.9, [0, 0, 1, 0, 0, 1, 0], [1.40049, 1.5561, 1.729, 0.81, 0.9, 1, 0]),
    (0.5, [0, 0, 1, -2, 3, -4, 0], [0.0625, 0.125, 0.25, -1.5, 1, -4, 0]),
]


def column(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64).reshape(-1, 1, 1)


def never(steps: int) -> torch.Tensor:
    return torch.zeros(steps, 1, 1, dtype=torch.bool)


def fields(seed: int, steps: int = T, replicas: int = R, slots: int = N, dtype=torch.float64):
    """Random reward, value, next value, terminated, truncated; V is consistent within episodes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (steps, replicas, slots)
    reward, value, after = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    terminated, truncated = torch.rand(2, *shape, generator=generator) < 0.2
    after[:-1] = torch.where((terminated | truncated)[:-1], after[:-1], value[1:])
    return reward.to(dtype), value.to(dtype), after.to(dtype), terminated, truncated


def fast_gae(reward, value, after, terminated, truncated, discount, decay, limit="bootstrap"):
    rest = bootstrap(after, terminated, truncated, limit)
    return gae(reward, value, rest, terminated | truncated, discount, decay)


@pytest.mark.parametrize(("discount", "reward", "wanted"), VECTORS)
def test_vectors_of_the_ground_truth(discount, reward, wanted):
    found = discounted_return(column(*reward), never(7), discount)
    assert found.flatten().tolist() == pytest.approx(wanted, abs=1e-12)


def test_an_episode_end_cuts_the_return():
    ended = never(5)
    ended[1] = True
    found = discounted_return(column(1, 2, 4, 8, 16), ended, 0.5)
    assert found.flatten().tolist() == [2.0, 2.0, 12.0, 16.0, 16.0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(T, R, N), (T, 1, N), (1, R, N), (T, R, 1), (13, 2, 3)])
@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_returns_equal_their_slow_twin(seed, shape, discount):
    reward, _, _, terminated, truncated = fields(seed, *shape)
    ended = terminated | truncated
    found = discounted_return(reward, ended, discount)
    torch.testing.assert_close(found, slow_return(reward, ended, discount))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(T, R, N), (T, 1, N), (1, R, N), (13, 2, 3)])
@pytest.mark.parametrize(("discount", "decay"), [(0.9, 0.0), (0.9, 0.8), (1.0, 1.0), (0.0, 0.5)])
@pytest.mark.parametrize("limit", ["bootstrap", "end"])
def test_gae_equals_its_slow_twin(seed, shape, discount, decay, limit):
    data = fields(seed, *shape)
    found = fast_gae(*data, discount, decay, limit)
    torch.testing.assert_close(found, slow_gae(*data, discount, decay, limit))


def test_scan_wants_one_shape():
    with pytest.raises(ValueError, match="decay has shape"):
        reverse_scan(torch.zeros(T, R, N), torch.zeros(T, R, 1))
    with pytest.raises(ValueError, match="ended has shape"):
        discounted_return(torch.zeros(T, R, N), torch.zeros(T, R, 1, dtype=torch.bool), 0.9)


def test_scan_leaves_its_arguments_alone():
    term, decay = torch.ones(T, R, N), torch.full((T, R, N), 0.5)
    reverse_scan(term, decay)
    assert (term == 1).all() and (decay == 0.5).all()


def test_gae_of_decay_0_is_the_td_error():
    data = fields(5)
    rest = bootstrap(data[2], data[3], data[4], "bootstrap")
    assert torch.equal(fast_gae(*data, 0.9, 0.0), td_error(data[0], data[1], rest, 0.9))


def bootstrapped_return(reward, after, terminated, truncated, discount: float) -> torch.Tensor:
    """Monte Carlo, with γ V(s') where a row is the last one seen of an episode that goes on."""
    last = terminated | truncated
    last[-1] = True
    rest = torch.where(last & ~terminated, after, 0.0)
    return slow_return(reward + discount * rest, last, discount)


def test_gae_of_decay_1_is_bootstrapped_monte_carlo_minus_v():
    data = fields(6)
    wanted = bootstrapped_return(data[0], data[2], data[3].clone(), data[4].clone(), 0.9) - data[1]
    torch.testing.assert_close(fast_gae(*data, 0.9, 1.0), wanted)


def n_step_advantage(reward, value, after, discount: float, n: int, start: int) -> torch.Tensor:
    """A^(n) of row ``start`` in an episode that never ends; n is cut at the last row."""
    n = min(n, len(reward) - start)
    total = sum(discount**k * reward[start + k] for k in range(n))
    return total + discount**n * after[start + n - 1] - value[start]


def test_gae_averages_n_step_advantages_and_the_last_weight_is_the_rest():
    reward, value, after, _, _ = fields(7)
    over = torch.zeros(T, R, N, dtype=torch.bool)
    after[:-1] = value[1:]
    decay, discount = 0.8, 0.9
    found = fast_gae(reward, value, after, over, over, discount, decay)
    for start in range(T):
        left = T - start
        weights = [(1 - decay) * decay ** (n - 1) for n in range(1, left)] + [decay ** (left - 1)]
        assert sum(weights) == pytest.approx(1.0)
        wanted = sum(
            weight * n_step_advantage(reward, value, after, discount, n + 1, start)
            for n, weight in enumerate(weights)
        )
        torch.testing.assert_close(found[start], wanted)


def test_gae_plus_v_is_the_lambda_return():
    """G^λ_t = r_t + γ [(1 − λ) V(s_{t+1}) + λ G^λ_{t+1}] (Sutton & Barto, exercise 12.1)."""
    reward, value, after, terminated, truncated = fields(8)
    decay, discount = 0.7, 0.9
    found = fast_gae(reward, value, after, terminated, truncated, discount, decay) + value
    later = after[-1]
    for t in reversed(range(T)):
        later = torch.where(truncated[t], after[t], later)
        mixed = torch.where(terminated[t], 0.0, (1 - decay) * after[t] + decay * later)
        torch.testing.assert_close(found[t], reward[t] + discount * mixed)
        later = found[t]


def test_one_step_is_the_td_target_and_all_steps_are_monte_carlo():
    reward, value, after, _, _ = fields(9)
    over = torch.zeros(T, R, N, dtype=torch.bool)
    after[:-1] = value[1:]
    one = fast_gae(reward, value, after, over, over, 0.9, 0.0) + value
    torch.testing.assert_close(one, reward + 0.9 * after)
    whole = fast_gae(reward, value, after, over, over, 0.9, 1.0)
    for start in range(T):
        far = n_step_advantage(reward, value, after, 0.9, T + 3, start)
        torch.testing.assert_close(whole[start], far)


def test_termination_does_not_bootstrap_and_truncation_does():
    reward, value, after = column(1, 10, 100), column(2, 3, 4), column(3, 5, 7)
    ended, rest = never(3), never(3)
    ended[1] = True
    terminated = fast_gae(reward, value, after, ended, rest, 0.5, 1.0).flatten()
    assert terminated.tolist() == [1 + 0.5 * 10 - 2, 10 - 3, 100 + 3.5 - 4]
    truncated = fast_gae(reward, value, after, rest, ended, 0.5, 1.0).flatten()
    assert truncated.tolist() == [1 + 0.5 * 12.5 - 2, 10 + 2.5 - 3, 100 + 3.5 - 4]
    both = fast_gae(reward, value, after, ended, ended, 0.5, 1.0).flatten()
    assert torch.equal(both, terminated)
    as_end = fast_gae(reward, value, after, rest, ended, 0.5, 1.0, "end").flatten()
    assert torch.equal(as_end, terminated)


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_reward_1_for_ever_under_a_limit_of_8_steps(decay):
    discount, value = 0.98, column(*[50.0] * 8)
    reward, terminated, truncated = column(*[1.0] * 8), never(8), never(8)
    truncated[-1] = True
    right = fast_gae(reward, value, value, terminated, truncated, discount, decay) + value
    assert right.flatten().tolist() == pytest.approx([50.0] * 8, abs=1e-10)
    wrong = fast_gae(reward, value, value, terminated, truncated, discount, 1.0, "end") + value
    assert wrong[0].item() == pytest.approx(7.461849, abs=1e-6)
    assert wrong[0].item() == pytest.approx((1 - discount**8) / (1 - discount), abs=1e-12)


@pytest.mark.parametrize("kind", ["terminated", "truncated"])
def test_two_trajectories_joined_equal_those_apart(kind):
    first, second = fields(10, 4), fields(11, 3)
    end = {"terminated": 3, "truncated": 4}[kind]
    first[end][-1] = True
    joined = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    apart = torch.cat([fast_gae(*data, 0.9, 0.8) for data in (first, second)])
    torch.testing.assert_close(fast_gae(*joined, 0.9, 0.8), apart, rtol=1e-14, atol=1e-14)
    returns = [discounted_return(d[0], d[3] | d[4], 0.9) for d in (first, second)]
    found = discounted_return(joined[0], joined[3] | joined[4], 0.9)
    torch.testing.assert_close(found, torch.cat(returns), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("limit", ["bootstrap", "end"])
def test_nan_in_the_value_of_a_terminal_successor_does_not_leak(limit):
    reward, value, after, terminated, truncated = fields(12)
    assert (terminated & truncated).any() and (terminated & ~truncated).any()
    broken = torch.where(terminated, torch.nan, after)
    clean = fast_gae(reward, value, after, terminated, truncated, 0.9, 0.8, limit)
    found = fast_gae(reward, value, broken, terminated, truncated, 0.9, 0.8, limit)
    assert torch.equal(found, clean)


def test_nan_in_the_value_of_a_truncated_successor_is_not_read_where_it_is_the_end():
    reward, value, after, terminated, truncated = fields(13)
    broken = torch.where(terminated | truncated, torch.nan, after)
    found = fast_gae(reward, value, broken, terminated, truncated, 0.9, 0.8, "end")
    assert found.isfinite().all()


@pytest.mark.parametrize("more", [1, 2, 57, 121])
@pytest.mark.parametrize("discount", [0.99, 1.0])
def test_zeros_behind_the_end_change_no_bit(more, discount):
    """Padding behind ended episodes, as a neighbour's longer episode causes it."""
    reward, value, after, terminated, truncated = fields(14, dtype=torch.float32)
    terminated[-1] = True
    data = [reward * 100, value, after, terminated, truncated]
    longer = [torch.cat([x, torch.zeros(more, R, N, dtype=x.dtype)]) for x in data]
    one, two = (discounted_return(d[0], d[3] | d[4], discount) for d in (data, longer))
    assert torch.equal(one, two[:T]) and (two[T:] == 0).all()
    one, two = (fast_gae(*d, discount, 0.95) for d in (data, longer))
    assert torch.equal(one, two[:T])


def test_a_replica_alone_has_the_same_bits():
    data = [x.transpose(0, 1).contiguous().transpose(0, 1) for x in fields(15, 130, 6, 3)]
    data = [x.float() if x.is_floating_point() else x for x in data]
    among = fast_gae(*data, 0.99, 0.95)
    for r in range(6):
        alone = fast_gae(*[x[:, r : r + 1].clone() for x in data], 0.99, 0.95)
        assert torch.equal(alone[:, 0], among[:, r])


def test_discount_power():
    time = torch.tensor([[0, 1], [2, 499]])
    found = discount_power(time, 0.99)
    assert found.dtype == torch.float32
    wanted = torch.tensor([[1.0, 0.99], [0.9801, 0.99**499]])
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)
    assert discount_power(time, 1.0).eq(1).all()
    assert discount_power(time, 0.0).tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_discount_power_of_a_time_does_not_depend_on_the_largest():
    short, long = torch.arange(9), torch.arange(700)
    assert torch.equal(discount_power(short, 0.97), discount_power(long, 0.97)[:9])
