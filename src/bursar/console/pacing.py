"""How often a background thread looks, where a look may take long."""

import threading
import time
from collections.abc import Callable

BUSY_SHARE = 20  # wait so many times as long as a look took: a twentieth of a core at most


def look_often(stop: threading.Event, look: Callable[[], None], *, first_s: float, every_s: float) -> None:
    """Until `stop`: after first_s, then every_s or later. look: never raises."""
    wait_s = first_s
    while not stop.wait(wait_s):
        started = time.perf_counter()
        look()
        wait_s = max(every_s, BUSY_SHARE * (time.perf_counter() - started))
