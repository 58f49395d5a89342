"""How long a thread that waits for its neighbour keeps a processor busy with waiting."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SPINS = 3000  #: turns of a loop


def spin_briefly(variables: MutableMapping[str, str] = os.environ) -> None:
    """Let a thread of torch's that waits for another go to sleep after a short while.

    By default GNU's OpenMP turns 300,000 times before it sleeps. On a machine with other work,
    whose processes take a processor from one of two threads, the other then holds its own for
    nothing, and both may come to a tenth of their speed. `SPINS` turns cost nothing on a quiet
    machine.

    Call before torch is imported, for the library reads its variables once. Whoever set
    ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY`` has decided already.

    Args:
        variables: of this process; those it starts have them from it.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & variables.keys():
        variables["GOMP_SPINCOUNT"] = str(SPINS)
