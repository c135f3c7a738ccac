"""The JSON API of reviews, and their PDF."""

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from bursar.console.api.parameters import PROBLEMS, Filters, Shape, Zone
from bursar.console.context import ConsoleContext
from bursar.console.pages.reviews import ListedReview, listed, review_csv, review_figures, review_view
from bursar.console.pages.serving import NO_STORE, as_csv
from bursar.console.reviewing import KINDS, ReviewAnswer, kind_named, last_complete, make_review, pdf_of
from bursar.console.view import View

Asked = Request[Any, Any, Any]
PDF = "application/pdf"


@get("/api/reviews", sync_to_thread=True, responses=PROBLEMS, summary="Weeks and months that are over")
def reviews(request: Asked, tz: Zone = None) -> list[ListedReview]:
    """The newest first, weeks before months; `url` is the page of each."""
    context: ConsoleContext = request.app.state.context
    return listed(context, _view(context, tz, None))


@get("/api/reviews/{period:str}", sync_to_thread=True, responses=PROBLEMS, summary="One review")
def review(
    request: Asked, period: FromPath[str], filter_: Filters = None, tz: Zone = None, format_: Shape = None
) -> Response[ReviewAnswer]:
    """period: `2026-W47`, `2026-10`, or `weekly` and `monthly` for the last one that is over."""
    context: ConsoleContext = request.app.state.context
    view = _view(context, tz, filter_)
    answer = review_figures(context, view, _named(view, period))
    return as_csv(review_csv(answer)) if format_ == "csv" else Response(answer)


@get("/api/reviews/{period:str}/print.pdf", sync_to_thread=True, include_in_schema=False)
def review_pdf(request: Asked, period: FromPath[str], filter_: Filters = None, tz: Zone = None) -> Response[bytes]:
    """The same as a PDF."""
    return printed(request, period, filter_, tz)


@get("/reviews/{period:str}/print.pdf", sync_to_thread=True, include_in_schema=False)
def page_pdf(request: Asked, period: FromPath[str], filter_: Filters = None, tz: Zone = None) -> Response[bytes]:
    """The page's own link to it."""
    return printed(request, period, filter_, tz)


def printed(request: Asked, period: str, filters: list[str] | None, tz: str | None) -> Response[bytes]:
    """A review as a PDF whose lines link to this console."""
    context: ConsoleContext = request.app.state.context
    view = _view(context, tz, filters)
    name = _named(view, period)
    made = make_review(context, kind_named(name), review_view(context, view, name))
    headers = {**NO_STORE, "content-disposition": f'inline; filename="review-{name}.pdf"'}
    return Response(pdf_of(context, made), media_type=PDF, headers=headers)


def _named(view: View, period: str) -> str:
    for kind in KINDS:
        if period == kind:
            return last_complete(kind, view.now, view.timezone)
    kind_named(period)
    return period


def _view(context: ConsoleContext, tz: str | None, filters: list[str] | None) -> View:
    return context.view("/reviews", {"tz": [tz or ""], "filter": filters or []})


REVIEW_HANDLERS = [reviews, review, review_pdf, page_pdf]
