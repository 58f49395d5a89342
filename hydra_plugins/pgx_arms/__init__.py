"""pgx below Hydra: the sweeper ``arms`` and the launcher ``local``; the work is in `pgx.sweep`.

Hydra accepts plugin classes of the namespace ``hydra_plugins`` alone.
"""

from dataclasses import dataclass

from hydra.core.config_store import ConfigStore

from pgx.sweep import launcher, sweeper


class ArmsSweeper(sweeper.ArmsSweeper):
    """See `pgx.sweep.sweeper.ArmsSweeper`."""


class LocalLauncher(launcher.LocalLauncher):
    """See `pgx.sweep.launcher.LocalLauncher`."""


@dataclass
class ArmsSweeperConf:
    """``hydra/sweeper=arms``."""

    _target_: str = "hydra_plugins.pgx_arms.ArmsSweeper"
    retry_failed: bool = False  # repeat what failed
    replace: bool = False  # repeat what another config left under an arm's name


@dataclass
class LocalLauncherConf:
    """``hydra/launcher=local``."""

    _target_: str = "hydra_plugins.pgx_arms.LocalLauncher"


_store = ConfigStore.instance().store
_store(group="hydra/sweeper", name="arms", node=ArmsSweeperConf, provider="pgx")
_store(group="hydra/launcher", name="local", node=LocalLauncherConf, provider="pgx")
