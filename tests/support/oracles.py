"""rliable, without what it brings: a log handler that closes whatever was standard error.

rliable imports absl, whose handler writes to the standard error of that moment, pytest's own file,
and closes it with the next reset of all log handlers, which Hydra does in every run.
"""

from __future__ import annotations

import sys

from absl import logging
from rliable import library, metrics

__all__ = ["library", "metrics"]

logging.get_absl_handler().python_handler.stream = sys.__stderr__
