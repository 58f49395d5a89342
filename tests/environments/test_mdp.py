"""A process is checked when it is made."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.mdp import MDP
from pgx.errors import ConfigError


def test_features_are_one_hot_unless_given():
    mdp = MDP([[[1.0, 0]], [[0, 1]]], [[1.0], [0]], [1, 0], [False, True])
    assert torch.equal(mdp.features, torch.eye(2, dtype=torch.float64))


def good() -> dict:
    return {
        "transition": [[[0.5, 0.5], [0, 1]], [[0, 1], [0, 1]]],
        "reward": [[1.0, 2], [0, 0]],
        "start": [1.0, 0],
        "terminal": [False, True],
    }


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "transition",
            [[[0.5, 0.5], [0.3, 0.6]], [[0, 1], [0, 1]]],
            r"environment\.mdp\.transition\[0, 1\] sums to 0\.9, not 1",
        ),
        (
            "transition",
            [[[1.5, -0.5], [0, 1]], [[0, 1], [0, 1]]],
            r"environment\.mdp\.transition\[0, 0\] has probability -0\.5",
        ),
        ("transition", [[0.5, 0.5], [0, 1]], r"environment\.mdp\.transition has shape \(2, 2\)"),
        ("reward", [[1.0, np.nan], [0, 0]], r"environment\.mdp\.reward\[0, 1\] is nan, not finite"),
        ("reward", [1.0, 2], r"environment\.mdp\.reward has shape \(2,\), expected \(2, 2\) or"),
        ("start", [0.5, 0], r"environment\.mdp\.start sums to 0\.5, not 1"),
        ("start", [0.0, 1], r"environment\.mdp\.start begins episodes in a terminal state"),
        ("terminal", [True], r"environment\.mdp\.terminal has shape \(1,\)"),
        ("features", [[1.0], [np.inf]], r"environment\.mdp\.features\[1, 0\] is inf, not finite"),
        ("features", [1.0, 2], r"environment\.mdp\.features has shape \(2,\)"),
    ],
)
def test_mistakes_are_one_line_that_names_the_entry(key, value, line):
    MDP(**good())
    with pytest.raises(ConfigError, match=line) as caught:
        MDP(**{**good(), key: value})
    assert "\n" not in str(caught.value)
