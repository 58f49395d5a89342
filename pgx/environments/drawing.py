"""Pictures of environments, drawn by gymnasium without a screen."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from pgx.errors import ConfigError

Camera = Callable[[], np.ndarray]  #: a slot as it stands now, uint8 ``[H, W, 3]``

NEEDED = "pip install 'pgx-lab[video]'"  #: what a missing package is answered with


def make_drawn(id: str | gym.envs.registration.EnvSpec) -> gym.Env[Any, Any]:
    """An instance of gymnasium's that draws itself, whether or not there is a screen."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    return gym.make(id, render_mode="rgb_array", disable_env_checker=True)


def picture(env: gym.Env[Any, Any], id: str) -> np.ndarray:
    """What ``env`` looks like now, uint8 ``[H, W, 3]``.

    Raises:
        ConfigError: a package is missing, or it has no picture of itself.
    """
    try:
        frame = env.render()
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise ConfigError(f"{id} cannot be drawn without a missing package: {NEEDED}") from error
    except (gym.error.Error, NotImplementedError) as error:
        raise ConfigError(f"{id} cannot be drawn: {' '.join(str(error).split())}") from error
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 3:
        raise ConfigError(f"{id} cannot be drawn: it has no render mode rgb_array")
    return frame


def drawing(id: str) -> Callable[..., np.ndarray]:
    """Gymnasium's own picture of a state of the environment ``id``.

    Returns:
        A function of the state, float64 ``[S]`` as in gymnasium's ``env.unwrapped.state``, and of
        further attributes that the picture shows, by name.

    Raises:
        ConfigError: a package is missing.
    """
    env = make_drawn(id).unwrapped
    env.reset(seed=0)

    def draw(state: np.ndarray, **shown: Any) -> np.ndarray:
        env.state = np.array(state)  # type: ignore[attr-defined]
        for name, value in shown.items():
            setattr(env, name, value)
        return picture(env, id)

    picture(env, id)  # what is missing is missed now
    return draw
