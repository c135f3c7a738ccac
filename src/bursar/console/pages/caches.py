"""Caches: which rule decides about which calls, and what it says in words; switched, resumed, cleared and removed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from bursar.console.api.caches import CacheAnswer, cache_answer
from bursar.console.api.controls import listed_csv
from bursar.console.context import ACTOR, ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.controls import about_match
from bursar.console.prompt_breaks import BreaksTold, breaks_told
from bursar.console.view import View
from bursar.domain.cache_words import cache_phrases
from bursar.domain.caching import CacheRule, keeps_answers
from bursar.domain.clock import datetime_from_us
from bursar.domain.errors import BadControl
from bursar.domain.resemblance import shown_measured
from bursar.explore.filters import Filter

BREAKS_SHOWN = 20


class CachesAnswer(msgspec.Struct, frozen=True):
    """The page for programs. rules: in the order in which they are asked."""

    rules: list[CacheAnswer]
    breaks: list[BreaksTold]


class ShownBreak(msgspec.Struct, frozen=True):
    """A series of calls whose cache breaks. calls_href: those of its key, model, feature and request type."""

    told: BreaksTold
    title: str
    key: str
    calls_href: str


class ShownRule(msgspec.Struct, frozen=True):
    """A row. order: 1 is asked first; 0: it is off, and isn't asked. stopped: why its marks are set no more.

    measured: what its semantic cache's shadow has shown, in words. keeps: it keeps answers. cleared: when those it had
    were cleared last; None: never."""

    id: str
    name: str
    order: int
    position: int
    about: str
    says: list[str]
    stopped: str
    measured: str
    since: datetime
    by: str
    edit_href: str
    keeps: bool
    cleared: datetime | None


def caches_answer(context: ConsoleContext) -> CachesAnswer:
    """The page's figures for programs."""
    return CachesAnswer([cache_answer(one) for one in context.controls().caches.all()], breaks_told(context))


def caches_csv(answer: CachesAnswer) -> bytes:
    """A row for each rule."""
    return listed_csv(answer.rules, CacheAnswer)


def caches_page(context: ConsoleContext, view: View, f: Format) -> dict[str, Any]:
    """Everything the template reads."""
    controls = context.controls()
    names, rules = controls.key_names(), controls.caches.all()
    orders = {rule.rule_id: order for order, rule in enumerate((one for one in rules if one.is_on), 1)}
    stopped = sum(bool(rule.stopped) for rule in rules)
    lead = f"{f.count(len(orders))} of {f.count(len(rules))} rules on" if rules else ""
    return {
        "data": {
            "lead": f"{lead}, {f.count(stopped)} stopped" if stopped else lead,
            "rules": [_shown(rule, orders.get(rule.rule_id, 0), names) for rule in rules],
            "breaks": [_shown_break(view, one, context.key_namer()) for one in breaks_told(context)[:BREAKS_SHOWN]],
            "keeps": any(keeps_answers(rule.terms) for rule in rules),
            "is_looked_for": any(rule.terms.prompt is not None for rule in rules),
        },
        "csrf": context.csrf,
        "has_pickers": False,  # nothing here is of a period
    }


def _shown_break(view: View, told: BreaksTold, key_name: Callable[[str], str]) -> ShownBreak:
    said = ("feature", told.feature), ("request_type", told.request_type), ("model", told.model)
    filters = [Filter(name, (value,)) for name, value in said if value]
    href = view.url(
        "/calls", filters=(*filters, Filter("credential_id", (told.credential_id,))), period="7d", order="newest"
    )
    title = " · ".join(part for part in (told.feature, told.request_type) if part) or told.model
    return ShownBreak(told, title, key_name(told.credential_id), href)


def change_caches(context: ConsoleContext, form: Mapping[str, str]) -> None:
    """What a button of the page asks for, done and published. Raises Forbidden without the page's own token, BadControl
    for another act, UnknownControl."""
    context.check_form(form)
    controls = context.controls()
    act, name = form.get("act", ""), form.get("id", "")
    match act:
        case "on" | "off":
            controls.caches.switch(name, act == "on", actor=ACTOR)
        case "resume":
            controls.caches.resume(name, actor=ACTOR)
        case "clear":
            controls.caches.clear(name, actor=ACTOR)
        case "clear-all":
            controls.caches.clear(actor=ACTOR)
        case "remove":
            controls.caches.remove(name, actor=ACTOR)
        case _:
            raise BadControl(f"act is {act[:40]!r}; it is on, off, resume, clear, clear-all or remove", field="act")
    controls.publish()


def _shown(rule: CacheRule, order: int, names: Mapping[str, str]) -> ShownRule:
    return ShownRule(
        rule.rule_id, rule.name, order, rule.terms.position, about_match(rule.terms.match, names),
        cache_phrases(rule.terms), rule.stopped, shown_measured(rule), datetime_from_us(rule.created_us),
        rule.created_by, f"/edit/cache?of={quote(rule.name, safe='')}", keeps_answers(rule.terms),
        datetime_from_us(rule.cleared_us) if rule.cleared_us else None,
    )  # fmt: skip
