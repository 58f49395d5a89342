"""Q-learning: one step by hand, the published update in a row, and the values it ends at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pgx.baselines.base import constant
from pgx.build import build
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.estimators.q_learning import QLearning
from pgx.module import PolicyGradient
from pgx.policies.action_value import ActionValue
from pgx.tracking.files import FileTracker
from pgx.types import EnvSpec, Rollout

T, R, N, S, A = 4, 3, 2, 5, 2
SEEDS = (5, 3, 8)


def rollout(complete: bool) -> Rollout:
    """Random one-hot states; slot 0 ends in row 2, slot 1 is cut in row 3."""
    generator = torch.Generator().manual_seed(2)
    state = torch.randint(S, (2, T, R, N), generator=generator)
    seen, after = torch.nn.functional.one_hot(state, S).float()
    row = torch.arange(T).view(T, 1, 1).expand(T, R, N)
    ends = torch.tensor([2, 3])
    mask = row <= ends if complete else torch.ones(T, R, N, dtype=torch.bool)
    return Rollout(
        observation=seen,
        action=torch.randint(A, (T, R, N), generator=generator),
        reward=torch.randn(T, R, N, generator=generator),
        terminated=(row == 2) & (ends == 2),
        truncated=(row == 3) & (ends == 3),
        next_observation=after,
        mask=mask,
        time=row,
        log_prob=torch.zeros(T, R, N),
        complete=complete,
    )


def policy() -> ActionValue:
    made = ActionValue(EnvSpec("Sample-v0", (S,), "discrete", A), SEEDS, 0.1, bias=True)
    weight, bias = made.net.layers(made.flat.data)[0]
    generator = torch.Generator().manual_seed(3)
    weight[:] = torch.randn(R, S, A, generator=generator)
    bias[:] = torch.randn(R, 1, A, generator=generator)
    return made


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("time_limit", ["bootstrap", "end"])
def test_it_equals_a_loop_over_rows(complete: bool, time_limit: str) -> None:
    data, values = rollout(complete), policy()
    estimator = QLearning(0.9, time_limit, None if complete else T)
    found = estimator(values, data, constant(torch.zeros(T, R, N)))
    weight, bias = values.net.layers(values.flat.detach())[0]
    wanted = torch.zeros_like(values.flat)
    (step, shift), size = values.net.layers(wanted)[0], torch.zeros(R)
    scale = 1 / N if complete else 1 / (T * N)
    for t, r, n in data.mask.nonzero().tolist():
        here, after = data.observation[t, r, n], data.next_observation[t, r, n]
        a = int(data.action[t, r, n])
        best = float((after @ weight[r] + bias[r, 0]).max())
        if data.terminated[t, r, n] or (data.truncated[t, r, n] and time_limit == "end"):
            best = 0.0
        error = float(data.reward[t, r, n]) + 0.9 * best - float((here @ weight[r] + bias[r, 0])[a])
        step[r, :, a] += scale * error * here
        shift[r, 0, a] += scale * error
        size[r] += abs(error) / int(data.mask[:, r].sum())
    torch.testing.assert_close(found.gradient, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.diagnostics["td_error"], size)


def arm(directory: Path, *words: str, seeds: tuple[int, ...] = SEEDS) -> PolicyGradient:
    keys = ["policy=action_value", "estimator=q_learning", "baseline=none", "optimizer=sgd"]
    config = compose_config(["environment=corridor", *keys, *words])
    parts = build(config, seeds)
    tracker = FileTracker(directory, seeds, parts.env.slots)
    return PolicyGradient(parts, seeds, 10**9, None, tracker)


def test_a_chain_of_known_values(tmp_path: Path) -> None:
    """Q* of a walk to the right: 1 at its end, and γ less at every state before."""
    words = ["environment=chain", "environment.length=4", "environment.slip=0.0"]
    words += ["estimator.discount=0.5", "optimizer.learning_rate=0.5", "policy.epsilon=0.5"]
    module = arm(tmp_path, *words)
    spec = module.env.spec
    for index in range(300):
        module.training_step(index, index)
    eye = torch.eye(*spec.observation_shape).expand(R, -1, -1)
    with torch.no_grad():
        best = module.policy.net.frozen()(eye).amax(2)
    truth = torch.tensor([0.125, 0.25, 0.5, 1.0])
    torch.testing.assert_close(best[:, :4], truth.expand(R, 4), rtol=0, atol=0.02)


def test_a_seed_alone_is_the_seed_among_others(tmp_path: Path) -> None:
    among, alone = arm(tmp_path / "among"), arm(tmp_path / "alone", seeds=(3,))
    for module in (among, alone):
        for index in range(30):
            module.training_step(index, index)
    assert torch.equal(among.policy.flat[1], alone.policy.flat[0])
    assert not torch.equal(among.policy.flat[0], among.policy.flat[1])


@pytest.mark.parametrize("option", ["discount=0.5", "time_limit=end", "horizon=3"])
def test_every_option_changes_the_values(tmp_path: Path, option: str) -> None:
    found = []
    for words in ([], [f"estimator.{option}"]):
        module = arm(tmp_path / str(len(found)), "environment.max_steps=3", *words)
        for index in range(12):
            module.training_step(index, index)
        found.append(module.policy.flat.detach().clone())
    assert not torch.equal(*found)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["policy=categorical_linear"], "estimator=q_learning: it learns action values"),
        (["baseline=batch_mean"], "estimator=q_learning baseline=batch_mean: no return"),
        (["estimator=reward_to_go"], "policy=action_value estimator=reward_to_go: it has no lik"),
        (["estimator.horizon=0"], "estimator.horizon=0: choose"),
        (["estimator.time_limit=never"], "estimator.time_limit=never"),
        (["optimizer=genetic"], "estimator=q_learning optimizer=genetic: a search knows"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path, words: list, line: str) -> None:
    with pytest.raises(ConfigError) as raised:
        arm(tmp_path, *words)
    assert str(raised.value).startswith(line)
