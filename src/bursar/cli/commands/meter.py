"""`bursar meter`: what a recorded answer of a provider cost, line by line."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bursar.cli.commands.price import day, instant, open_book, per_million
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_site
from bursar.cli.render import Column, Format, count_column, print_csv, print_json, print_table, say
from bursar.domain.charge import Operation, Quality
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadRequest
from bursar.domain.money import plain, usd_from_femto, usd_from_pico
from bursar.domain.usage import UNITS, Usage
from bursar.prices.book import PriceBook
from bursar.prices.rates import Priced, UnpricedUnit, list_without_cache, price_usage
from bursar.prices.sheet import PriceSheet
from bursar.providers.base import Answer, Dialect
from bursar.providers.meter import is_event_stream, read_recorded
from bursar.providers.registry import DIALECTS

EXIT_UNKNOWN = 1
LINE_KEYS = ("model", "unit", "quantity", "unit_price", "usd_per_million", "list_cost", "sku_price_id")


def meter(
    file: Annotated[str, typer.Argument(help="The body as it came: JSON, or an event stream's text; - for stdin.")],
    dialect: Annotated[
        str, typer.Option(help="openai-chat, openai-responses, openai-embeddings, anthropic-messages …")
    ],
    stream: Annotated[
        bool, typer.Option("--stream", help="It is an event stream (default: seen by its look).")
    ] = False,
    model: Annotated[str, typer.Option(help="The model asked for, where the answer names none that has a price.")] = "",
    tier: Annotated[str, typer.Option(help="The tier asked for, where the answer names none.")] = "",
    at: Annotated[str, typer.Option(help="When: 2026-03-01, or with a time; UTC (default: now).")] = "",
    provider: Annotated[str, typer.Option(help="Whose price list (default: by the model's name).")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What a recorded answer of a provider cost: `bursar meter answer.json --dialect openai-chat`.

    Exit 1: it reports no usage, or its model has no price.
    """
    wire = find_dialect(dialect)
    recorded = read_file(file)
    is_stream = stream or is_event_stream(recorded)
    answer = read_recorded(wire, recorded, stream=is_stream)
    site = resolve_site(config, data)
    at_us = instant(at, site.clock.now_us())
    report = metered(open_book(site), answer, provider=provider, model=model, tier=tier, at_us=at_us)
    report = {"dialect": wire.name, "stream": is_stream, **report}
    _show(report, fmt)
    if report["list_cost"] is None:
        raise typer.Exit(EXIT_UNKNOWN)


def find_dialect(name: str) -> Dialect:
    """Raises BadRequest that lists the names there are."""
    wire = DIALECTS.get(name)
    if wire is None or wire.operation == Operation.MODELS:
        known = ", ".join(known.name for known in DIALECTS.values() if known.operation != Operation.MODELS)
        raise BadRequest(f"--dialect {name!r} is none of {known}", field="dialect")
    return wire


def read_file(name: str) -> bytes:
    """Raises BadRequest for a file that can't be read or is empty."""
    try:
        recorded = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise BadRequest(f"can't read {name}: {error.strerror}", field="file") from error
    if not recorded.strip():
        raise BadRequest(f"{name} is empty", field="file")
    return recorded


def metered(book: PriceBook, answer: Answer, *, provider: str, model: str, tier: str, at_us: int) -> dict[str, Any]:
    """Usage by class, the price in force, a line per unit, the total. `list_cost` None, and why, if it is unknown.

    The price is that of the model served; of the one asked for only where the answer names none that has a price.
    """
    facts = {
        "model_served": answer.model,
        "tier_served": answer.tier,
        "region": answer.region,
        "finish_reason": answer.finish_reason,
        "truncated": answer.truncated,
        "complete": answer.complete,
        "error_code": answer.error_code,
        "upstream_id": answer.upstream_id,
        "provider_cost": None if answer.cost_pico is None else usd_from_pico(answer.cost_pico),
        "at": datetime_from_us(at_us).isoformat(),
        "currency": "USD",
    }
    if answer.usage is None:
        said = f" (it reports an error, {answer.error_code})" if answer.error_code else ""
        return _unknown(facts, None, f"the answer reports no usage{said}")
    parts = [(answer.model or model, answer.usage), *answer.also]
    lines: list[dict[str, Any]] = []
    total_pico = without_cache_pico = 0
    sheets: list[PriceSheet] = []
    for name, usage in parts if any(usage != Usage() for _, usage in parts) else []:
        sheet = book.at(
            provider, name, at_us, tier=answer.tier or tier, input_tokens=usage.total_input, region=answer.region
        )
        if sheet is None and model:
            sheet = book.at(
                provider, model, at_us, tier=answer.tier or tier, input_tokens=usage.total_input, region=answer.region
            )
        if sheet is None:
            return _unknown(facts, answer.usage, f"no price is known for {name or 'it: it names no model'}")
        try:
            priced = price_usage(usage, sheet)
        except UnpricedUnit as error:
            return _unknown(facts, answer.usage, error.message)
        sheets.append(sheet)
        lines += _lines(priced, sheet)
        total_pico += priced.list_pico
        without_cache_pico += list_without_cache(usage, sheet)
    first = sheets[0] if sheets else None
    return {
        **facts,
        "provider": first.provider if first else provider,
        "model": first.model if first else answer.model or model,
        "tier": first.tier if first else answer.tier or tier,
        "sku_id": first.sku_id if first else "",
        "sku_price_id": first.sku_price_id if first else "",
        "quality": _quality(answer, sheets),
        "usage": _usage(answer.usage),
        "also": [{"model": name, "usage": _usage(usage)} for name, usage in answer.also],
        "prices": [_price(sheet) for sheet in sheets],
        "lines": lines,
        "list_cost": usd_from_pico(total_pico),
        "list_cost_without_cache": usd_from_pico(without_cache_pico),
        "notes": _notes(answer, sheets),
    }


def register(app: typer.Typer) -> None:
    app.command("meter")(meter)


def _unknown(facts: dict[str, Any], usage: Usage | None, why: str) -> dict[str, Any]:
    return {
        **facts,
        "quality": Quality.UNPRICED.value,
        "usage": None if usage is None else _usage(usage),
        "also": [],
        "prices": [],
        "lines": [],
        "list_cost": None,
        "list_cost_without_cache": None,
        "notes": [why],
    }


def _usage(usage: Usage) -> dict[str, int]:
    """Every class, zeros too, then the totals as a provider would give them, cached tokens included."""
    classes = {unit.value: getattr(usage, unit) for unit in UNITS}
    return {
        **classes,
        "reasoning": usage.reasoning,
        "total_input": usage.total_input,
        "total_output": usage.total_output,
    }


def _lines(priced: Priced, sheet: PriceSheet) -> list[dict[str, Any]]:
    return [
        {
            "model": sheet.model,
            "unit": str(unit),
            "quantity": quantity,
            "unit_price": usd_from_femto(femto),
            "usd_per_million": per_million(femto),
            "list_cost": usd_from_femto(quantity * femto),
            "sku_price_id": sheet.sku_price_id,
        }
        for unit, quantity, femto in priced.lines
    ]


def _price(sheet: PriceSheet) -> dict[str, Any]:
    return {
        "provider": sheet.provider,
        "model": sheet.model,
        "tier": sheet.tier,
        "sku_id": sheet.sku_id,
        "sku_price_id": sheet.sku_price_id,
        "source": sheet.source,
        "valid_from": day(sheet.valid_from_us),
        "valid_to": day(sheet.valid_to_us),
    }


def _quality(answer: Answer, sheets: list[PriceSheet]) -> str:
    is_sure = answer.complete and not any(sheet.assumption for sheet in sheets)
    return (Quality.REPORTED if is_sure else Quality.ESTIMATED).value


def _notes(answer: Answer, sheets: list[PriceSheet]) -> list[str]:
    notes = [f"estimated: {sheet.assumption}" for sheet in sheets if sheet.assumption]
    if not answer.complete:
        notes.append("estimated: the stream was cut; this is what it had reported so far")
    if answer.also:
        notes.append("other models worked on this answer and are billed at their own prices")
    return notes


def _show(report: dict[str, Any], fmt: Format) -> None:
    if fmt is Format.JSON:
        print_json(report)
        return
    if report["list_cost"] is None:
        say(f"unpriced: {report['notes'][0]}")
        return
    if fmt is Format.CSV:
        print_csv(LINE_KEYS, [[line[key] for key in LINE_KEYS] for line in report["lines"]])
        return
    notes = [
        f"{price['sku_price_id']}, source {price['source']}, since {price['valid_from'] or 'its first price'}"
        for price in report["prices"]
    ]
    saved = report["list_cost_without_cache"] - report["list_cost"]
    if saved:
        notes.append(f"without the prompt cache it would be {plain(report['list_cost_without_cache'])} USD")
    if report["provider_cost"] is not None:
        notes.append(f"the provider itself says {plain(report['provider_cost'])} USD")
    if report["usage"]["reasoning"]:
        notes.append(f"{report['usage']['reasoning']} of the output tokens were reasoning")
    print_table(
        [
            Column("model", "model"),
            Column("unit", "unit"),
            count_column("quantity", "quantity"),
            Column("usd_per_million", "USD per million", plain, right=True),
            Column("list_cost", "USD", plain, right=True),
        ],
        report["lines"],
        title=report["model_served"] or report["dialect"],
        totals={"model": "total", "list_cost": report["list_cost"]},
        notes=notes + report["notes"],
    )
