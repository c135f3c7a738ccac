"""`bursar simulate`: a provider that bills in play money, and traffic for it."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
import uvloop

from bursar.cli.render import out, print_json, say
from bursar.domain.errors import BadRequest
from bursar.simulate.faults import BadControl, parse_shares
from bursar.simulate.provider import Options, serve
from bursar.simulate.replay import replay as replay_trace

PORT_DEFAULT = 8799


class Trace(StrEnum):
    """The traces that ship with Bursar."""

    AZURE_CODE = "azure-code"
    AZURE_CONV = "azure-conv"
    MOONCAKE = "mooncake"
    SERVEGEN = "servegen"


def provider(
    port: Annotated[int, typer.Option(help="Where to listen (0: any free one).")] = PORT_DEFAULT,
    seed: Annotated[int, typer.Option(help="Decides every size and fault that a request doesn't demand.")] = 0,
    faults: Annotated[str, typer.Option(help="Shares of requests that go wrong: 429=0.02,cut=0.01.")] = "",
    delay_ms: Annotated[int, typer.Option(help="Time before the first byte.")] = 0,
    interval_ms: Annotated[int, typer.Option(help="Time between two events of a stream.")] = 0,
    chunks: Annotated[
        int | None, typer.Option(help="Pieces of text in a stream (default: as the answer's size).")
    ] = None,
    job_ms: Annotated[int, typer.Option(help="What batches and background responses take.")] = 0,
    log: Annotated[str, typer.Option(help="A file that gets one JSON line per request, with what was billed.")] = "",
) -> None:
    """Run a provider that speaks OpenAI's and Anthropic's wire formats: `bursar simulate provider --faults 529=0.05`.

    Prints {"port": N} when it listens. What it billed: GET /sim/bill and /sim/log. See docs/simulator.md.
    """
    try:
        shares = parse_shares(faults)
        options = Options(seed, shares, delay_ms, interval_ms, chunks, log, job_ms)
        say(f"point an upstream's base_url at http://127.0.0.1:{port}" if port else "listening on a free port:")
        uvloop.run(serve(options, "127.0.0.1", port))
    except BadControl as error:
        raise BadRequest(f"--faults: {error}", field="faults") from error
    except OSError as error:  # the port is taken; the log can't be written
        raise BadRequest(f"can't start the provider: {error.strerror or error}", field="port") from error


def replay(
    trace: Annotated[Trace, typer.Option(help="Whose arrivals and sizes.")],
    gateway: Annotated[str, typer.Option(help="Where to send them.")] = "http://127.0.0.1:8787",
    speed: Annotated[float, typer.Option(help="10: ten times as fast as it really was.", min=0.001)] = 1.0,
    limit: Annotated[int | None, typer.Option(help="Only the first so many calls.", min=1)] = None,
    key: Annotated[str, typer.Option(help="The key to call with.")] = "sk-replay-0123456789abcdef",
    json: Annotated[bool, typer.Option("--json", help="The totals as JSON.")] = False,
) -> None:
    """Play a real trace against a gateway: `bursar simulate replay --trace azure-conv --speed 20 --limit 500`.

    The gateway's upstreams should point at `bursar simulate provider` and forward the header x-sim, which carries the
    trace's token counts.
    """
    totals = asyncio.run(replay_trace(trace, gateway, speed=speed, limit=limit, key=key))
    if json:
        print_json(
            {
                "trace": totals.trace,
                "calls": totals.calls,
                "ok": totals.ok,
                "statuses": {str(status): count for status, count in sorted(totals.statuses.items())},
                "late_ms_max": totals.late_ms_max,
                "seconds": round(totals.seconds, 3),
            }
        )
    else:
        statuses = ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(totals.statuses.items()))
        out().print(f"{totals.calls} calls in {totals.seconds:.1f} s: {statuses}")
    if totals.ok < totals.calls:
        raise typer.Exit(1)


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="A provider that bills in play money, and traffic for it.", rich_markup_mode=None
    )
    group.command("provider")(provider)
    group.command("replay")(replay)
    app.add_typer(group, name="simulate")
