"""`bursar calls` and `bursar call`: the calls behind a figure, and one call down to the lines of its receipt."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from bursar.cli import client
from bursar.cli.nothing import no_calls
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FilterOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_site,
)
from bursar.cli.render import (
    Column,
    Format,
    count_column,
    out,
    out_bytes,
    print_csv,
    print_table,
    say,
    text_column,
)
from bursar.domain import display
from bursar.domain.money import plain
from bursar.domain.routes import RECEIPTS, receipt_words
from bursar.site import command_name

SAID = ("feature", "team", "customer", "environment", "request_type", "session", "agent")
GUESSED = ("estimated", "assumed")
LINE_FIELDS = ("attempt_number", "unit", "quantity", "unit_price", "amount")


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    DEAREST = "dearest"
    SLOWEST = "slowest"


def calls(
    period: PeriodOption = "today",
    filters: FilterOption = [],  # noqa: B006
    timezone: TimezoneOption = None,
    order: Annotated[Order, typer.Option(help="Which come first.")] = Order.NEWEST,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Calls of a period, newest first: `bursar calls --period 7d --filter feature=checkout --order dearest`."""
    site = resolve_site(config, data)
    parameters: list[tuple[str, str | int | None]] = [
        ("period", period), ("tz", timezone), ("order", order.value), ("limit", limit), ("cursor", cursor),
        *(("filter", one) for one in filters),
    ]  # fmt: skip
    if fmt is not Format.TABLE:
        out_bytes(client.fetch(site, client.target("/api/calls", [*parameters, ("format", fmt.value)])))
        return
    answer = client.ask(site, "/api/calls", parameters, dict[str, Any])
    if not answer["calls"]:
        say(no_calls(site, answer["period"]["name"], f"{command_name()} calls --period all"))
        return
    print_table(
        [
            Column("received_at", "received", _moment(answer["period"]["timezone"])),
            text_column("call_id", "call"),
            text_column("feature", "feature", grow=True),
            text_column("customer", "customer", grow=True, from_width=150),
            text_column("model", "model", grow=True, from_width=100),
            Column("outcome", "outcome", _outcome),
            Column("attempts", "tries", _tries, right=True, from_width=130),
            count_column("total_input_tokens", "tokens in", from_width=175),
            count_column("total_output_tokens", "out", from_width=175),
            Column("effective_cost", "cost", str, right=True),
            Column("quality", "", _quality),
            Column("duration_ms", "took", display.latency, right=True, from_width=120),
        ],
        [one | {"effective_cost": _cost(one, answer["currency"])} for one in answer["calls"]],
        title=f"Calls, {answer['period']['name']} ({answer['period']['timezone']}), {order} first",
        notes=["`bursar call ID` shows one"]
        + ([f"more: --cursor {answer['next_cursor']}"] if answer["next_cursor"] else []),
    )


def call(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="As in `x-bursar-call-id`, or from `bursar calls`.")],
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """One call: its attempts, usage, and what it cost line by line.

    Example: `bursar call 018bcfe5-6800-7abc-8def-0123456789ab`.
    """
    site = resolve_site(config, data)
    path = client.path_of("api", "calls", call_id)
    if fmt is Format.JSON:
        out_bytes(client.fetch(site, path))
        return
    answer = client.ask(site, path, [], dict[str, Any])
    if fmt is Format.CSV:
        print_csv(
            LINE_FIELDS, [_csv_line(attempt, line) for attempt in answer["attempts"] for line in attempt["lines"]]
        )
        return
    _show_head(answer)
    for attempt in answer["attempts"]:
        _show_attempt(attempt)


def explain(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="As in `x-bursar-call-id`, or from `bursar calls`.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Why a call went where it went, and what it would have cost elsewhere.

    Example: `bursar explain 018bcfe5-6800-7abc-8def-0123456789ab`.
    """
    site = resolve_site(config, data)
    answer = client.ask(site, client.path_of("api", "calls", call_id), [], dict[str, Any])
    for line in told_ways(answer["attempts"]):
        out().print(Text(line))


def told_ways(attempts: list[dict[str, Any]]) -> list[str]:
    """Each attempt in words."""
    lines = []
    for attempt in attempts:
        cost = "unpriced" if attempt["effective_cost"] is None else f"${plain(Decimal(attempt['effective_cost']))}"
        because = f" because of {attempt['retry_cause']}" if attempt["retry_cause"] else ""
        ended = ", ".join(part for part in (attempt["outcome"] or attempt["state"], cost) if part)
        lines.append(
            f"Attempt {attempt['attempt_number']}{because}: {attempt['upstream']}/{attempt['model_sent']}: {ended}"
        )
        lines += told_entries(attempt["entries"])
        if not attempt["routing"]:
            lines.append("  no route was about it: the upstream that lists the model, or its dialect's default")
            continue
        receipt = RECEIPTS.decode(attempt["routing"])
        lines.append(f"  {receipt_words(receipt, attempt['upstream'], attempt['model_sent'])}")
        if attempt["saved"]:
            lines.append(f"  without any lever ${plain(Decimal(attempt['counterfactual_cost']))}: {_steps(attempt)}")
    return lines or ["nothing was sent"]


def _steps(attempt: dict[str, Any]) -> str:
    """What each lever saved, in the order of the steps; a negative one cost more than it saved."""
    return ", ".join(f"{lever} saved {display.money(_decimal(usd))}" for lever, usd in attempt["saved"].items())


def told_entries(entries: list[dict[str, Any]]) -> list[str]:
    """How the books came to the cost of an attempt, where it was corrected: from what, to what, and why."""
    lines, stood = [], ""
    for entry in entries:
        cost = "unpriced" if entry["effective_cost"] is None else f"${plain(Decimal(entry['effective_cost']))}"
        if entry["entry"] == "correction":
            lines.append(f"  corrected from {stood} to {cost} ({entry['quality']}): {entry['reason']}")
        elif entry["entry"] == "reversal":
            continue
        stood = cost
    return lines


def register(app: typer.Typer) -> None:
    app.command("calls")(calls)
    app.command("call")(call)
    app.command("explain")(explain)


def _show_head(answer: dict[str, Any]) -> None:
    found = answer["call"]
    title = Text("Call ", style="dim").append(answer["call_id"], style="bold")
    if found is None:
        out().print(title.append("  in flight", style="yellow"))
        return
    out().print(title.append("  ").append(_outcome(found["outcome"])))
    place = "/".join(part for part in (found["organization"], found["scope_team"], found["project"]) if part)
    caller = (f"{found['credential_id']} ({found['credential_kind']})", place, found["client"] or "unknown client")
    said = {name: found[name] for name in SAID} | {"user": found["consumer_id"]} | found["tags"]
    left = f", client left at {found['client_gone_percent']} %" if found["client_gone_percent"] >= 0 else ""
    facts = {
        "received": f"{_moment('UTC')(found['received_at'])} UTC",
        "asked": f"{found['model_asked']} · {found['dialect']}{' · streamed' if found['is_stream'] else ''}",
        "by": " · ".join(part for part in caller if part),
        "for": " · ".join(f"{name}={value}" for name, value in said.items() if value) or "(nothing said)",
        "took": f"{display.latency(found['duration_ms'])}, first byte after {display.latency(found['first_byte_ms'])}",
        "answered": f"{found['client_status'] or 'client had gone'}{left}",
    }
    for name, value in facts.items():
        out().print(Text(f"  {name:<10}", style="dim").append(value, style="default"))


def _show_attempt(attempt: dict[str, Any]) -> None:
    """A receipt: quantity × price = amount, and the sum."""
    lines = [
        line | {"per": display.unit_price(Decimal(line["unit_price"]), line["unit"], attempt["currency"])}
        for line in attempt["lines"]
    ]
    served = attempt["model_served"] or attempt["model_sent"]
    ended = (attempt["outcome"] or attempt["state"], str(attempt["http_status"] or "no answer"), attempt["quality"])
    because = f" because of {attempt['retry_cause']}" if attempt["retry_cause"] else ""
    how = ", ".join(part for part in ended if part)
    title = f"Attempt {attempt['attempt_number']}{because}: {attempt['upstream']} · {served} · {how}"
    total = _exact(attempt["effective_cost"], estimated=attempt["quality"] in GUESSED)
    print_table(
        [
            text_column("unit", "usage", grow=True),
            count_column("quantity", "quantity"),
            Column("per", "× price", str, right=True),
            Column("amount", "= amount", lambda value: value if isinstance(value, Text) else _exact(value), right=True),
        ],
        lines,
        title=f"\n{title}",
        totals={"unit": "cost, rounded once", "amount": total} if attempt["state"] == "settled" else None,
        notes=_notes(attempt),
    )


def _csv_line(attempt: dict[str, Any], line: dict[str, Any]) -> list[Any]:
    price, amount = plain(Decimal(line["unit_price"])), plain(Decimal(line["amount"]))
    return [attempt["attempt_number"], line["unit"], line["quantity"], price, amount]


def _notes(attempt: dict[str, Any]) -> list[str]:
    notes = [f"price {attempt['sku_price_id']}"] if attempt["sku_price_id"] else []
    if attempt["saved"]:
        notes.append(f"without any lever {display.money(_decimal(attempt['counterfactual_cost']))}: {_steps(attempt)}")
    if attempt["error_code"]:
        notes.append(f"error {attempt['error_code']}")
    if len(attempt["entries"]) > 1:
        notes += [
            f"{entry['entry']} {display.money(_decimal(entry['effective_cost']))} {entry['reason']}"
            for entry in attempt["entries"]
        ]
    return notes


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _cost(call: dict[str, Any], currency: str) -> Text:
    """What a call cost; `≈` where that is estimated or assumed."""
    amount = _decimal(call["effective_cost"])
    shown = str(display.money(amount, currency, estimated=call["quality"] in GUESSED))
    return Text(shown, style="yellow" if amount is None else "")


def _exact(value: str | None, *, estimated: bool = False) -> Text:
    if value is None:
        return Text("unpriced", style="yellow")
    return Text(f"{'≈ ' if estimated else ''}${plain(Decimal(value))}")


def _moment(timezone: str) -> Callable[[str], str]:
    zone = ZoneInfo(timezone)
    return lambda text: datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _outcome(outcome: str) -> Text:
    style = {"ok": "green", "truncated": "yellow", "aborted": "yellow"}.get(outcome, "red")
    return Text(outcome or "in flight", style=style)


def _tries(attempts: int) -> Text:
    return Text(str(attempts), style="yellow" if attempts > 1 else "")


def _quality(quality: str) -> Text:
    return Text("" if quality == "reported" else quality, style="yellow")
