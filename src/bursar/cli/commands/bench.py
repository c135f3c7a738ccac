"""`bursar bench`: measure, compare with the targets, exit 1 if one is missed."""

import importlib
from enum import StrEnum
from typing import Annotated

import typer

from bursar.bench.comparison import Comparison, figures, json_rows, probe_rows, table_rows
from bursar.bench.figure import Figure, Options
from bursar.cli.render import Column, print_json, print_table, say, text_column


class Part(StrEnum):
    GATEWAY = "gateway"
    LEDGER = "ledger"
    EXPLORE = "explore"
    CUSTOMERS = "customers"
    CONTROL = "control"
    DECIDE = "decide"
    ROUTE = "route"
    TRANSLATE = "translate"
    CACHING = "caching"
    KEPT = "kept"
    ADVICE = "advice"
    FOCUS = "focus"
    FORECAST = "forecast"
    MATURITY = "maturity"
    SEMANTIC = "semantic"
    ADVISING = "advising"
    NAB = "nab"
    WATCH = "watch"
    RECONCILE = "reconcile"
    CLOSE = "close"
    SCENARIOS = "scenarios"
    CONTRACTS = "contracts"


DOCUMENTED = (Part.ADVICE, Part.SEMANTIC)
"""Parts that make tables of a page of the docs."""


def bench(
    part: Annotated[Part, typer.Argument(help="What to measure.")],
    as_json: Annotated[bool, typer.Option("--json", help="Figures for a machine.")] = False,
    scale: Annotated[float, typer.Option(help="1 is what the targets are about; 0.1 is a first look.")] = 1.0,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds; the median counts.")] = 5,
    peers: Annotated[
        bool, typer.Option("--peers", help="Beside LiteLLM, Portkey and TensorZero, installed for it.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The tables of the docs, with `bursar bench advice` or `semantic`.")
    ] = False,
) -> None:
    """Measure this machine against the figures we promise.

    Example: `bursar bench gateway --scale 0.1`. Exit code 1 if a figure misses its target.
    """
    if markdown:
        if part not in DOCUMENTED:
            known = " or ".join(f"`bursar bench {one}`" for one in DOCUMENTED)
            raise typer.BadParameter(f"goes with {known} only", param_hint="--markdown")
        typer.echo(importlib.import_module(f"bursar.bench.{part}").documented())
        return
    if peers:
        if part is not Part.GATEWAY:
            raise typer.BadParameter("goes with `bursar bench gateway` only", param_hint="--peers")
        missed = _beside_peers(Options(scale, rounds), as_json)
    else:
        missed = _alone(part, Options(scale, rounds), as_json)
    if missed:
        say(f"missed: {', '.join(missed)}")
        raise typer.Exit(1)


def _alone(part: Part, options: Options, as_json: bool) -> list[str]:
    """Bursar beside nginx; the names of figures that miss their target."""
    module = importlib.import_module(f"bursar.bench.{part}")
    found: list[Figure] = module.measure(options)
    if as_json:
        print_json([figure.as_row() for figure in found])
    else:
        show_figures(f"bench {part}", found)
    return [figure.name for figure in found if not figure.ok]


def _beside_peers(options: Options, as_json: bool) -> list[str]:
    """Bursar beside nginx and other gateways; the names of Bursar's figures that miss their target."""
    peers = importlib.import_module("bursar.bench.peers")
    compared: Comparison = peers.measure(options, say)
    if as_json:
        print_json(json_rows(compared))
    else:
        show_comparison(compared)
    return [figure.name for figure in figures(compared) if not figure.ok]


def show_comparison(compared: Comparison) -> None:
    """Two tables: CPU, start and memory of each gateway; what each says of cost."""
    cases = [Column(case.key, case.heading, right=True) for case in compared.cases]
    before, after = compared.load
    print_table(
        [
            text_column("gateway", "CPU µs, × nginx"),
            *cases,
            Column("start", "start", right=True),
            Column("memory", "memory", right=True),
            text_column("keeps", "records", grow=True, style="dim"),
        ],
        [row | {"keeps": row["keeps"] or " "} for row in table_rows(compared)],
        title="bench gateway --peers",
        notes=[f"load average {before:.1f} before, {after:.1f} after", *compared.notes],
    )
    headings = [text_column(probe.heading, probe.heading, grow=True) for probe in compared.probes]
    print_table(
        [text_column("gateway", "gateway"), *headings], probe_rows(compared), title="what each says a call cost"
    )
    if compared.control:
        names = list(compared.control[0].answers)
        print_table(
            [
                text_column("probe", "probe", grow=True),
                text_column("correct", "a correct gateway", grow=True),
                *(text_column(name, name, grow=True) for name in names),
            ],
            [{"probe": one.question, "correct": one.heading} | one.answers for one in compared.control],
            title="calls that were billed; LiteLLM by its budgets per deployment, without a database",
        )


def show_figures(title: str, found: list[Figure]) -> None:
    """One table: figure, value, ratio to the baseline, target, met or missed."""
    rows = [figure.as_row() for figure in found]
    print_table(
        [
            text_column("name", "figure", grow=True),
            Column(
                "value", "value", lambda value: f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}", right=True
            ),
            Column("unit", "unit", str),
            Column("ratio", "ratio", lambda ratio: "" if ratio is None else f"{ratio:.2f} ×", right=True),
            Column("baseline", "beside", str),
            Column("target", "target", str, right=True),
            Column("mark", "", str),
            Column("note", "", str, style="dim", grow=True),
        ],
        [row | {"mark": "" if not row["target"] else "ok" if row["ok"] else "MISSED"} for row in rows],
        title=title,
    )


def register(app: typer.Typer) -> None:
    app.command("bench")(bench)
