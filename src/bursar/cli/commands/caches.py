"""`bursar caches`: which calls may be answered from a cache, or be cheaper by their provider's."""

from typing import Annotated

import msgspec
import typer

from bursar.cli.cache_given import read_exact, read_prompt, read_semantic, refuse_idle_share
from bursar.cli.commands.limits import MatchOption
from bursar.cli.controls import changed, changed_existing, print_rows
from bursar.cli.options import ConfigOption, DataOption, FormatOption, resolve_existing, resolve_site
from bursar.cli.pairs import read_pairs
from bursar.cli.render import Format, say, text_column
from bursar.domain.cache_words import cache_phrases
from bursar.domain.caching import CacheRule, CacheTerms
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import written
from bursar.domain.resemblance import shown_measured
from bursar.governance.checks import read_terms
from bursar.site import actor

EXPORTED = (
    "id", "name", "on", "position", "match", "says", "stopped", "measured", "terms", "created_at", "created_by",
    "cleared_at",
)  # fmt: skip
NameArgument = Annotated[str, typer.Argument(help="The rule's name or id.")]


def set_(
    name: Annotated[str, typer.Argument(help="A name people will know it by; one that is there is changed.")],
    match: MatchOption = [],  # noqa: B006
    prompt: Annotated[
        str, typer.Option(help="Marks for the provider's own cache, kept for auto, 5m or 1h.", show_default=False)
    ] = "",
    agents: Annotated[bool, typer.Option("--agents", help="Those of coding agents too; with --prompt.")] = False,
    exact_ttl: Annotated[
        str, typer.Option(help="The same request gets the same answer for so long: 90s, 30m, 1h, 7d.")
    ] = "",
    share: Annotated[
        str, typer.Option(help="Whose requests share an answer: credential (if not said), project, team, organization.")
    ] = "",
    with_tools: Annotated[
        bool, typer.Option("--with-tools", help="Exact answers for calls that offer tools too.")
    ] = False,
    entry_bytes_max: Annotated[
        int | None, typer.Option(help="A larger answer isn't kept (1048576); with --exact-ttl.")
    ] = None,
    semantic: Annotated[
        str, typer.Option(help="shadow: measure answers to requests that mean the same; on: give them.")
    ] = "",
    semantic_ttl: Annotated[str, typer.Option(help="For how long those (1h).")] = "",
    embedder: Annotated[str, typer.Option(help="What tells how close two are: local, or UPSTREAM/MODEL.")] = "",
    similarity_min: Annotated[float | None, typer.Option(help="The cosine from which two are one (0.95).")] = None,
    sample_percent: Annotated[
        float | None, typer.Option(help="Of hits, how many are asked anyway and compared (10).")
    ] = None,
    agreement_min: Annotated[
        float | None, typer.Option(help="A kept answer that agrees less with the provider's is a false hit (0.6).")
    ] = None,
    false_hits_max: Annotated[
        float | None, typer.Option(help="Their share must surely be below, to be switched on (0.03).")
    ] = None,
    position: Annotated[int, typer.Option(help="The lower is asked first, and the first that matches decides.")] = 0,
    off: Annotated[bool, typer.Option("--off", help="Keep it switched off.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make or change a cache rule: `bursar caches set support --match feature=support --exact-ttl 1h --share team`.

    It says all that the rule says: what isn't given is not so. Without any cache its calls are kept out of all.
    """
    refuse_idle_share(share, exact_ttl, semantic)
    given = {
        "match": read_pairs("--match", match), "position": position, "prompt": read_prompt(prompt, agents=agents),
        "exact": read_exact(exact_ttl, share, with_tools=with_tools, entry_bytes_max=entry_bytes_max),
        "semantic": read_semantic(
            semantic, semantic_ttl, share, embedder, similarity_min=similarity_min, sample_percent=sample_percent,
            agreement_min=agreement_min, false_hits_max=false_hits_max,
        ),
    }  # fmt: skip
    terms = read_terms(given, CacheTerms)
    site = resolve_site(config, data)
    made = changed(site, lambda controls: controls.caches.set(name, terms, is_on=not off, actor=actor()))
    _told([made], fmt)
    if made.terms.semantic is not None and fmt is Format.TABLE:
        say(f"semantic cache: {shown_measured(made)}.")
    if made.stopped and fmt is Format.TABLE:
        say(f"its prompt caching stays stopped: `bursar caches resume {made.rule_id}` lets it go on.")


def list_caches(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Cache rules, on and off, in the order in which they are asked: `bursar caches list --format json`."""
    rules = resolve_existing(config, data).controls().caches.all()
    if fmt is Format.TABLE and not rules:
        say("no cache rules, so nothing is cached; `bursar caches set NAME --exact-ttl 1h` makes one.")
        return
    _told(rules, fmt)


def on(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Switch a cache rule on: `bursar caches on support`."""
    _switch(name, True, data, config)


def off_(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Switch a cache rule off and keep it: `bursar caches off support`. The next that matches decides then."""
    _switch(name, False, data, config)


def resume(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Let prompt caching go on that was stopped for what it cost: `bursar caches resume support`."""
    rule = changed_existing(data, config, lambda controls: controls.caches.resume(name, actor=actor()))
    say(f"cache rule {rule.name} ({rule.rule_id}) is not stopped.")


def clear(
    rule: Annotated[str | None, typer.Option(help="Only what this rule has kept, by its name or id.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Clear kept answers, of all rules or of one: `bursar caches clear --rule support`. No call meets them any more.

    In force on all workers within a second. The rules stay as they are, and keep anew; one that is off is cleared too.
    """
    done = changed_existing(data, config, lambda controls: controls.caches.clear(rule, actor=actor()))
    if not done:
        say("no cache rules, so nothing is kept.")
    elif rule is not None:
        say(f"what cache rule {done[0].name} ({done[0].rule_id}) had kept is cleared.")
    else:
        say(f"what {len(done)} cache rule{'s' if len(done) != 1 else ''} had kept is cleared.")


def remove(name: NameArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Remove a cache rule: `bursar caches remove support`. The next that matches decides then."""
    gone = changed_existing(data, config, lambda controls: controls.caches.remove(name, actor=actor()))
    say(f"cache rule {gone.name} ({gone.rule_id}) is removed.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None,
        help="Which calls may be answered from a cache: list, set, switch, resume, clear, remove.",
    )  # fmt: skip
    for name, command in (("list", list_caches), ("set", set_), ("on", on), ("off", off_), ("resume", resume),
                          ("clear", clear), ("remove", remove)):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="caches")


def _switch(name: str, is_on: bool, data: DataOption, config: ConfigOption) -> None:
    rule = changed_existing(data, config, lambda controls: controls.caches.switch(name, is_on, actor=actor()))
    say(f"cache rule {rule.name} ({rule.rule_id}) is {'on' if rule.is_on else 'off'}.")


def _told(rules: list[CacheRule], fmt: Format) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": rule.rule_id, "name": rule.name, "on": rule.is_on, "position": rule.terms.position,
            "match": written(rule.terms.match), "says": cache_phrases(rule.terms), "stopped": rule.stopped,
            "measured": shown_measured(rule),
            "terms": msgspec.to_builtins(rule.terms), "created_at": datetime_from_us(rule.created_us).isoformat(),
            "created_by": rule.created_by,
            "cleared_at": datetime_from_us(rule.cleared_us).isoformat() if rule.cleared_us else None,
        }
        for rule in rules
    ]  # fmt: skip
    plain = [
        row | {
            "on": "on" if rule.is_on else "off", "says": "; ".join(cache_phrases(rule.terms)),
            "terms": msgspec.json.encode(rule.terms).decode(),
        }
        for row, rule in zip(rows, rules, strict=True)
    ]  # fmt: skip
    columns = [
        text_column("name", "name", grow=True),
        text_column("on", ""),
        text_column("match", "for", grow=True),
        text_column("says", "says", grow=True),
        text_column("stopped", "stopped", grow=True),
        text_column("id", "id", style="dim"),
    ]
    if any(rule.terms.semantic is not None for rule in rules):
        columns.insert(4, text_column("measured", "measured", grow=True))
    if not any(rule.stopped for rule in rules):
        columns = [column for column in columns if column.key != "stopped"]
    print_rows(fmt, EXPORTED, rows, columns, as_csv=plain, as_table=plain)
