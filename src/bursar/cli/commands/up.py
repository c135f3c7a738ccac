"""`bursar up`: the gateway and the console, until Ctrl-C."""

import asyncio
from typing import Annotated

import typer
from rich.panel import Panel
from rich.text import Text

from bursar.cli.options import ConfigOption, DataOption, resolve_site
from bursar.cli.render import out, say
from bursar.site import Site, command_name
from bursar.supervise import Running, Supervisor, stop_on_signals


def up(
    data: DataOption = None,
    gateway_port: Annotated[
        int | None, typer.Option(help="Where clients connect (default 8787; 0: any free one).")
    ] = None,
    console_port: Annotated[int | None, typer.Option(help="Where people look (default 8788; 0: any free one).")] = None,
    workers: Annotated[int | None, typer.Option(help="Gateway processes on that one port (default 1).")] = None,
    config: ConfigOption = None,
) -> None:
    """Run the gateway and the console until Ctrl-C.

    Example: `bursar up --data /var/lib/bursar --workers 4`.
    """
    site = resolve_site(config, data, gateway__port=gateway_port, console__port=console_port, gateway__workers=workers)
    asyncio.run(_serve(site))


def register(app: typer.Typer) -> None:
    app.command("up")(up)


async def _serve(site: Site) -> None:
    supervisor = Supervisor(site, report=say)
    stop_on_signals(supervisor)
    async with supervisor.running() as running:
        if not supervisor.stopping.is_set():
            out().print(welcome(running))
        await supervisor.wait()
        say("stopping: calls under way may end …")


def welcome(running: Running, *, title: str = "Bursar is up", more: list[tuple[str, str]] | None = None) -> Panel:
    """The one calm box: addresses, how to point a client, where the data is, how to stop."""
    lines = [
        ("Console", running.console),
        ("Gateway", f"{running.gateway}   ({running.workers} worker{'s' if running.workers != 1 else ''})"),
        ("", ""),
        ("OpenAI", f"export OPENAI_BASE_URL={running.gateway}/v1"),
        ("Anthropic", f"export ANTHROPIC_BASE_URL={running.gateway}"),
        *(more or []),
        ("", ""),
        ("Data", running.data),
        ("Costs", f"{command_name()} costs --by feature --data {running.data}"),
        ("Stop", "Ctrl-C"),
    ]
    text = Text()
    for label, value in lines:
        text.append(f"{label:<11}", style="dim").append(f"{value}\n", style="bold" if label == "Console" else "")
    text.rstrip()
    return Panel(text, title=title, title_align="left", border_style="dim", expand=False, padding=(1, 2))
