"""What a control must be before it is kept: every mistake is named with its field and what to write."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from bursar.domain.caching import CacheTerms, WhyNot, faults_of_caching
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import MATCHED, TAG_PREFIX, KillTerms, LimitTerms, Match, PolicyTerms
from bursar.domain.errors import BadControl
from bursar.domain.tags import TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX

CONDITIONS_MAX = 8
ITEMS_MAX = 500  # of a list in a policy
NAME_CHARS_MAX = 120
REASON_CHARS_MAX = 500
TAG_VALUES_COUNTED_MAX = 10_000  # a worker remembers them all for a day
FIGURE_MAX = 10**12
SPAN_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
SPAN_MAX_S = 366 * 86_400
PLAINER = {
    "Invalid decimal string": "that is no number; write it as 12.5",
    "Invalid RFC3339 encoded date": "that is no day; write it as 2026-12-01",
}
"""What the reader of JSON says, and what a person can do about it."""
T = TypeVar("T")


def read_terms(given: Any, kind: type[T]) -> T:
    """Terms from JSON's plain values. Raises BadControl that names the field."""
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".")
        known = ", ".join(one.name for one in msgspec.structs.fields(kind))  # type: ignore[arg-type]
        hint = f"; there are {known}" if "unknown field" in reason else ""
        said = PLAINER.get(reason, reason.replace("`", ""))
        raise BadControl(f"{field or 'terms'}: {said}{hint}", field=field or "terms") from error


def check_name(name: str) -> str:
    """The name without blanks around it. Raises BadControl."""
    name = name.strip()
    if not name or len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise BadControl(f"name: 1 to {NAME_CHARS_MAX} printable characters", field="name")
    return name


def check_policy(terms: PolicyTerms) -> PolicyTerms:
    """The same terms with tags named alike. Raises BadControl."""
    check_match(terms.match)
    if msgspec.structs.replace(terms, match={}) == PolicyTerms():
        raise BadControl(
            "terms: the policy says nothing: give it a rule, such as deny_models or output_tokens_max", field="terms"
        )
    for field in ("allow_models", "deny_models", "allow_providers", "deny_providers", "allow_regions", "deny_regions"):
        _check_texts(field, getattr(terms, field), TAG_VALUE_CHARS_MAX)
    for field in ("input_bytes_max", "input_tokens_max", "output_tokens_max"):
        _check_figure(field, getattr(terms, field))
    if terms.on_input_excess == "warn" and terms.body_bytes_max is None:
        raise BadControl("on_input_excess: no cap on input is given, which it is about", field="on_input_excess")
    _check_texts("force_models", [*terms.force_models, *terms.force_models.values()], TAG_VALUE_CHARS_MAX)
    terms = _check_tags(terms)
    if "provider" in terms.match and (terms.force_models or terms.service_tier or terms.require_tags
                                      or terms.tag_values or terms.tag_values_max):  # fmt: skip
        raise BadControl(
            "match.provider: tags, forced models and tiers are decided before the provider is known; match on model, "
            "or leave them out of this policy",
            field="match.provider",
        )
    return terms


def check_limit(terms: LimitTerms) -> LimitTerms:
    """Raises BadControl."""
    check_match(terms.match)
    if terms.each:
        _check_dimension("each", terms.each)
        if terms.each in terms.match:
            raise BadControl(f"each: {terms.each} is held to one value by the match; leave one of them out",
                             field="each")  # fmt: skip
    figures = ("requests_per_minute", "tokens_per_minute", "concurrent")
    if all(getattr(terms, field) is None for field in figures):
        raise BadControl(f"terms: the limit limits nothing: give it one of {', '.join(figures)}", field="terms")
    for field in figures:
        _check_figure(field, getattr(terms, field))
    return terms


def check_kill(terms: KillTerms) -> KillTerms:
    """Raises BadControl."""
    check_match(terms.match)
    reason = check_reason(terms.reason)
    if terms.until is not None and terms.until.tzinfo is None:
        raise BadControl("until: say the zone too, as in 2026-11-26T18:00:00Z", field="until")
    return msgspec.structs.replace(terms, reason=reason)


def check_caching(terms: CacheTerms, why_no_embeddings: WhyNot | None = None) -> CacheTerms:
    """The same terms, written alike however they were given. Raises BadControl.

    A rule without any cache is one too: its calls are cached by no other. why_no_embeddings: of an upstream; None: that
    isn't known here.
    """
    check_match(terms.match)
    for field, wrong in faults_of_caching(terms, why_no_embeddings):
        raise BadControl(f"{field}: {wrong}", field=field)
    return msgspec.structs.replace(
        terms, prompt=_sparse(terms.prompt), exact=_sparse(terms.exact), semantic=_sparse(terms.semantic)
    )


def _sparse(cache: T) -> T:
    """A cache's fields, none given that is at its default: `omit_defaults` leaves out the default object, and not
    another 3600 or 0.95."""
    if not isinstance(cache, msgspec.Struct):
        return cache
    given = {
        field.name: value
        for field in msgspec.structs.fields(cache)
        if (value := getattr(cache, field.name)) != field.default
    }
    return type(cache)(**given)


def check_reason(reason: str) -> str:
    """The reason without blanks around it. Raises BadControl."""
    reason = reason.strip()
    if not reason or len(reason) > REASON_CHARS_MAX or not reason.isprintable():
        raise BadControl(
            f"reason: say why in 1 to {REASON_CHARS_MAX} printable characters: whoever it stops reads it",
            field="reason",
        )
    return reason


def check_match(match: Match) -> None:
    """Raises BadControl."""
    if len(match) > CONDITIONS_MAX:
        raise BadControl(f"match: {len(match)} conditions; at most {CONDITIONS_MAX}", field="match")
    for name, value in match.items():
        _check_dimension(f"match.{name}", name)
        if not value or len(value) > TAG_VALUE_CHARS_MAX or not value.isprintable():
            raise BadControl(
                f"match.{name}: a value of 1 to {TAG_VALUE_CHARS_MAX} printable characters; to match every call, "
                "leave the condition out",
                field=f"match.{name}",
            )


def _check_dimension(field: str, name: str) -> None:
    if name in MATCHED:
        return
    if not (name.startswith(TAG_PREFIX) and 0 < len(name) - len(TAG_PREFIX) <= TAG_KEY_CHARS_MAX):
        raise BadControl(
            f"{field}: there is no {name[:80]!r}; there are {', '.join(MATCHED)}, and any tag as tag:NAME", field=field
        )


def _check_figure(field: str, figure: int | None) -> None:
    if figure is not None and not 1 <= figure <= FIGURE_MAX:
        raise BadControl(
            f"{field}: {figure}; from 1 to {FIGURE_MAX} (to refuse everything: `bursar kill add`)", field=field
        )


def _check_texts(field: str, texts: Iterable[str], chars_max: int) -> None:
    texts = list(texts)
    if len(texts) > ITEMS_MAX:
        raise BadControl(f"{field}: {len(texts)} items; at most {ITEMS_MAX} (a pattern may have * and ?)", field=field)
    for text in texts:
        if not text or len(text) > chars_max or not text.isprintable():
            raise BadControl(f"{field}: {text[:80]!r}; each has 1 to {chars_max} printable characters", field=field)


def _check_tags(terms: PolicyTerms) -> PolicyTerms:
    terms = msgspec.structs.replace(
        terms,
        require_tags=tuple(_bare(name) for name in terms.require_tags),
        tag_defaults=_bare_keys(terms.tag_defaults),
        tag_values=_bare_keys(terms.tag_values),
        tag_values_max=_bare_keys(terms.tag_values_max),
    )
    for field in ("require_tags", "tag_defaults", "tag_values", "tag_values_max"):
        _check_texts(field, getattr(terms, field), TAG_KEY_CHARS_MAX)
        if any(not name.isascii() for name in getattr(terms, field)):
            raise BadControl(f"{field}: tags have ASCII names", field=field)
    _check_texts("tag_defaults", terms.tag_defaults.values(), TAG_VALUE_CHARS_MAX)
    for values in terms.tag_values.values():
        _check_texts("tag_values", values, TAG_VALUE_CHARS_MAX)
    for name, figure in terms.tag_values_max.items():
        if not 1 <= figure <= TAG_VALUES_COUNTED_MAX:
            raise BadControl(
                f"tag_values_max: {figure} values of {name}; from 1 to {TAG_VALUES_COUNTED_MAX}", field="tag_values_max"
            )
    missing = [name for name in terms.require_tags if name not in terms.tag_defaults]
    if terms.on_missing == "default" and (missing or not terms.require_tags):
        raise BadControl(
            f"tag_defaults: on_missing is default, and there is no default for {', '.join(missing) or 'any tag'}: "
            "list each in require_tags and give its value in tag_defaults",
            field="tag_defaults",
        )
    if terms.tag_defaults and terms.on_missing != "default":
        raise BadControl("on_missing: tag_defaults are given, which only on_missing = default puts in",
                         field="on_missing")  # fmt: skip
    return terms


def _bare(name: str) -> str:
    return name.removeprefix(TAG_PREFIX)


def _bare_keys(values: Mapping[str, T]) -> dict[str, T]:
    return {_bare(name): value for name, value in values.items()}


def ends_at(span: str, until: str, now_us: int) -> datetime | None:
    """When a kill ends, from how long it is to last ("30m", "2h", "7d") or a time with its zone; None: neither is said.

    Raises BadControl for both, or for what is neither.
    """
    if span and until:
        raise BadControl("for and until: say one of them", field="until")
    if span:
        count, unit = span[:-1], SPAN_SECONDS.get(span[-1:])
        if unit is None or not (count.isascii() and count.isdigit()) or not 0 < int(count) * unit <= SPAN_MAX_S:
            raise BadControl(f"for is {span[:40]!r}; write how long as 30m, 2h or 7d, a year at most", field="for")
        return datetime_from_us(now_us + int(count) * unit * 1_000_000)
    try:
        return datetime.fromisoformat(until) if until else None
    except ValueError as error:
        raise BadControl(
            f"until is {until[:40]!r}; write a time such as 2026-11-26T18:00:00Z", field="until"
        ) from error
