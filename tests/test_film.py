"""Films: as many frames as decisions and one, decodable, of something; whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from imageio_ffmpeg import read_frames

from pgx.environments.cartpole import CartPole
from pgx.errors import ConfigError
from pgx.film import FRAMES_PER_S, Film, Filmed


def decoded(path: Path) -> tuple[dict, np.ndarray]:
    """What a player would see, uint8 ``[frames, H, W, 3]``."""
    reader = read_frames(str(path))
    told = next(reader)
    width, height = told["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    return told, np.stack(frames)


def test_frames_come_back_in_order_and_in_even_sizes(tmp_path: Path) -> None:
    film = Film(tmp_path / "a.mp4")
    for level in (0, 90, 180, 250):
        film.add(np.full((41, 63, 3), level, dtype=np.uint8))
    assert not (tmp_path / "a.mp4").exists()
    film.close(whole=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    told, frames = decoded(tmp_path / "a.mp4")
    assert told["fps"] == FRAMES_PER_S
    assert frames.shape == (4, 42, 64, 3)
    np.testing.assert_allclose(frames.mean((1, 2, 3)), [0, 90, 180, 250], atol=6)


def test_what_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    film = Film(tmp_path / "a.mp4")
    film.add(np.zeros((40, 40, 3), dtype=np.uint8))
    film.close(whole=False)
    Film(tmp_path / "b.mp4").close(whole=True)  # not a frame
    assert list(tmp_path.iterdir()) == []


def test_only_the_first_episode_of_the_first_slot_is_shown() -> None:
    frames: list[np.ndarray] = []
    env, twin = Filmed(CartPole((3, 4), 2), frames.append), CartPole((3, 4), 2)
    look, expected = twin.camera(0, 0), []
    active = np.ones((2, 2), dtype=bool)
    env.reset()
    twin.reset()
    expected.append(look())
    right = np.ones((2, 2), dtype=np.int64)
    while active[0, 0]:
        step, _ = env.step(right, active), twin.step(right, active)
        expected.append(look())
        active &= ~(step.terminated | step.truncated)
    env.step(right, np.array([[False, True], [True, True]]))
    env.reset()
    env.step(right)
    assert len(frames) == len(expected) > 5
    np.testing.assert_array_equal(np.stack(frames), np.stack(expected))
    np.testing.assert_array_equal(env.observation, env.env.observation)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.avi", r"a\.avi does not end in \.mp4"),
        ("none/a.mp4", "cannot be written; choose a folder that exists"),
        ("there.mp4", "cannot be written"),
    ],
)
def test_a_path_that_does_not_do_is_named(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "there.mp4").mkdir()
    with pytest.raises(ConfigError, match=said):
        Film(tmp_path / name)


def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"missing package: pip install 'pgx-lab\[video\]'"):
        Film(tmp_path / "a.mp4")
