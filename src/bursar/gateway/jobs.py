"""What a worker knows of work that providers finish later, in the control store; asked in a thread, beside the calls.

Opened with the first batch, file or response in the background: a site without any pays nothing for it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from bursar.domain.errors import BursarError, JobsUnavailable

if TYPE_CHECKING:
    from bursar.governance.jobs import JobBook

T = TypeVar("T")
log = structlog.get_logger("bursar.gateway")


class Jobs:
    """location: of the control store, a path or an address; "" for none."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._book: JobBook | None = None
        self._opening = asyncio.Lock()
        self._faults: tuple[type[Exception], ...] = (BursarError, OSError)

    async def ask(self, question: "Callable[[JobBook], T]") -> T:
        """What the book answers. Raises JobsUnavailable while the control store can't be opened."""
        try:
            async with self._opening:
                if self._book is None:
                    self._book = await asyncio.to_thread(self._open)
            return await asyncio.to_thread(question, self._book)
        except self._faults as error:
            log.error("batches and files can't be looked up", error=str(error))
            raise JobsUnavailable(
                "whose batches and files are whose stands in the control store, which can't be reached; try again",
                headers={"retry-after": "5"},
            ) from error

    def _open(self) -> "JobBook":
        # memory and start-up: as for budgets, which open the same store
        from sqlalchemy.exc import SQLAlchemyError

        from bursar.governance.jobs import JobBook
        from bursar.governance.store import ControlStore

        self._faults = (BursarError, OSError, SQLAlchemyError)
        location = self._location if "://" in self._location else Path(self._location)
        return JobBook(ControlStore(location, pooled=True))
