"""Contracts and negotiation: what was agreed, where it stands, and what to bring to a vendor."""

import asyncio
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from bursar.console.api.answers import csv_bytes
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.contracts import (
    TERM_FIELDS,
    ContractsTold,
    ContractTold,
    NegotiationsTold,
    as_plain,
    contracts_told,
    negotiations_told,
)
from bursar.console.format import Format
from bursar.console.forms.contract import terms_of_form
from bursar.console.pages.costs import gateway_address
from bursar.console.pages.serving import NO_STORE, Asked, answer, fields_of
from bursar.console.rating import rate_now
from bursar.console.view import View
from bursar.domain.errors import BadContract, BadControl, BadRequest, UnknownContract
from bursar.domain.money import plain
from bursar.explore.filters import Filter
from bursar.finance.contracts.negotiation import Weighed
from bursar.finance.contracts.terms import ContractTerms
from bursar.reports.negotiation import negotiation_report
from bursar.reports.typeset import to_pdf

STATES = {"short": "doubtful", "running": "good", "met": "good", "used up": "", "to come": "", "over": ""}
SHAPE_WORDS = {"part": "Only what is committed is cheaper", "all": "Everything is cheaper"}


class Bar(msgspec.Struct, frozen=True):
    """A month's spend: its share of the largest."""

    month: str
    cost: Decimal
    share: float


class Row(msgspec.Struct, frozen=True):
    """A commitment that was weighed, and whether it is the best or the asked one."""

    weighed: Weighed
    is_best: bool
    is_asked: bool


def contracts_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    told = contracts_told(context)
    return {
        "data": {
            "contracts": told.contracts,
            "badges": STATES,
            "today": told.today,
            "explore": {one.contract_id: _explore(view, one) for one in told.contracts},
            "terms_json": {one.contract_id: terms_json(one.versions[-1].terms) for one in told.contracts},
            "has_old": [one.contract_id for one in told.contracts if len(one.versions) > 1],
            "percent": plain,
            "months_start": told.today.replace(day=1).isoformat(),
        },
        **_frame(context, view),
    }


def negotiation_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads. What can't be read of the offer is told at its form."""
    error: BadRequest | None = None
    try:
        told = negotiations_told(context, view)
    except BadRequest as refused:
        if refused.field not in TERM_FIELDS:
            raise
        error = refused
        rest = {name: value for name, value in view.extra.items() if name not in TERM_FIELDS}
        told = negotiations_told(context, msgspec.structs.replace(view, extra=rest))
    chosen = told.chosen
    most = max((cost for _, cost in chosen.by_month), default=Decimal(0)) if chosen else Decimal(0)
    return {
        "data": {
            "vendors": told.vendors,
            "owned_above": told.owned_above,
            "unowned": [one for one in told.vendors if one.needs_owner],
            "chosen": chosen,
            "rows": _rows(told),
            "bars": [Bar(month, cost, _share(cost, most)) for month, cost in chosen.by_month] if chosen else [],
            "error": str(error) if error else "",
            "error_field": (error.field or "") if error else "",
            "typed": {name: view.get(name) for name in TERM_FIELDS},
            "shapes": SHAPE_WORDS,
            "badges": STATES,
            "href": {one.provider: view.url(provider=one.provider) for one in told.vendors},
            "explore": {one.provider: _provider_explore(view, one.provider) for one in told.vendors},
            "pdf": _pdf_address(view, chosen.vendor.provider) if chosen else "",
            "dollars": _dollars,
            "percent": plain,
        },
        **_frame(context, view),
    }


def terms_json(terms: ContractTerms) -> str:
    """Terms as somebody edits them."""
    return msgspec.json.format(msgspec.json.encode(terms), indent=2).decode()


def change_contracts(context: ConsoleContext, form: Mapping[str, str]) -> str:
    """Add a contract or a version, rate, or name an owner; where it leads. Raises Forbidden, BadContract, BadControl,
    NameTaken, UnknownContract."""
    context.check_form(form)
    finance = context.finance()
    match form.get("act", ""):
        case "add":
            made = finance.contracts.add(
                form.get("name", ""), _day(form, "since"), terms_of_form(form), actor=ACTOR, why=form.get("why", "")
            )
            rate_now(finance)
            return f"/contracts#{made.contract_id}"
        case "change":
            made = finance.contracts.change(
                form.get("id", ""), _day(form, "since"), terms_of_form(form), actor=ACTOR, why=form.get("why", "")
            )
            rate_now(finance)
            return f"/contracts#{made.contract_id}"
        case "rate":
            rate_now(finance)
            return "/contracts"
        case "own":
            finance.contracts.set_owner(form.get("provider", ""), form.get("owner", ""), actor=ACTOR)
            return f"/contracts/negotiation?{urlencode({'provider': form.get('provider', '')})}"
        case act:
            raise BadControl(f"act is {act[:40]!r}; it is add, change, rate or own", field="act")


@post("/contracts/change", include_in_schema=False, status_code=303)
async def change(request: Asked) -> Redirect:
    """The forms and buttons of both pages."""
    fields = await fields_of(request)
    target = await asyncio.to_thread(change_contracts, request.app.state.context, fields)
    return Redirect(target, status_code=303)


@get("/contracts/pack/{name:str}", include_in_schema=False, sync_to_thread=True)
def pack(request: Asked, name: FromPath[str]) -> Response[Any]:
    """The two pages to bring to a vendor: `/contracts/pack/openai.pdf`."""
    context: ConsoleContext = request.app.state.context

    def build(view: View) -> Response[Any]:
        asked = msgspec.structs.replace(view, extra={**view.extra, "provider": name.removesuffix(".pdf")})
        told = negotiations_told(context, asked)
        if told.chosen is None:
            raise UnknownContract(f"there is nothing to say of {name[:100]!r}", field="provider")
        config = context.config.console
        made = negotiation_report(
            told.chosen, context.config.organization, context.now().date(), config.locale, config.currency
        )
        headers = {**NO_STORE, "content-disposition": f'inline; filename="negotiation-{_safe(name)}"'}
        return Response(to_pdf(made), media_type="application/pdf", headers=headers)

    return answer(request, f"/contracts/pack/{name}", "pdf", build)


CONTRACT_PAGES = [change, pack]


def contracts_csv(told: ContractsTold) -> bytes:
    """A row for each credit and commitment."""
    heads = (
        "contract", "provider", "kind", "name", "state", "amount", "used", "left", "start", "end", "days_left", "pace",
        "expected", "unused", "currency",
    )  # fmt: skip
    rows = [
        [*(as_plain(getattr(one, head)) for head in heads[:-1]), told.currency]
        for contract in told.contracts
        for one in contract.drawdowns
    ]
    return csv_bytes(heads, rows)


def negotiation_csv(told: NegotiationsTold) -> bytes:
    """A row for each vendor."""
    heads = (
        "provider", "effective_cost", "list_cost", "before", "growth", "discount", "tokens", "unpriced", "owner",
        "needs_owner", "currency",
    )  # fmt: skip
    rows = [[*(as_plain(getattr(one, head)) for head in heads[:-1]), told.currency] for one in told.vendors]
    return csv_bytes(heads, rows)


def _frame(context: ConsoleContext, view: View) -> dict[str, Any]:
    return {
        "csrf": context.csrf,
        "has_any": context.explorer.first_call_at() is not None,
        "gateway": gateway_address(context),
        "has_pickers": False,
        "tag_names": context.tag_names(view),
    }


def _day(form: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(form.get(name, ""))
    except ValueError as error:
        raise BadContract(f"{name}: a day, as 2026-11-01", field=name) from error


def _rows(told: NegotiationsTold) -> list[Row]:
    chosen = told.chosen
    if chosen is None or chosen.best is None:
        return []
    asked = chosen.asked.amount if chosen.asked else None
    return [Row(one, one.amount == chosen.best.amount, one.amount == asked) for one in chosen.weighed]


def _explore(view: View, told: ContractTold) -> str:
    filters = (Filter("provider", (told.provider,)), Filter("entry", ("adjustment",)))
    return view.url("/explore", filters=filters, period="all", by="feature")


def _provider_explore(view: View, provider: str) -> str:
    return view.url("/explore", filters=(Filter("provider", (provider,)),), period="30d", by="model")


def _pdf_address(view: View, provider: str) -> str:
    offered = {name: view.get(name) for name in TERM_FIELDS if view.get(name)}
    bare = msgspec.structs.replace(view, path=f"/contracts/pack/{provider}.pdf", extra=offered)
    return bare.url()


def _share(cost: Decimal, most: Decimal) -> float:
    return round(float(100 * cost / most), 1) if most > 0 else 0.0


def _dollars(value: float) -> Decimal:
    """An estimate to the dollar: more digits would say more than is known."""
    return Decimal(round(value))


def _safe(name: str) -> str:
    return "".join(char for char in name if char.isalnum() or char in ".-_")[:80]
