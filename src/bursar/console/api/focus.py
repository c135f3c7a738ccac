"""The JSON API of FOCUS: the books as a file, charges without a price beside it, and bills of other vendors as rows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.background_tasks import BackgroundTask
from litestar.params import QueryParameter
from litestar.response import File

from bursar.console.api.parameters import PROBLEMS, Period, Zone
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.focusing import (
    MEDIA,
    file_name,
    focus_format,
    focus_period,
    how_booked,
    incoming,
    make_file,
    make_unpriced,
)
from bursar.console.pages.serving import Asked
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BodyTooLarge
from bursar.finance.focus.converting import convert
from bursar.finance.focus.importing import Imported, ImportNote, import_file, imports

IMPORT_BYTES_MAX = 4 * 1024**3
FORMAT = Annotated[str | None, QueryParameter(name="format", description="csv (default) or parquet.")]
SPLITS = Annotated[
    list[str] | None,
    QueryParameter(name="split", description="Rows by this too: customer, user, agent …, or a tag as tag:NAME."),
]
BOOKED = Annotated[
    bool | None,
    QueryParameter(description="Of a month: what the books have in it. A closed month's file never changes then."),
]
NAME = Annotated[str | None, QueryParameter(description="The file's name, for the list of imports.")]
REPLACE = Annotated[
    bool | None,
    QueryParameter(description="The file tells the whole of its billing periods: what isn't in it is taken back."),
]


@get("/api/focus/export", sync_to_thread=True, responses=PROBLEMS, summary="A period as a FOCUS 1.2 file")
def focus_export(
    request: Asked,
    period: Period = None,
    form: FORMAT = None,
    split: SPLITS = None,
    tz: Zone = None,
    booked: BOOKED = None,
) -> File:
    """Default: last month in UTC. How many rows it has, and charges without a price that are in none, stand in the
    headers `x-bursar-rows` and `x-bursar-unpriced`."""
    context: ConsoleContext = request.app.state.context
    asked, kind = focus_period(context, period or "", tz or ""), focus_format(form or "")
    chosen = how_booked(context, asked, as_booked=bool(booked))
    file, done = make_file(context, asked, kind, split or (), chosen)
    headers = {"x-bursar-rows": str(done.rows), "x-bursar-unpriced": str(done.unpriced)}
    return handed_out(file, file_name(asked, "focus", kind), MEDIA[kind], headers)


@get("/api/focus/unpriced", sync_to_thread=True, responses=PROBLEMS, summary="Charges without a price, as CSV")
def focus_unpriced(
    request: Asked, period: Period = None, split: SPLITS = None, tz: Zone = None, booked: BOOKED = None
) -> File:
    """What the export of the period leaves out, by hour, key and model."""
    context: ConsoleContext = request.app.state.context
    asked = focus_period(context, period or "", tz or "")
    chosen = how_booked(context, asked, as_booked=bool(booked))
    file = make_unpriced(context, asked, split or (), chosen)
    return handed_out(file, file_name(asked, "unpriced", "csv"), MEDIA["csv"], {})


@get("/api/focus/imports", sync_to_thread=True, responses=PROBLEMS, summary="Bills that were imported")
def focus_imports(request: Asked) -> list[ImportNote]:
    """The newest first."""
    context: ConsoleContext = request.app.state.context
    return imports(context.ledger)


@post(
    "/api/focus/import", status_code=200, responses=PROBLEMS, request_max_body_size=None,
    summary="Import a bill: a FOCUS file as the body, CSV or Parquet",
)  # fmt: skip
async def focus_import(request: Asked, name: NAME = None, replace: REPLACE = None) -> Imported:
    """All of its rows that aren't there yet, or none: `faults` says which lines don't fit. Twice is once."""
    context: ConsoleContext = request.app.state.context
    return await take_in(context, request.stream(), name or "unnamed", replace=bool(replace))


async def take_in(context: ConsoleContext, parts: AsyncIterator[bytes], name: str, *, replace: bool) -> Imported:
    """Keep what is sent until it is read, then import it. Raises BodyTooLarge, BadFocusFile."""
    file = incoming(context)
    try:
        size = 0
        with file.open("wb") as out:
            async for part in parts:
                size += len(part)
                if size > IMPORT_BYTES_MAX:
                    gib = IMPORT_BYTES_MAX >> 30
                    raise BodyTooLarge(f"a bill has at most {gib} GiB; send it in parts", field="file")
                out.write(part)
        return await asyncio.to_thread(_import, context, file, name[:200], replace=replace)
    finally:
        file.unlink(missing_ok=True)


def _import(context: ConsoleContext, file: Path, name: str, *, replace: bool) -> Imported:
    """Bring a file in, and convert what it says in other currencies."""
    done = import_file(context.ledger, file, name, ACTOR, us_from_datetime(context.now()), replace=replace)
    if not done.foreign or done.fault_count:
        return done
    return msgspec.structs.replace(done, unrated=convert(context.ledger, context.finance().rates.rates()))


def handed_out(file: Path, name: str, kind: str, headers: dict[str, str]) -> File:
    """A file that is removed when it has been sent."""
    return File(
        path=file, filename=name, media_type=kind, headers={"cache-control": "no-store", **headers},
        background=BackgroundTask(file.unlink, missing_ok=True),
    )  # fmt: skip


FOCUS_HANDLERS = [focus_export, focus_unpriced, focus_imports, focus_import]
