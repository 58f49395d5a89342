"""``pgx init``: a study, an arm and an estimator of one's own to start from."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from pgx.errors import ConfigError

STUDY = """\
# A study: what pgx sweep study=my_study trains, and how its arms are compared.
name: my_study  # directory of its runs, below output
question: Does centring the returns help REINFORCE?  # one sentence
prediction: Yes; the gradient's variance falls, its mean stays.  # written before the runs
reference: plain  # the arm that the others are held against
metric: area  # under the learning curve; or final, the return at the end
last: 100  # episodes in a point of the curve and in the final return
seeds: 10  # runs of every arm: a count, a list or a range; fewer than 6 can never decide
decisions: 100000  # budget of every run
base: experiment=my_arm  # overrides of every arm: one, or a list
arms:  # name: the overrides that make it, one or a list
  plain: estimator.centre=0.0  # nothing is subtracted
  centred: estimator.centre=1.0  # the mean return is
generate:  # further arms by rule: grid, zip, one_at_a_time, leave_one_out
  - grid: {estimator.centre: [0.5]}  # called centre=0.5
environments:  # option: low and high, the returns that count as 0 and 1
  cartpole: {low: 0, high: 500}  # may have decisions and overrides of its own
"""

ARM = """\
# @package _global_
# An arm: a thin difference from the defaults. Chosen with experiment=my_arm.
defaults:
  - override /estimator: my_estimator  # in conf/estimator, its class in my_estimator.py
  - override /baseline: none  # b = 0

allow_targets: [my_estimator]  # modules of your own that a _target_ may name
"""

ESTIMATOR_CONFIG = """\
_target_: my_estimator.MyEstimator  # found from the working directory
centre: 1.0  # how much of the mean return is subtracted, from 0 to 1
discount: 0.99  # γ, per decision
discount_weighting: false  # multiply row t by γᵗ; false is the popular update
time_limit: end  # what a truncation means: end | bootstrap (needs baseline=value)
entropy_coefficient: 0.0  # ρ of the entropy bonus, reward per nat
entropy: analytic  # the bonus: analytic | monte_carlo (−log π of the action taken)
normalize_advantage: false  # standardise the weights of each replica's rows
"""

ESTIMATOR = '''\
"""Reward-to-go, centred: an estimator to start from."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from pgx.errors import ConfigError
from pgx.estimators.reward_to_go import RewardToGo
from pgx.estimators.score import masked_mean
from pgx.types import Baseline, Rollout


class MyEstimator(RewardToGo):
    """The score weighted with returns from which a part of their mean is subtracted.

        g = 1/N Σ_n Σ_t (G_t − b_t − c · mean(G − b)) ∇ log π(a_t|s_t)

    The mean is over the replica's own rows: what one seed subtracts never depends on another.

    Args:
        centre: c, from 0 to 1.
        **common: the arguments of `RewardToGo`.

    Raises:
        ConfigError: ``centre`` outside its range.
    """

    def __init__(self, centre: float, **common: Any) -> None:
        super().__init__(**common)
        if not 0.0 <= centre <= 1.0:
            raise ConfigError(f"estimator.centre={centre}: choose a number from 0 to 1")
        self.centre = centre

    def advantage(self, rollout: Rollout, baseline: Baseline) -> Tensor:
        """What multiplies the score of every row, ``[T, R, N]``."""
        weight = super().advantage(rollout, baseline)
        return weight - self.centre * masked_mean(weight, rollout).unsqueeze(-1)
'''

STARTER = {
    "conf/study/my_study.yaml": STUDY,
    "conf/experiment/my_arm.yaml": ARM,
    "conf/estimator/my_estimator.yaml": ESTIMATOR_CONFIG,
    "my_estimator.py": ESTIMATOR,
}


def write_starter(directory: Path) -> list[Path]:
    """Write the files and return their paths. Nothing is written if one of them exists.

    Raises:
        ConfigError: a file exists already, or the directory cannot be written.
    """
    contents = {directory / name: text for name, text in STARTER.items()}
    for path in contents:
        if path.exists():
            raise ConfigError(f"init: {path} exists; choose another directory: pgx init DIR")
    try:
        for path, text in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"init: {directory} cannot be written ({reason})") from error
    return list(contents)


def next_step(directory: Path) -> str:
    """The command that trains the new study."""
    enter = "" if directory.resolve() == Path.cwd() else f"cd {quote(str(directory))} && "
    return f"next: {enter}pgx sweep study=my_study  # --dry-run shows what it will do"
