"""`bursar policies`: who may call what, and what that would have changed last month."""

from typing import Annotated

import msgspec
import typer

from bursar.cli.commands.limits import MatchOption
from bursar.cli.controls import changed, changed_existing, print_rows, show_tried
from bursar.cli.options import (
    ConfigOption,
    DataOption,
    FormatOption,
    PeriodOption,
    TimezoneOption,
    resolve_existing,
    resolve_site,
)
from bursar.cli.pairs import read_pairs
from bursar.cli.policy_trial import show_trial
from bursar.cli.render import Format, say, text_column
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import Policy, PolicyTerms, written
from bursar.domain.errors import BadControl
from bursar.governance.checks import read_terms
from bursar.site import actor

EXPORTED = ("id", "name", "on", "match", "rules", "created_at", "created_by")
Texts = list[str]


def add(
    name: Annotated[str, typer.Argument(help="A name people will know it by.")],
    match: MatchOption = [],  # noqa: B006
    allow_model: Annotated[Texts, typer.Option(help="Only these models; a pattern may have * and ?.")] = [],  # noqa: B006
    deny_model: Annotated[Texts, typer.Option(help="Not these models.")] = [],  # noqa: B006
    allow_provider: Annotated[Texts, typer.Option(help="Only these providers.")] = [],  # noqa: B006
    deny_provider: Annotated[Texts, typer.Option(help="Not these providers.")] = [],  # noqa: B006
    allow_region: Annotated[Texts, typer.Option(help="Only these regions (upstreams.NAME.region).")] = [],  # noqa: B006
    deny_region: Annotated[Texts, typer.Option(help="Not these regions.")] = [],  # noqa: B006
    input_bytes_max: Annotated[int | None, typer.Option(help="The largest request body.")] = None,
    input_tokens_max: Annotated[int | None, typer.Option(help="The same in tokens, four bytes each.")] = None,
    on_input_excess: Annotated[str, typer.Option(help="refuse a larger one, or warn and let it go on.")] = "refuse",
    output_tokens_max: Annotated[int | None, typer.Option(help="The largest max_tokens.")] = None,
    on_output_excess: Annotated[str, typer.Option(help="lower max_tokens, or refuse the call.")] = "lower",
    force_model: Annotated[
        Texts, typer.Option(help="REQUEST_TYPE=MODEL: send that model instead; *=MODEL for any type.")
    ] = [],  # noqa: B006
    service_tier: Annotated[
        str, typer.Option(help="standard: ask for no dearer tier; flex: ask for that one, which may take minutes.")
    ] = "",
    require_tag: Annotated[Texts, typer.Option(help="A dimension or tag each call must say.")] = [],  # noqa: B006
    on_missing: Annotated[str, typer.Option(help="reject, default or warn (reject; default with --tag-default).")] = "",
    tag_default: Annotated[Texts, typer.Option(help="NAME=VALUE for calls that don't say it.")] = [],  # noqa: B006
    tag_value: Annotated[Texts, typer.Option(help="NAME=A,B,C: no other values.")] = [],  # noqa: B006
    tag_values_max: Annotated[Texts, typer.Option(help="NAME=N: at most N different values a day.")] = [],  # noqa: B006
    on_tag_value: Annotated[str, typer.Option(help="reject or warn.")] = "reject",
    off: Annotated[bool, typer.Option("--off", help="Keep it switched off, to try it first.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Make a policy: `bursar policies add small-only --match feature=tagging --allow-model '*mini*' --off`."""
    defaults = read_pairs("--tag-default", tag_default)
    given = {
        "match": read_pairs("--match", match), "allow_models": allow_model, "deny_models": deny_model,
        "allow_providers": allow_provider, "deny_providers": deny_provider, "allow_regions": allow_region,
        "deny_regions": deny_region, "input_bytes_max": input_bytes_max, "input_tokens_max": input_tokens_max,
        "on_input_excess": on_input_excess, "service_tier": service_tier or None,
        "output_tokens_max": output_tokens_max, "on_output_excess": on_output_excess,
        "force_models": read_pairs("--force-model", force_model),
        "require_tags": list(dict.fromkeys([*require_tag, *defaults])),
        "on_missing": on_missing or ("default" if defaults else "reject"), "tag_defaults": defaults,
        "tag_values": {tag: values.split(",") for tag, values in read_pairs("--tag-value", tag_value).items()},
        "tag_values_max": {tag: _number(most) for tag, most in read_pairs("--tag-values-max", tag_values_max).items()},
        "on_tag_value": on_tag_value,
    }  # fmt: skip
    terms = read_terms(given, PolicyTerms)
    site = resolve_site(config, data)
    made = changed(site, lambda controls: controls.policies.create(name, terms, is_on=not off, actor=actor()))
    _told([made], fmt)
    if off and fmt is Format.TABLE:
        say(f"it is off: `bursar policies try {made.policy_id}` shows what it would have changed last month.")


def list_policies(data: DataOption = None, config: ConfigOption = None, fmt: FormatOption = Format.TABLE) -> None:
    """Policies, on and off: `bursar policies list --format json`."""
    policies = resolve_existing(config, data).controls().policies.all()
    if fmt is Format.TABLE and not policies:
        say("no policies yet; `bursar policies add NAME --deny-model 'gpt-5*' --off` makes one to try.")
        return
    _told(policies, fmt)


def try_policy(
    name: Annotated[str, typer.Argument(help="The policy's name or id.")],
    period: PeriodOption = "last-month",
    timezone: TimezoneOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """What a policy would have refused or changed: how many calls, whose, how much: `bursar policies try small-only`.

    It changes nothing, whether the policy is on or off.
    """
    show_tried("policies", name, period, timezone, resolve_existing(config, data), fmt, show_trial)


def on(
    name: Annotated[str, typer.Argument(help="The policy's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Switch a policy on: `bursar policies on small-only`."""
    _switch(name, True, data, config)


def off_(
    name: Annotated[str, typer.Argument(help="The policy's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Switch a policy off and keep it: `bursar policies off small-only`."""
    _switch(name, False, data, config)


def remove(
    name: Annotated[str, typer.Argument(help="The policy's name or id.")],
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Remove a policy: `bursar policies remove small-only`."""
    gone = changed_existing(data, config, lambda controls: controls.policies.remove(name, actor=actor()))
    say(f"policy {gone.name} ({gone.policy_id}) is removed.")


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Who may call what: list, add, try against the past, switch, remove.",
        rich_markup_mode=None,
    )  # fmt: skip
    for name, command in (("add", add), ("list", list_policies), ("try", try_policy), ("on", on), ("off", off_),
                          ("remove", remove)):  # fmt: skip
        group.command(name)(command)
    app.add_typer(group, name="policies")


def rules_of(terms: PolicyTerms) -> dict[str, object]:
    """What a policy says beside its match: only what isn't the default."""
    told: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(terms, match={}))
    return told


def rules_text(rules: dict[str, object]) -> str:
    """Rules as people say them.

    >>> rules_text({"allow_models": ["*mini*"], "output_tokens_max": 500, "tag_defaults": {"team": "core"}})
    'allow models *mini*; output tokens max 500; tag defaults team=core'
    """
    return "; ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in rules.items()) or "none"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={_plain(one)}" for name, one in value.items())
    return "|".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)


def _switch(name: str, is_on: bool, data: DataOption, config: ConfigOption) -> None:
    policy = changed_existing(data, config, lambda controls: controls.policies.switch(name, is_on, actor=actor()))
    say(f"policy {policy.name} ({policy.policy_id}) is {'on' if policy.is_on else 'off'}.")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BadControl(f"--tag-values-max {text!r}: a whole number", field="tag_values_max") from error


def _told(policies: list[Policy], fmt: Format) -> None:
    rows: list[dict[str, object]] = [
        {
            "id": policy.policy_id, "name": policy.name, "on": policy.is_on, "match": written(policy.terms.match),
            "rules": rules_of(policy.terms), "created_at": datetime_from_us(policy.created_us).isoformat(),
            "created_by": policy.created_by,
        }
        for policy in policies
    ]  # fmt: skip
    rules = [rules_of(policy.terms) for policy in policies]
    on = ["on" if policy.is_on else "off" for policy in policies]
    as_csv = [row | {"rules": msgspec.json.encode(one).decode()} for row, one in zip(rows, rules, strict=True)]
    as_table = [row | {"rules": rules_text(one)} for row, one in zip(rows, rules, strict=True)]
    for row, word in zip((*as_csv, *as_table), (*on, *on), strict=True):
        row["on"] = word
    columns = [
        text_column("name", "name", grow=True),
        text_column("on", ""),
        text_column("match", "for", grow=True),
        text_column("rules", "rules", grow=True),
        text_column("id", "id", style="dim"),
    ]
    print_rows(fmt, EXPORTED, rows, columns, as_csv=as_csv, as_table=as_table)
