"""What policies and limits say, in words: a phrase for each rule."""

from collections.abc import Iterable, Sequence

from bursar.domain.controls import LimitTerms, PolicyTerms
from bursar.domain.display import count

LISTED_MAX = 6


def policy_phrases(terms: PolicyTerms) -> list[str]:
    """One phrase per rule: "not gpt-4o", "max_tokens at most 4,096, lowered"."""
    return list(_policy(terms))


def limit_phrases(terms: LimitTerms) -> list[str]:
    """One phrase per figure."""
    figures = (
        (terms.requests_per_minute, "request{s} a minute"),
        (terms.tokens_per_minute, "token{s} a minute"),
        (terms.concurrent, "at a time"),
    )
    return [
        f"{count(figure)} {what.format(s='' if figure == 1 else 's')}" for figure, what in figures if figure is not None
    ]


def _policy(terms: PolicyTerms) -> Iterable[str]:
    for allow, deny, what in (
        (terms.allow_models, terms.deny_models, "models"),
        (terms.allow_providers, terms.deny_providers, "providers"),
        (terms.allow_regions, terms.deny_regions, "regions"),
    ):
        if allow:
            yield f"only {what} {_some(allow)}"
        if deny:
            yield f"not {what} {_some(deny)}"
    above = ", else warns" if terms.on_input_excess == "warn" else ""
    if terms.input_bytes_max:
        yield f"at most {count(terms.input_bytes_max)} bytes in{above}"
    if terms.input_tokens_max:
        yield f"at most {count(terms.input_tokens_max)} tokens in{above}"
    if terms.output_tokens_max:
        excess = "lowered" if terms.on_output_excess == "lower" else "else refused"
        yield f"max_tokens at most {count(terms.output_tokens_max)}, {excess}"
    for request_type, model in terms.force_models.items():
        yield f"{model} for {'every request type' if request_type == '*' else request_type}"
    if terms.service_tier:
        yield f"the {terms.service_tier} service tier"
    if terms.require_tags and terms.on_missing == "default":
        yield f"default {_some([f'{name}={value}' for name, value in terms.tag_defaults.items()])}"
    elif terms.require_tags:
        yield f"{_some(terms.require_tags)} must be said, {'else refused' if terms.on_missing == 'reject' else 'warns'}"
    bad = "else refused" if terms.on_tag_value == "reject" else "warns"
    for name, values in terms.tag_values.items():
        yield f"{name} is one of {_some(values)}, {bad}"
    for name, most in terms.tag_values_max.items():
        yield f"{name} has at most {count(most)} values a day, {bad}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:LISTED_MAX])
    return shown if len(names) <= LISTED_MAX else f"{shown} and {len(names) - LISTED_MAX} more"
