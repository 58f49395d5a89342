"""Training one part, the seeds of an arm that share a process, from its lock to its last row."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from pgx.allocator import tune_allocator
from pgx.build import build, build_evaluation
from pgx.callbacks import Checkpoints, Ending, ProgressBar
from pgx.checkpoint import load_checkpoint, save_checkpoint
from pgx.errors import ConfigError, RunFailed
from pgx.evaluation import Evaluations
from pgx.module import PolicyGradient
from pgx.names import config_hash
from pgx.study import prediction_hash
from pgx.tracking.files import FileTracker
from pgx.tracking.manifest import LAUNCH, LOCK, MANIFEST, Manifest, PartLock
from pgx.tracking.mirror import Mirror, stop_earlier
from pgx.updates import updates_of

CONFIG, LOG, TRACEBACK = "config.yaml", "train.log", "traceback.txt"
log = logging.getLogger("pgx")


@dataclass(frozen=True)
class PartPlan:
    """What is to be trained, and where.

    Attributes:
        config: resolved.
        seeds: one per replica.
        study: its name.
        arm: slug.
        environment: slug.
        directory: of the part.
        resume: whether to continue what the directory holds.
    """

    config: DictConfig
    seeds: tuple[int, ...]
    study: str
    arm: str
    environment: str
    directory: Path
    resume: bool = False


def train_part(plan: PartPlan, command: Sequence[str], console: Console) -> int:
    """Train every seed of a part and leave its record.

    Args:
        plan: what to train, checked.
        command: the command line, for the record.
        console: where progress is shown.

    Returns:
        The exit status: 0, 1 if a seed diverged, 130 or 143 if a signal ended it.

    Raises:
        ConfigError: the config does not fit, or another process is at work there.
        RunFailed: training raised; the traceback lies in the directory.
    """
    try:
        plan.directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output: {plan.directory} cannot be made ({error.strerror})") from error
    with PartLock(plan.directory):
        stop_earlier(plan.directory)
        fresh = plan.config.replace or not (plan.directory / MANIFEST).exists()
        if not plan.resume and not fresh:
            raise ConfigError(f"{plan.directory}: was trained by another process just now")
        if not plan.resume:
            _clear(plan.directory)
        OmegaConf.save(plan.config, plan.directory / CONFIG, resolve=True)
        with _logging_to(plan.directory / LOG):
            mode = plan.config.wandb.mode if plan.config.tracker == "wandb" else None
            with Mirror(plan.directory, mode, console) as mirror:
                return _train(plan, command, console, mirror)


def _train(plan: PartPlan, command: Sequence[str], console: Console, mirror: Mirror) -> int:
    config = plan.config
    if config.allocator == "tuned":
        tune_allocator()
    torch.set_num_threads(min(threads(config), len(plan.seeds)))
    parts = build(config, plan.seeds)
    for network in parts.networks:  # before the optimizers take hold of them
        network.to(torch.device(config.device))
    evaluates, evaluations = config.evaluation.every is not None, None
    tracker = FileTracker(plan.directory, plan.seeds, parts.env.slots, evaluates)
    limits = (config.decisions, config.max_grad_norm)
    manifest = _manifest(plan, type(parts.env), command)
    try:
        when = (config.rollouts_reused, updates_of(config))
        module = PolicyGradient(parts, plan.seeds, *limits, tracker, *when)
        if evaluates:
            evaluations = Evaluations(build_evaluation(config, parts, plan.seeds), tracker)
        _load(plan, module, tracker, evaluations, console)
        mirror.start()
        save = _saver(plan, module, tracker, evaluations, manifest)
        received = _fit(module, tracker, evaluations, save, config, console)
    except ConfigError as error:
        manifest.end("failed", exit=2, error=str(error))
        raise
    except Exception as error:
        line = " ".join(f"{type(error).__name__}: {error}".split())
        manifest.end("failed", exit=1, error=line)
        path = plan.directory / TRACEBACK
        path.write_text(traceback.format_exc())
        log.error("failed: %s", line)
        raise RunFailed(f"{line} (traceback in {path})") from error
    except BaseException as error:
        manifest.end("interrupted", exit=1, error=type(error).__name__)
        raise
    finally:
        tracker.close()
        parts.env.close()
        if evaluations:
            evaluations.evaluation.close()
    return _end(module, tracker, manifest, received)


def threads(config: DictConfig) -> int:
    """``threads``, or as many as this process may use, at most 2."""
    return int(config.threads or min(2, len(os.sched_getaffinity(0))))


def _manifest(plan: PartPlan, environment: type, command: Sequence[str]) -> Manifest:
    prediction = plan.config.study.get("prediction")
    return Manifest.begin(
        plan.directory,
        study=plan.study,
        arm=plan.arm,
        environment=plan.environment,
        seeds=plan.seeds,
        budget=plan.config.decisions,
        config_hash=config_hash(plan.config),
        environment_class=f"{environment.__module__}.{environment.__qualname__}",
        threads=torch.get_num_threads(),
        command=command,
        prediction_sha256=prediction_hash(prediction) if prediction else None,
        resume=plan.resume,
    )


def _load(
    plan: PartPlan,
    module: PolicyGradient,
    tracker: FileTracker,
    evaluations: Evaluations | None,
    console: Console,
) -> None:
    state = load_checkpoint(plan.directory) if plan.resume else None
    if state is None:
        if plan.resume:
            console.print("no checkpoint was written yet: begins at iteration 0")
        tracker.discard()
        log.info("iteration 0: begins")
        return
    module.load_state(state["module"])
    tracker.load_state_dict(state["tracker"])
    if line := module.diagnostics.continued(tracker.columns):
        log.warning(line)
        console.print(line)
    if evaluations:
        evaluations.load_state_dict(state["evaluations"])
    if not module.env.exact_resume and module.estimator.horizon is not None:
        line = f"{module.env.spec.id} cannot continue an episode: every slot begins it anew"
        log.warning(line)
        console.print(line)
        tracker.forget_open_episodes()
    log.info("iteration %d: resumes", module.iteration)


def _saver(
    plan: PartPlan,
    module: PolicyGradient,
    tracker: FileTracker,
    evaluations: Evaluations | None,
    manifest: Manifest,
) -> Callable[[], None]:
    def save() -> None:
        state = {"module": module.state(), "tracker": tracker.state_dict()}
        if evaluations:
            state["evaluations"] = evaluations.state_dict()
        save_checkpoint(plan.directory, state)
        manifest.progress(dict(zip(module.seeds, module.decisions.tolist(), strict=True)))
        log.info("iteration %d: checkpoint", module.iteration)

    return save


def _fit(
    module: PolicyGradient,
    tracker: FileTracker,
    evaluations: Evaluations | None,
    save: Callable[[], None],
    config: DictConfig,
    console: Console,
) -> int | None:
    """Iterate until every replica is done, or a signal comes; which one, if any."""
    with Ending() as ending:
        trainer = pl.Trainer(
            accelerator="cuda" if str(config.device).startswith("cuda") else "cpu",
            devices=[torch.device(config.device).index or 0] if "cuda" in config.device else 1,
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[
                *([evaluations] if evaluations else []),  # before the checkpoint that holds it
                Checkpoints(save, config.checkpoint_every),
                ProgressBar(tracker, console),
                ending,
            ],
        )
        if module.alive.any():
            trainer.fit(module, train_dataloaders=Endless())
        save()
        return ending.received


class Endless:
    """One batch per iteration, for ever: the data comes from the environment."""

    def __iter__(self) -> Iterator[int]:
        return itertools.count()


def _end(
    module: PolicyGradient, tracker: FileTracker, manifest: Manifest, received: int | None
) -> int:
    """Note how every seed ended."""
    running = dict(zip(module.seeds, module.alive, strict=True))
    for seed, taken in zip(module.seeds, module.decisions.tolist(), strict=True):
        if seed in module.diverged:
            reason = f"diverged at iteration {module.diverged[seed]}"
            manifest.end_seed(seed, "failed", reason, taken)
            log.error("seed %d %s", seed, reason)
        elif not running[seed]:
            manifest.end_seed(seed, "finished", None, taken)
    if received is not None and any(running.values()):
        code = 128 + received
        manifest.end("interrupted", exit=code, error=signal.Signals(received).name)
        log.warning("interrupted by %s", signal.Signals(received).name)
        return code
    code = 1 if module.diverged else 0
    seeds = ", ".join(map(str, module.diverged))
    manifest.end(exit=code, error=f"seed {seeds} diverged" if seeds else None)
    tracker.finish()
    log.info("finished")
    return code


def _clear(directory: Path) -> None:
    """Remove what an earlier run left, but not the lock that is held, nor this run's output."""
    for path in directory.iterdir():
        if path.name not in (LOCK, LAUNCH):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Send pgx's log and every warning to ``train.log``."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [log, logging.getLogger("py.warnings"), logging.getLogger("pytorch_lightning")]
    before: list[Any] = [
        (logger.level, logger.propagate, list(logger.handlers)) for logger in loggers
    ]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
        logger.disabled = False  # Hydra disables what it does not know
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        handler.close()
