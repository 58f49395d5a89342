"""A process that a user writes down, and every way to write it wrongly."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pgx.config import compose_config
from pgx.environments.exact import objective
from pgx.environments.mdp import MDP
from pgx.environments.table import Table
from pgx.errors import ConfigError
from pgx.names import config_hash
from pgx.policies.categorical_linear import CategoricalLinear

EXAMPLE = Path(__file__).with_name("two_rooms.yaml")
BY_HAND = MDP(
    transition=[[[1, 0, 0], [0.1, 0.9, 0]], [[0, 0, 1], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]],
    reward=[[[0] * 3, [-1] * 3], [[0, 0, 10], [0] * 3], [[0] * 3] * 2],
    start=[0.75, 0.25, 0],
    terminal=[False, False, True],
    features=[[1, 0], [0, 1], [0, 0]],
)
TABLES = ("transition", "reward", "start", "terminal", "features")


def tree(**changes) -> dict:
    found = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")) | changes
    return {key: value for key, value in found.items() if value != "gone"}


def same(one: MDP, other: MDP) -> bool:
    return all(getattr(one, name).equal(getattr(other, name)) for name in TABLES)


def test_the_example_is_the_process_it_describes(tmp_path):
    made = Table([0, 1], 3, str(EXAMPLE))
    assert same(made.mdp, BY_HAND) and made.spec.id == "two_rooms"
    assert same(Table([0], 1, mdp=tree()).mdp, BY_HAND)
    arrays = {name: getattr(BY_HAND, name).numpy() for name in TABLES}
    np.savez(tmp_path / "Rooms 2.npz", **arrays)
    stored = Table([0], 1, str(tmp_path / "Rooms 2.npz"))
    assert same(stored.mdp, BY_HAND) and stored.spec.id == "rooms-2"


def test_a_path_begins_in_the_working_directory(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    env = Table([0], 2, "mine.yaml", max_steps=7)
    found = env.objective(CategoricalLinear(env.spec, [0], None), 0.5).item()
    half = np.full((3, 2), 0.5)
    assert found == pytest.approx(objective(BY_HAND, torch.from_numpy(half), 0.5, 7).item())
    assert env.spec.time_limit == 7


def test_the_content_of_a_file_belongs_to_the_config(tmp_path):
    file = tmp_path / "mine.yaml"
    shutil.copy(EXAMPLE, file)
    words = ["environment=table", f"environment.file={file}", "baseline=none"]
    before, again = compose_config(words), compose_config(words)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert before.environment.sha256 == digest and config_hash(before) == config_hash(again)
    first = config_hash(before)
    file.write_text(EXAMPLE.read_text().replace("end: 10", "end: 11"))
    assert config_hash(compose_config(words)) != first
    with pytest.raises(ConfigError, match=rf"sha256={digest}: .* holds something else"):
        Table([0], 1, str(file), sha256=digest)


def test_what_is_missing_is_asked_for():
    with pytest.raises(ConfigError, match=r"environment\.file is needed: give it as"):
        compose_config(["environment=table"])
    for both in ({}, {"file": str(EXAMPLE), "mdp": tree()}):
        with pytest.raises(ConfigError, match=r"environment\.file=.*: give a \.yaml or \.npz"):
            Table([0], 1, **both)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"reward": "gone"}, "the key reward is missing"),
        ({"rewards": {}}, "rewards is not a key: did you mean 'reward'"),
        ({"states": "hall"}, "states: give a list of names"),
        ({"states": ["hall", "hall"]}, "states: hall is there twice"),
        ({"actions": []}, "actions: give a list of names"),
        ({"actions": [True, "climb"]}, "actions: give a list of names"),
        ({"start": "hal"}, "start: hal is not a name here: did you mean 'hall'"),
        ({"start": {"hall": 0.5}}, "start: the probabilities sum to 0.5, not 1"),
        ({"start": "end"}, "start: an episode cannot begin in a terminal state"),
        ({"terminal": "end"}, "terminal: give a list of states"),
        ({"terminal": ["ende"]}, "terminal: ende is not a name here"),
        ({"transition": {"hall": {"wait": "hall"}}}, r"transition\.hall\.climb is missing"),
        ({"transition": {"hal": {}}}, "transition: hal is not a name here"),
        ({"transition": []}, "transition: give a mapping of names"),
        ({"reward": {"hall": {"climb": float("nan")}}}, r"reward\.hall\.climb=nan: choose a num"),
        ({"reward": {"hall": {"climb": "much"}}}, r"reward\.hall\.climb=much: choose a number"),
        ({"reward": {"hall": {"jump": 1}}}, r"reward\.hall: jump is not a name here"),
        ({"reward": {"hall": {"climb": {"roof": 1}}}}, r"climb: roof is not a name here"),
        ({"reward": {"hall": {"wait": {"attic": 1}}}}, r"hall\.wait\.attic: attic never follows"),
        ({"reward": {"end": {"wait": 1}}}, r"reward\.end: end is terminal"),
        ({"features": {"hall": [1], "attic": [1, 2], "end": [0]}}, "attic has 2 numbers, the fir"),
        ({"features": {"hall": [1]}}, r"features\.attic: give a list of numbers"),
        ({"features": {"hall": 1}}, r"features\.hall: give a list of numbers"),
    ],
)
def test_mistakes_are_one_line_that_names_the_entry(changes, line):
    with pytest.raises(ConfigError, match=line) as caught:
        Table([0], 1, mdp=tree(**changes))
    assert str(caught.value).startswith("environment.mdp: ") or "mdp" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"attic": 0.8, "hall": 0.1}, "sum to 0.9, not 1"),
        ({"attic": 1.5, "hall": -0.5}, "a probability is negative"),
        ({"attic": "most"}, r"climb\.attic=most: choose a number"),
        (["attic"], r"\['attic'\] is not a name here"),
        ({"roof": 1}, "roof is not a name here"),
    ],
)
def test_rows_of_transitions_are_probabilities(row, line):
    moves = {"hall": {"wait": "hall", "climb": row}, "attic": {"wait": "end", "climb": "hall"}}
    with pytest.raises(ConfigError, match=rf"transition\.hall\.climb.*{line}|{line}"):
        Table([0], 1, mdp=tree(transition=moves))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("states: [a\n", "is no YAML"),
        ("- a\n", "give the keys states, actions"),
        ("states: [a]\nstates: [b]\n", "'states' is there twice"),
        ("\xff", "is no YAML"),
    ],
)
def test_files_that_hold_no_process_are_one_line(tmp_path, text, line):
    file = tmp_path / "odd.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=line) as caught:
        Table([0], 1, str(file))
    assert "\n" not in str(caught.value) and "odd.yaml" in str(caught.value)


def test_words_that_yaml_takes_for_truth_are_names(tmp_path):
    file = tmp_path / "yes.yaml"
    moves = "{yes: {no: off, on: yes}}"
    head = "states: [yes, off]\nactions: [no, on]\nstart: yes\nterminal: [off]\nreward: {}\n"
    file.write_text(f"{head}transition: {moves}\n")
    assert Table([0], 1, str(file)).mdp.transition[0].tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"start": None}, "has no array start"),
        ({"gamma": np.ones(2)}, "gamma is no array of a process"),
        ({"reward": np.array([["a"] * 2] * 3)}, "reward holds <U1, not an array of numbers"),
        ({"reward": np.ones((2, 2))}, r"reward has shape \(2, 2\), expected"),
        ({"reward": np.full((3, 2), np.inf)}, "reward.* is inf, not finite"),
        ({"terminal": np.array([0, 0, 0.5])}, "terminal holds more than true and false"),
        ({"transition": np.ones((3, 2, 3))}, r"transition\[0, 0\] sums to 3, not 1"),
    ],
)
def test_arrays_that_are_no_process_are_one_line(tmp_path, changes, line):
    arrays = {name: getattr(BY_HAND, name).numpy() for name in TABLES} | changes
    np.savez(tmp_path / "odd.npz", **{k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(ConfigError, match=line):
        Table([0], 1, str(tmp_path / "odd.npz"))


@pytest.mark.parametrize("name", ["none.yaml", "none.npz", "two.txt", 3, "broken.npz", "d.yaml"])
def test_files_that_cannot_be_read_are_one_line(tmp_path, name):
    (tmp_path / "broken.npz").write_bytes(b"PK")
    (tmp_path / "two.txt").write_text("states: [a]")
    (tmp_path / "d.yaml").mkdir()
    file = name if isinstance(name, int) else str(tmp_path / name)
    with pytest.raises(ConfigError, match=r"environment\.file="):
        Table([0], 1, file)


def test_an_array_under_the_name_of_an_archive_is_one_line(tmp_path):
    with open(tmp_path / "odd.npz", "wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(ConfigError, match=r"environment\.file=.*is no \.npz of plain arrays"):
        Table([0], 1, str(tmp_path / "odd.npz"))


def test_powers_of_ten_are_numbers_without_a_point_or_a_sign(tmp_path):
    text = EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / "big.yaml").write_text(text.replace("climb: -1}", "climb: -1e3}"))
    assert Table([0], 1, str(tmp_path / "big.yaml")).mdp.reward[0, 1, 0] == -1000


def test_processes_without_states_actions_or_features_are_one_line():
    none = {"transition": np.zeros((0, 0, 0)), "reward": np.zeros((0, 0)), "start": np.zeros(0)}
    with pytest.raises(ConfigError, match=r"transition has shape \(0, 0, 0\): no axis may be empt"):
        MDP(**none, terminal=np.zeros(0, bool))
    tables = {name: getattr(BY_HAND, name).numpy() for name in TABLES}
    with pytest.raises(ConfigError, match=r"features has shape \(3, 0\): no axis may be empty"):
        MDP(**tables | {"features": np.zeros((3, 0))})


def test_a_sum_that_misses_one_by_little_is_told_in_full():
    tables = {name: getattr(BY_HAND, name).numpy().copy() for name in TABLES}
    tables["transition"][0, 1, 0] += 1e-7
    with pytest.raises(ConfigError, match=r"transition\[0, 1\] sums to 1\.0000001, not 1"):
        MDP(**tables)
