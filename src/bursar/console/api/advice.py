"""The JSON API of advice: what there is on a period, and a change kept as a draft."""

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, JSONBody

from bursar.console.advising import ReviewAnswer, apply_advice, review_answer, review_csv
from bursar.console.api.parameters import PROBLEMS, Filters, Period, Shape, Zone
from bursar.console.context import ConsoleContext
from bursar.console.pages.serving import as_csv
from bursar.console.view import View
from bursar.governance.drafts import KeptDraft

Asked = Request[Any, Any, Any]


class Asks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The period and filters on which the advice was given; as in an address. seen: the mark of its change, as it was
    told; null: whatever it is by now."""

    period: str = ""
    tz: str = ""
    filter: list[str] = []
    seen: str | None = None


@get("/api/advice", sync_to_thread=True, responses=PROBLEMS, summary="What would save money, by how much")
def advice(
    request: Asked, period: Period = None, filter_: Filters = None, tz: Zone = None, format_: Shape = None
) -> Response[ReviewAnswer]:
    """Ranked by money, at most ten minutes old. `total` counts each charge once, and only what needs no trial first."""
    context: ConsoleContext = request.app.state.context
    answer = review_answer(context, _view(context, period, tz, filter_))
    return as_csv(review_csv(answer)) if format_ == "csv" else Response(answer)


@post("/api/advice/{advice_id:str}/apply", responses=PROBLEMS, summary="Keep an advice's change as a draft")
async def apply(request: Asked, advice_id: FromPath[str], data: JSONBody[Asks]) -> KeptDraft:
    """A policy, route or cache rule that is off, or a budget that is a dry run: somebody looks at it, and switches it
    on.

    404 `unknown_advice`, 400 `bad_control` where only the caller can make the change, 409 `name_taken` where the draft
    is there already, 409 `changed_meanwhile` where it is another change by now than the one that was `seen`.
    """
    context: ConsoleContext = request.app.state.context

    def keep() -> KeptDraft:
        return apply_advice(context, _view(context, data.period, data.tz, data.filter), advice_id, data.seen)

    return await asyncio.to_thread(keep)


def _view(context: ConsoleContext, period: str | None, tz: str | None, filters: list[str] | None) -> View:
    query = {"period": [period or ""], "tz": [tz or ""], "filter": filters or []}
    return context.view("/advice", query)


ADVICE_HANDLERS = [advice, apply]
