"""How often a background thread looks, where a look may take long, and that it goes on after one that failed."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import structlog

BUSY_SHARE = 20  # wait so many times as long as a look took: a twentieth of a core at most

log = structlog.get_logger(__name__)


def look_often(stop: threading.Event, look: Callable[[], None], *, first_s: float, every_s: float) -> None:
    """Until `stop`: after first_s, then every_s or later. look: never raises."""
    wait_s = first_s
    while not stop.wait(wait_s):
        started = time.perf_counter()
        look()
        wait_s = max(every_s, BUSY_SHARE * (time.perf_counter() - started))


@contextlib.contextmanager
def surviving(fault: str) -> Iterator[None]:
    """Of one look: whatever it raises is logged as `fault`, and the next one tries again."""
    try:
        yield
    except Exception as error:  # the background supervisor: pages and calls go on without it
        log.error(fault, error=f"{type(error).__name__}: {error}")
