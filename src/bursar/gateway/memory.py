"""How a worker's memory is kept: what it frees, it will need again for the next call."""

import ctypes
import gc

GC_THRESHOLDS = (20_000, 20, 20)  # a call makes no cycles; Python's default looks for some after each 20 calls

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEPT_BYTES = 16 * 1024 * 1024
MAPPED_BYTES = 4 * 1024 * 1024


def keep_freed_memory() -> None:
    """Have glibc keep up to KEPT_BYTES of what was freed, and not map bodies below MAPPED_BYTES one by one.

    Left to itself it gives the end of the heap back to the kernel after a call of 98 KB that was translated, and takes
    it again with the next: 21 page faults a call, 9 % of its CPU. Another C library is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)


def settle_collector() -> None:
    """To be called when all that lives as long as the process is loaded: the collector needn't walk it again."""
    gc.set_threshold(*GC_THRESHOLDS)
    gc.collect()
    gc.freeze()
