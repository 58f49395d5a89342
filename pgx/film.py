"""An MP4 of one episode: an environment that shows itself, and the file its pictures go to."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pgx.environments.base import Environment
from pgx.environments.drawing import NEEDED
from pgx.errors import ConfigError
from pgx.types import Transition

FRAMES_PER_S = 30  #: of the film; one frame per decision, and one for the beginning


class Film:
    """An MP4 file (H.264) written frame by frame; it appears whole, when closed, or not at all.

    Args:
        path: where; ends in ``.mp4``.

    Attributes:
        frames: how many were added.

    Raises:
        ConfigError: the path cannot be written, or a package is missing.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix != ".mp4":
            raise ConfigError(f"--video: {path} does not end in .mp4")
        if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise ConfigError(f"--video: {path} cannot be written; choose a folder that exists")
        if importlib.util.find_spec("imageio_ffmpeg") is None:
            raise ConfigError(f"--video needs a missing package: {NEEDED}")
        self.path, self.frames = path, 0
        self._writer: Any = None
        self._place: tempfile.TemporaryDirectory[str] | None = None

    def add(self, frame: np.ndarray) -> None:
        """Append a picture, uint8 ``[H, W, 3]``; all have the same size."""
        height, width = frame.shape[:2]
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")  # H.264's wish
        if self._writer is None:
            self._open((even.shape[1], even.shape[0]))
        self._writer.send(np.ascontiguousarray(even))
        self.frames += 1

    def _open(self, size: tuple[int, int]) -> None:
        from imageio_ffmpeg import write_frames

        self._place = tempfile.TemporaryDirectory(prefix=".pgx-film-", dir=self.path.parent)
        unfinished = Path(self._place.name) / "film.mp4"
        self._writer = write_frames(str(unfinished), size, fps=FRAMES_PER_S, macro_block_size=2)
        self._writer.send(None)

    def close(self, whole: bool) -> None:
        """Finish the file and put it in its place, or remove what was written."""
        if self._writer is not None and self._place is not None:
            self._writer.close()
            if whole:
                (Path(self._place.name) / "film.mp4").replace(self.path)
            self._place.cleanup()
        self._writer = self._place = None


class Filmed(Environment):
    """An environment whose first replica's first slot shows its first episode, frame by frame.

    Nothing else changes: it steps, draws and ends as the environment it holds.

    Args:
        env: not yet reset.
        add: takes a frame, uint8 ``[H, W, 3]``.

    Raises:
        ConfigError: it cannot be drawn.
    """

    def __init__(self, env: Environment, add: Callable[[np.ndarray], None]) -> None:
        self.env, self._look, self._add = env, env.camera(0, 0), add
        self.spec, self.seeds, self.replicas, self.slots = (
            env.spec,
            env.seeds,
            env.replicas,
            env.slots,
        )
        self.observation, self.episode = env.observation, env.episode  # arrays that it reuses
        self.exact_resume = env.exact_resume
        self._runs: bool | None = None  # not yet, now, or no more

    def reset(self, mask: np.ndarray | None = None) -> None:
        """Begin the next episode, as the environment does."""
        self.env.reset(mask)
        if self._runs is None and (mask is None or mask[0, 0]):
            self._runs = True
            self._add(self._look())

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        """Step, as the environment does."""
        step = self.env.step(action, active)
        if self._runs and (active is None or active[0, 0]):
            self._add(self._look())
            self._runs = not (step.terminated[0, 0] or step.truncated[0, 0])
        return step

    def state_dict(self) -> dict[str, Any]:
        """The environment's."""
        return self.env.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The environment's."""
        self.env.load_state_dict(state)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()
