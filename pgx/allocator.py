"""glibc's allocator, told to keep what it has: fresh tensors then cost no page faults."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def tune_allocator() -> bool:
    """Stop glibc from returning large blocks to the kernel after every iteration.

    By default each tensor above 32 MiB at most is mapped anew and its pages are zeroed again by the
    kernel, iteration after iteration. Call once, before training; the process keeps its peak
    memory.

    Returns:
        Whether the allocator is glibc's and took the settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 256 * 2**20))
    taken = [mallopt(option, value) == 1 for option, value in settings]
    return all(taken)
