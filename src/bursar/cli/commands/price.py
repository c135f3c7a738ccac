"""`bursar price`: what a call would cost at list price, line by line."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_site
from bursar.cli.render import Column, Format, count_column, print_csv, print_json, print_table, say
from bursar.domain.clock import datetime_from_us, us_from_datetime
from bursar.domain.errors import BadRequest, Unpriced
from bursar.domain.money import plain, usd_from_femto, usd_from_pico
from bursar.domain.usage import Usage
from bursar.prices.compile import current_book
from bursar.prices.rates import Priced, list_without_cache, price_usage
from bursar.prices.sheet import PriceSheet

if TYPE_CHECKING:
    from bursar.prices.book import PriceBook
    from bursar.site import Site

EXIT_UNPRICED = 1
COUNT_MAX = 10**12  # units of one call; above, a charge would outgrow the ledger's DECIMAL(18,12)


def count_option(help_text: str) -> Any:
    return typer.Option(min=0, max=COUNT_MAX, help=help_text)


def price(
    model: Annotated[str, typer.Argument(help="A model's name, also as provider/model.")],
    input_tokens: Annotated[int, typer.Option("--input", min=0, max=COUNT_MAX, help="Input tokens, not cached.")] = 0,
    output: Annotated[int, count_option("Output tokens, reasoning included.")] = 0,
    cache_read: Annotated[int, count_option("Input tokens read from the provider's cache.")] = 0,
    cache_write: Annotated[int, count_option("Input tokens written to it (5 minutes).")] = 0,
    cache_write_1h: Annotated[int, count_option("Input tokens written to it for an hour.")] = 0,
    input_audio: Annotated[int, count_option("Audio input tokens.")] = 0,
    output_audio: Annotated[int, count_option("Audio output tokens.")] = 0,
    reasoning: Annotated[int, count_option("How many of the output tokens were reasoning.")] = 0,
    web_search: Annotated[int, count_option("Web searches.")] = 0,
    tier: Annotated[str, typer.Option(help="flex, priority, batch … (default: the standard tier)")] = "",
    at: Annotated[str, typer.Option(help="When: 2026-03-01, or with a time; UTC (default: now).")] = "",
    provider: Annotated[str, typer.Option(help="Whose price list (default: by the model's name).")] = "",
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What a call would cost: usage in, lines and total out: `bursar price gpt-4o --input 1000 --output 200`."""
    site = resolve_site(config, data)
    if reasoning > output:
        raise BadRequest(
            f"--reasoning {reasoning} is more than --output {output}: reasoning tokens are some of the output tokens",
            field="reasoning",
        )
    usage = Usage(
        input=input_tokens,
        cache_read=cache_read,
        cache_write_5m=cache_write,
        cache_write_1h=cache_write_1h,
        input_audio=input_audio,
        output=output,
        output_audio=output_audio,
        web_search=web_search,
        reasoning=reasoning,
    )
    at_us = instant(at, site.clock.now_us())
    book = open_book(site)
    sheet = book.at(provider, model, at_us, tier=tier, input_tokens=usage.total_input)
    try:
        if sheet is None:
            known = " at that provider" if provider else ""
            raise Unpriced(f"no price is known for {model}{known}; its calls are recorded as unpriced", field="model")
        answer = _answer(usage, sheet, price_usage(usage, sheet), at_us)
    except Unpriced as unpriced:
        _show_unpriced(model, unpriced, fmt)
        raise typer.Exit(EXIT_UNPRICED) from unpriced
    _show(answer, fmt)


def instant(text: str, now_us: int) -> int:
    """A date or an instant as microseconds; midnight and UTC where it doesn't say. Raises BadRequest."""
    if not text:
        return now_us
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"--at {text!r} is no date; write it as 2026-03-01 or 2026-03-01T12:00", field="at") from error
    return us_from_datetime(at if at.tzinfo is not None else at.replace(tzinfo=UTC))


def open_book(site: "Site") -> "PriceBook":
    """The prices as of the site's files now; what in the local price file can't be used is said on stderr."""
    overrides = site.price_overrides
    book, faults = current_book(site.paths.price_book, overrides)
    for fault in faults:
        say(f"{overrides}:{fault.line}: {fault.what}")
    return book


def per_million(femto: int) -> Decimal:
    return usd_from_femto(femto).scaleb(6)


def day(at_us: int | None) -> str | None:
    """A bound of validity as people write it; None: open."""
    if at_us is None:
        return None
    at = datetime_from_us(at_us)
    return at.strftime("%Y-%m-%d") if at_us % 86_400_000_000 == 0 else at.isoformat()


def register(app: typer.Typer) -> None:
    app.command("price")(price)


def _answer(usage: Usage, sheet: PriceSheet, priced: Priced, at_us: int) -> dict[str, Any]:
    return {
        "provider": sheet.provider,
        "model": sheet.model,
        "quality": "estimated" if sheet.assumption else "reported",
        "sku_id": sheet.sku_id,
        "sku_price_id": sheet.sku_price_id,
        "source": sheet.source,
        "valid_from": day(sheet.valid_from_us),
        "valid_to": day(sheet.valid_to_us),
        "tier": sheet.tier,
        "tier_known": sheet.tier_known,
        "assumption": sheet.assumption,
        "above_input_tokens": sheet.band_above if sheet.band_above >= 0 else None,
        "at": datetime_from_us(at_us).isoformat(),
        "currency": "USD",
        "lines": [
            {
                "unit": str(unit),
                "quantity": quantity,
                "unit_price": usd_from_femto(femto),
                "usd_per_million": per_million(femto),
                "list_cost": usd_from_femto(quantity * femto),
            }
            for unit, quantity, femto in priced.lines
        ],
        "list_cost": usd_from_pico(priced.list_pico),
        "list_cost_without_cache": usd_from_pico(list_without_cache(usage, sheet)),
    }


def _show(answer: dict[str, Any], fmt: Format) -> None:
    if fmt is Format.JSON:
        print_json(answer)
        return
    header = ("unit", "quantity", "unit_price", "usd_per_million", "list_cost")
    if fmt is Format.CSV:
        rows = [[line[key] for key in header] for line in answer["lines"]]
        print_csv((*header, "sku_price_id"), [[*row, answer["sku_price_id"]] for row in rows])
        return
    notes = [f"{answer['sku_price_id']}, source {answer['source']}, since {answer['valid_from'] or 'its first price'}"]
    saved = answer["list_cost_without_cache"] - answer["list_cost"]
    if saved:
        notes.append(f"without the prompt cache it would be {plain(answer['list_cost_without_cache'])} USD")
    if answer["assumption"]:
        notes.append(f"estimated: {answer['assumption']}")
    print_table(
        [
            Column("unit", "unit"),
            count_column("quantity", "quantity"),
            Column("usd_per_million", "USD per million", plain, right=True),
            Column("list_cost", "USD", plain, right=True),
        ],
        answer["lines"],
        title=f"{answer['sku_id']}" + (f" ({answer['tier']})" if answer["tier"] != "default" else ""),
        totals={"unit": "total", "list_cost": answer["list_cost"]},
        notes=notes,
    )


def _show_unpriced(model: str, unpriced: Unpriced, fmt: Format) -> None:
    if fmt is Format.JSON:
        print_json({"model": model, "quality": "unpriced", "list_cost": None, "error": unpriced.message})
    else:
        say(f"unpriced: {unpriced.message}")
