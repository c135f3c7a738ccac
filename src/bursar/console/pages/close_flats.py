"""Flat costs on the close's page: what each comes to, what is booked of it, and the form that books the rest."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import post
from litestar.response import Redirect

from bursar.console.context import ConsoleContext
from bursar.console.pages.serving import Asked, fields_of
from bursar.domain.errors import BadControl
from bursar.domain.money import usd_from_pico
from bursar.finance.allocation.flats import FlatBook, FlatProposal

PARTS_SHOWN = 3
NOT_SPLIT = "not split"
TICK = "rule:"


class ShownFlat(msgspec.Struct, frozen=True):
    """A row. amount, open: None where no exchange rate is known. parts: the largest; more: how many others there are.
    can_post: there is something to book, and its amount is known."""

    rule: str
    href: str
    by: str
    amount: Decimal | None
    booked: Decimal
    open: Decimal | None
    is_booked: bool
    can_post: bool
    parts: list[tuple[str, Decimal]]
    more: int
    told: str
    twin: str


def flats_shown(book: FlatBook, month: str, found: Sequence[FlatProposal]) -> dict[str, Any]:
    """What the template reads of them. found: of the month. Raises BadPeriod."""
    rows = [_shown(month, one) for one in found]
    return {"rows": rows, "is_over": book.is_over(month), "can_post": any(one.can_post for one in rows)}


def post_flat(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Post the flat costs of a month that are ticked, `rule:NAME`; where it leads.

    Raises Forbidden, BadControl, BadPeriod, UnknownControl.
    """
    context.check_form(form)
    month = form.get("month", "")
    rules = [name.removeprefix(TICK) for name, value in form.items() if name.startswith(TICK) and value == "yes"]
    if not rules:
        raise BadControl("rules: tick what is to be booked", field="rules")
    context.finance().flats.post(month, rules, by=form.get("by", ""))
    return f"/close?month={quote(month)}#flat"


@post("/close/flat", include_in_schema=False, status_code=303)
async def book_flat(request: Asked) -> Redirect:
    """The form that books flat costs."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(post_flat, request.app.state.context, fields)
    return Redirect(target, status_code=303)


def _shown(month: str, one: FlatProposal) -> ShownFlat:
    parts = sorted(one.parts.items(), key=lambda item: (-item[1], item[0]))
    return ShownFlat(
        rule=one.rule,
        href=f"/allocation?{urlencode({'month': month, 'among': one.by})}",
        by=one.by,
        amount=None if one.pico is None else usd_from_pico(one.pico),
        booked=usd_from_pico(one.booked_pico),
        open=None if one.open_pico is None else usd_from_pico(one.open_pico),
        is_booked=one.is_booked,
        can_post=bool(one.lines),
        parts=[(name or NOT_SPLIT, usd_from_pico(pico)) for name, pico in parts[:PARTS_SHOWN]],
        more=max(len(parts) - PARTS_SHOWN, 0),
        told=one.told,
        twin=one.twin,
    )


CLOSE_FLAT_PAGES = [book_flat]
