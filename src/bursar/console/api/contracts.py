"""The JSON API of contracts: what was agreed, where it stands, what it did to the books, and negotiations."""

import asyncio
from datetime import date
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from bursar.console.api.parameters import PROBLEMS, Shape, Zone
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.contracts import (
    ContractsTold,
    ContractTold,
    NegotiationsTold,
    contract_told,
    contracts_told,
    negotiations_told,
)
from bursar.console.pages.contracts import contracts_csv, negotiation_csv
from bursar.console.pages.serving import as_csv
from bursar.console.rating import rate_now
from bursar.domain.money import plain, usd_from_pico
from bursar.finance.contracts.negotiation import SHAPES
from bursar.finance.contracts.terms import ContractTerms

Asked = Request[Any, Any, Any]
_Provider = Annotated[str | None, QueryParameter(description="Which vendor, as charges say it; default: the dearest.")]
_Discount = Annotated[str | None, QueryParameter(description="Percent that a commitment would earn; default 10.")]
_Months = Annotated[str | None, QueryParameter(description="How long, from 1 to 60; default 12.")]
_Shaped = Annotated[
    str | None,
    QueryParameter(
        description="part: committed dollars are cheaper; all: everything is.", schema_extra={"enum": ["", *SHAPES]}
    ),
]
_Amount = Annotated[str | None, QueryParameter(description="A commitment to weigh too, USD over the whole term.")]


class NewContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A contract and its first version; `since`: the first day it holds on, UTC."""

    name: str
    since: date
    terms: ContractTerms
    why: str = ""


class NewVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Terms from a day on."""

    since: date
    terms: ContractTerms
    why: str = ""


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who owns a vendor; "": nobody."""

    provider: str
    owner: str


class RatedAnswer(msgspec.Struct, frozen=True):
    """What rating one contract did: days looked at again, entries posted, USD by which each cost changed."""

    contract: str
    days: int
    entries: int
    contracted_cost: str
    effective_cost: str
    billed_cost: str


@get("/api/contracts", responses=PROBLEMS, summary="Contracts with vendors, and where they stand")
async def contracts(request: Asked, format_: Shape = None) -> Response[ContractsTold]:
    """All versions of each. As CSV: a row for each credit and commitment."""
    found = await asyncio.to_thread(contracts_told, request.app.state.context)
    return as_csv(contracts_csv(found)) if format_ == "csv" else Response(found)


@post("/api/contracts", responses=PROBLEMS, summary="Record a contract")
async def add_contract(request: Asked, data: JSONBody[NewContract]) -> ContractTold:
    """400 `bad_contract` names the field, 409 `name_taken`. Rated within minutes, or now by `/api/contracts/rate`."""

    def add(context: ConsoleContext) -> ContractTold:
        made = context.finance().contracts.add(data.name, data.since, data.terms, actor=ACTOR, why=data.why)
        return contract_told(context, made, context.now().date())

    return await asyncio.to_thread(add, request.app.state.context)


@put("/api/contracts/{name:str}", responses=PROBLEMS, summary="Record another version of a contract")
async def change_contract(request: Asked, name: FromPath[str], data: JSONBody[NewVersion]) -> ContractTold:
    """It holds from `since` on; those before stay as they were. 400 `bad_contract`, 404 `unknown_contract`."""

    def change(context: ConsoleContext) -> ContractTold:
        made = context.finance().contracts.change(name, data.since, data.terms, actor=ACTOR, why=data.why)
        return contract_told(context, made, context.now().date())

    return await asyncio.to_thread(change, request.app.state.context)


@post("/api/contracts/rate", status_code=200, responses=PROBLEMS, summary="Rate all contracts up to now")
async def rate(request: Asked) -> list[RatedAnswer]:
    """Posts only what differs from what was posted; asking twice posts nothing the second time."""
    context: ConsoleContext = request.app.state.context
    found = await asyncio.to_thread(lambda: rate_now(context.finance()))
    return [
        RatedAnswer(
            name, one.days, one.entries, *(plain(usd_from_pico(pico)) for pico in
                                           (one.contracted, one.effective, one.billed)),
        )
        for name, one in found.items()
    ]  # fmt: skip


@get("/api/negotiations", responses=PROBLEMS, summary="Each vendor, and what a commitment would do")
async def negotiations(
    request: Asked,
    provider: _Provider = None,
    discount: _Discount = None,
    months: _Months = None,
    shape: _Shaped = None,
    amount: _Amount = None,
    tz: Zone = None,
    format_: Shape = None,
) -> Response[NegotiationsTold]:
    """400 `bad_request` for an offer that can't be read, 404 `unknown_contract` for a vendor that isn't one."""
    context: ConsoleContext = request.app.state.context
    given = {"provider": provider, "discount": discount, "months": months, "shape": shape, "amount": amount, "tz": tz}
    view = context.view("/contracts/negotiation", {name: [value or ""] for name, value in given.items()})
    found = await asyncio.to_thread(negotiations_told, context, view)
    return as_csv(negotiation_csv(found)) if format_ == "csv" else Response(found)


@put("/api/contracts-owner", responses=PROBLEMS, summary="Say who owns a vendor")
async def own(request: Asked, data: JSONBody[Owner]) -> dict[str, str]:
    """400 `bad_contract`."""
    context: ConsoleContext = request.app.state.context
    await asyncio.to_thread(lambda: context.finance().contracts.set_owner(data.provider, data.owner, actor=ACTOR))
    return {"provider": data.provider, "owner": data.owner.strip()}


CONTRACT_HANDLERS = [contracts, add_contract, change_contract, rate, negotiations, own]
