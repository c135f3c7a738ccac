"""`bursar`: finds the command, imports only that one, and turns errors into one line and an exit code.

Exit codes: 0 fine, 1 a finding or a failure, 2 wrong usage.
"""

import importlib
import os
import sys
from typing import Annotated, NamedTuple, NoReturn

import typer

from bursar import __version__
from bursar.cli.render import complain
from bursar.domain.errors import BadRequest, BursarError

EXIT_FINDING = 1
EXIT_USAGE = 2


class Listed(NamedTuple):
    """A command in `bursar --help`: the module that has it, and the first line of its docstring."""

    module: str
    help: str


COMMANDS = {
    "up": Listed("up", "Run the gateway and the console until Ctrl-C."),
    "demo": Listed("demo", "Show everything with a simulated provider: no account, no key, no network."),
    "costs": Listed("costs", "Cost by feature, customer, model or any tag, largest first."),
    "savings": Listed("savings", "What each lever saved of what calls would have cost, by anything."),
    "calls": Listed("calls", "Calls of a period, newest first."),
    "call": Listed("calls", "One call: its attempts, usage, and what it cost line by line."),
    "explain": Listed(
        "calls",
        "Why a call went where it went, and what it would have cost elsewhere.",
    ),
    "price": Listed("price", "What a call would cost: usage in, lines and total out."),
    "prices": Listed("prices", "The price list: what is in force, its history, where catalogues disagree."),
    "meter": Listed("meter", "What a recorded answer of a provider cost."),
    "keys": Listed("keys", "Make, list and revoke virtual keys."),
    "alerts": Listed("alerts", "What is watched, who is told, and what was raised."),
    "anomalies": Listed("anomalies", "What is out of the ordinary, what it costs and why: list, show, label."),
    "markers": Listed("markers", "What happened when: add, list."),
    "advice": Listed("advice", "What would save money, by how much, and the change itself."),
    "forecast": Listed(
        "forecast",
        "What will be spent by the end of the month and in 7, 30 and 90 days, and how sure that is.",
    ),
    "plans": Listed("forecast", "Events to come that forecasts take into account: add, list, remove."),
    "scenarios": Listed(
        "scenarios", "What margin would be if usage, prices or models were otherwise: run, list, save, remove."
    ),
    "customers": Listed("customers", "Who earns and who costs: list, show, plans, cohorts, import."),
    "loops": Listed("loops", "Loops that are cut, and what was wasted: retries, cut-off answers, failures."),
    "whatif": Listed("whatif", "What calls would have cost otherwise: another model, tier, batches, a cache."),
    "policies": Listed("policies", "Who may call what: list, add, try against the past, switch, remove."),
    "limits": Listed("limits", "Requests, tokens and concurrency per minute: list, add, try against the past, remove."),
    "routes": Listed("routes", "Where calls go: list, set, remove, test a request, replay the past."),
    "caches": Listed("caches", "Which calls may be answered from a cache: list, set, switch, resume, clear, remove."),
    "tax": Listed(
        "tax", "What tax is due on AI bills, and by when: worksheet, compute, rules, list, set, remove, import."
    ),
    "contracts": Listed("contracts", "Contracts with vendors: record, rate, see where they stand, negotiate."),
    "allocation": Listed("allocation", "Who bears a month's cost, and by which rules: show, rules, set, end, charge."),
    "statements": Listed("allocation", "What one of them bears in a month, and why."),
    "close": Listed(
        "close", "Months of the books: list, show, flat, month, export, prove, post, paid, entries, chart."
    ),
    "rates": Listed("rates", "Exchange rates by day, purpose and source: add, import, list, show."),
    "initiatives": Listed(
        "initiatives", "What shall become cheaper, and what it saved: list, show, set, start, done, stop, remove, book."
    ),
    "invoices": Listed(
        "invoices", "Providers' bills beside what was metered: import, list, show, reconcile, accept, ignore."
    ),
    "maturity": Listed("maturity", "How far this installation has come in six steps: show, held, evidence."),
    "review": Listed("review", "What was spent, what changed and what to do, ranked by money."),
    "report": Listed("report", "Each month's board report and finance pack: list, make, save."),
    "focus": Listed("focus", "FOCUS 1.2 files: export the books, import bills of other vendors."),
    "kill": Listed("kill", "Stop a key, agent, session, feature or everything within a second; lift it again."),
    "budgets": Listed("budgets", "Limits that can't be overspent, and how they stand."),
    "apply": Listed("controlfile", "Make the control state what a file says, all or nothing."),
    "export": Listed("controlfile", "The control state as a file that `bursar apply` reads."),
    "verify": Listed("verify", "Prove the laws on this installation: nothing lost, nothing twice, sums exact."),
    "simulate": Listed("simulate", "A provider that bills in play money, and traffic for it."),
    "bench": Listed("bench", "Measure this machine against the figures we promise."),
}


def build_app(wanted: str | None = None) -> typer.Typer:
    """The application. `wanted`: import this command alone and list the others by name (None: import all).

    `bursar --help` and each command start in a fraction of the time that importing everything would take.
    """
    app = typer.Typer(
        name="bursar",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    registered = set()
    for name, listed in COMMANDS.items():
        if wanted is not None and name != wanted:
            app.command(name, help=listed.help)(_listed_only)
        elif listed.module not in registered:
            registered.add(listed.module)
            module = importlib.import_module(f"bursar.cli.commands.{listed.module}")
            module.register(app)
    return app


def run(arguments: list[str] | None = None) -> None:
    """The entry point. Never shows a traceback for something a user did."""
    words = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    wanted = next((word for word in words if not word.startswith("-")), "")
    try:
        _check_text(words)
        build_app(wanted)(args=words, prog_name="bursar")
    except BursarError as error:
        complain(error)
        sys.exit(EXIT_USAGE if error.status in range(400, 500) or error.code == "bad_config" else EXIT_FINDING)
    except BrokenPipeError:
        _end_quietly()
    except SystemExit as ended:
        if ended.__context__ is not None and _is_broken_pipe(ended.__context__):  # click made exit code 1 of it
            _end_quietly()
        try:
            sys.stdout.flush()  # here, where it can be told; at the interpreter's end it would be shown
        except BrokenPipeError:
            _end_quietly()
        raise


def _is_broken_pipe(error: BaseException) -> bool:
    return isinstance(error, BrokenPipeError)


def _end_quietly() -> NoReturn:
    """`bursar calls | head`: the reader has what it wanted. What is still buffered goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    sys.exit(0)


def _check_text(words: list[str]) -> None:
    """Bytes that aren't UTF-8 reach us as lone surrogates, which no address, database or terminal takes."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise BadRequest(f"{word!r} is not UTF-8") from error


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bursar {__version__}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """LLM FinOps: a gateway that treats every call as money, and a console that explains it."""


def _listed_only() -> None:
    raise AssertionError("listed for --help; `run` imports the command that was named")


if __name__ == "__main__":
    run()
