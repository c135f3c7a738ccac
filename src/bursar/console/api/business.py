"""The API by which business data comes in: files, Stripe's shapes, CloudEvents; and how files are read, under names."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.console.api.parameters import PROBLEMS
from bursar.console.context import ACTOR, ConsoleContext
from bursar.domain.clock import datetime_from_us
from bursar.finance.business.bringing import KINDS, Brought, bring
from bursar.finance.business.cloudevents import read_events
from bursar.finance.business.keeping import Records
from bursar.finance.business.mapping import Reading
from bursar.finance.business.model import PlanPrice, PricePlan
from bursar.finance.business.sheets import FILE_BYTES_MAX
from bursar.finance.business.wishes import wish_of

Asked = Request[Any, Any, Any]
EVENTS_BYTES_MAX = 16 * 1024 * 1024
_FLAG = {"enum": ["", "1", "0"]}
Kind = Annotated[str | None, QueryParameter(description="What the file has.", schema_extra={"enum": ["", *KINDS]})]
Name = Annotated[str | None, QueryParameter(description="The file's name, or who sent it.")]
Mapping = Annotated[str | None, QueryParameter(description="A saved mapping, by its name.")]
Key = Annotated[str | None, QueryParameter(description="Of Stripe's customers, what calls are tagged with: id, email, "
                "name or metadata.NAME. Default: id.")]  # fmt: skip
Trial = Annotated[str | None, QueryParameter(description="1: say what would be kept, and keep nothing.",
                  schema_extra=_FLAG)]  # fmt: skip
Skip = Annotated[str | None, QueryParameter(description="1: leave faulty rows out, and keep the others.",
                 schema_extra=_FLAG)]  # fmt: skip
Columns = Annotated[str | None, QueryParameter(description="field=HEAD, several with a line break between.")]


class EventsAnswer(msgspec.Struct, frozen=True):
    """How many events were new, and how many were there already, by source and id."""

    added: int
    known: int


class ImportAnswer(msgspec.Struct, frozen=True):
    number: int
    at: datetime
    actor: str
    source: str
    added: int
    replaced: int
    same: int


class BusinessAnswer(msgspec.Struct, frozen=True):
    """Plans with their dated prices, the last imports, and saved mappings by name."""

    plans: list[PricePlan]
    imports: list[ImportAnswer]
    mappings: dict[str, Reading]


class NewPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan, or another price of one from a day on."""

    name: str
    price: PlanPrice


@post(
    "/api/business/imports", status_code=200, responses=PROBLEMS, summary="Bring a file in",
    request_max_body_size=FILE_BYTES_MAX,
)  # fmt: skip
async def bring_file(
    request: Asked, kind: Kind = None, source: Name = None, mapping: Mapping = None, columns: Columns = None,
    constants: Columns = None, customer_key: Key = None, trial: Trial = None, skip_faults: Skip = None,
) -> Brought:  # fmt: skip
    """CSV (`text/csv`), XLSX or Stripe's JSON (`application/json`) as the body. All rows are kept or, where one has a
    fault, none; each fault has its line and column."""
    context: ConsoleContext = request.app.state.context
    content = await request.body()

    def run() -> Brought:
        asked = {
            "kind": kind, "source": source, "mapping": mapping, "columns": columns, "constants": constants,
            "customer_key": customer_key, "trial": trial, "skip_faults": skip_faults,
        }  # fmt: skip
        wish = wish_of(context.finance().mappings, {name: value or "" for name, value in asked.items()})
        return bring(context.finance().business, content, wish, actor=ACTOR)

    return await asyncio.to_thread(run)


@post(
    "/api/business/events", status_code=200, responses=PROBLEMS, summary="Tell business events",
    request_max_body_size=EVENTS_BYTES_MAX,
)  # fmt: skip
async def tell_events(request: Asked) -> EventsAnswer:
    """CloudEvents 1.0: structured, batched (at most 10,000), or with `ce-` headers. `subject` is the customer. An event
    that is there already, by `source` and `id`, is counted and not kept again."""
    context: ConsoleContext = request.app.state.context
    content = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}

    def run() -> EventsAnswer:
        events = read_events(content, headers.get("content-type", ""), headers, context.now())
        sources = ", ".join(sorted({one.source for one in events}))
        kept = context.finance().business.bring_in(Records(events=events), sources, actor=ACTOR)
        return EventsAnswer(sum(one.added for one in kept), sum(one.same for one in kept))

    return await asyncio.to_thread(run)


@get("/api/business", sync_to_thread=True, responses=PROBLEMS, summary="Plans, imports and mappings")
def business(request: Asked) -> BusinessAnswer:
    """What was brought in, and how files are read."""
    finance = request.app.state.context.finance()
    imports = [
        ImportAnswer(one.number, datetime_from_us(one.at_us), one.actor, one.source, one.added, one.replaced, one.same)
        for one in finance.business.imports()
    ]
    return BusinessAnswer(finance.business.plans(), imports, finance.mappings.all())


@post("/api/business/plans", sync_to_thread=True, status_code=201, responses=PROBLEMS, summary="Put a plan's price")
def put_plan(request: Asked, data: JSONBody[NewPlan]) -> list[PricePlan]:
    """A price from a day on; another one for the same day replaces it. Answers all plans."""
    book = request.app.state.context.finance().business
    book.put_plan(data.name, data.price, actor=ACTOR)
    plans: list[PricePlan] = book.plans()
    return plans


@put("/api/business/mappings/{name:str}", sync_to_thread=True, responses=PROBLEMS, summary="Save a mapping")
def put_mapping(request: Asked, name: FromPath[str], data: JSONBody[Reading]) -> Reading:
    """How a file is read, under a name."""
    saved: Reading = request.app.state.context.finance().mappings.put(name, data, actor=ACTOR)
    return saved


@delete(
    "/api/business/mappings/{name:str}", sync_to_thread=True, status_code=204, responses=PROBLEMS,
    summary="Forget a mapping",
)  # fmt: skip
def remove_mapping(request: Asked, name: FromPath[str]) -> None:
    """404 `unknown_control` where there is none of that name."""
    request.app.state.context.finance().mappings.remove(name, actor=ACTOR)


BUSINESS_HANDLERS = [bring_file, tell_events, business, put_plan, put_mapping, remove_mapping]
