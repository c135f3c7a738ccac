"""The same model for less in another region, or at another provider that is in use already."""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from bursar.advisor.advice import Advice
from bursar.advisor.drafts import client_draft, draft_name, match_of, route_draft
from bursar.advisor.giving import give
from bursar.advisor.look import Look, Segment, Slice, total
from bursar.domain.routes import RouteRule, Target
from bursar.prices.regions import UNMETERED

_OWNER = re.compile(r"^(?:.*/|(?:us|eu|apac|jp|global)\.)*(?:(?:anthropic|meta|mistral|amazon|cohere|deepseek)\.)?")
_VARIANT = re.compile(
    r"[-_:](?:instruct|turbo|versatile|chat|maas|hf|it|fp8|v\d+:\d+|\d{8}|20\d\d-\d\d-\d\d)(?=[-_:]|$)"
)


def take_cheaper_places(look: Look) -> list[Advice]:
    """For each segment the cheaper of both, if one is cheaper."""
    found = []
    for segment, slices in look.segments.items():
        region = _without_region(look, slices)
        there, elsewhere = _elsewhere(look, segment, slices)
        if there is not None and look.is_worth(elsewhere) and total(elsewhere) > total(region):
            found.append(_to_provider(look, segment, there, elsewhere))
        elif look.is_worth(region):
            found.append(_to_region(look, segment, slices, region))
    return found


def same_model(model: str) -> str:
    """What a model is called wherever it is sold: without its owner, date and how it is served.

    >>> same_model("anthropic.claude-sonnet-4-5-20250929-v1:0"), same_model("meta-llama/Llama-3.3-70B-Instruct-Turbo")
    ('claude-sonnet-4-5', 'llama-3.3-70b')
    """
    plain = _OWNER.sub("", model.lower())
    while (shorter := _VARIANT.sub("", plain)) != plain:
        plain = shorter
    return plain.replace(".", "-") if plain.startswith("claude") else plain


def _without_region(look: Look, slices: Iterable[Slice]) -> dict[date, Decimal]:
    placed = [one for one in slices if one.region not in UNMETERED]
    return look.saved(placed, lambda one: _price(look, one, region=""))


def _price(look: Look, one: Slice, *, provider: str = "", model: str = "", region: str = "") -> Decimal | None:
    sheet = look.sheet(one, provider=provider, model=model, region=region)
    return look.price(one, sheet) if sheet is not None and not sheet.assumption else None


def _elsewhere(look: Look, segment: Segment, slices: list[Slice]) -> tuple[Segment | None, dict[date, Decimal]]:
    """The provider in use at which the same model saves most."""
    name = same_model(segment.model)
    others = {
        (other.provider, other.model): other
        for other in look.segments
        if other.provider != segment.provider and same_model(other.model) == name
    }
    tried = [
        (look.saved(slices, lambda one, to=other: _price(look, one, provider=to.provider, model=to.model)), other)  # type: ignore[misc]
        for other in others.values()
    ]
    if not tried:
        return None, {}
    daily, best = max(tried, key=lambda pair: total(pair[0]))
    return best, daily


def _to_region(look: Look, segment: Segment, slices: Iterable[Slice], daily: dict[date, Decimal]) -> Advice:
    region = next(one.region for one in slices if one.region not in UNMETERED)
    return give(
        look, "place", segment, look.claim(segment, "NOT list_contains($free, region)", free=sorted(UNMETERED)),
        look.monthly(daily),
        title=f"Serve {segment.name} without a region of its own",
        why=f"Calls that must be served in {region} cost more than the same calls served anywhere.",
        change=client_draft(
            f"served in {region}", "served anywhere", "leave the region out of the request, or of the upstream"
        ),
        confidence="measured", effort="low", risk="high",
        doubts=("A contract or a law may bind these calls to the region: ask before anything is changed.",),
        about=region,
    )  # fmt: skip


def _to_provider(look: Look, segment: Segment, there: Segment, daily: dict[date, Decimal]) -> Advice:
    home, to = look.homes[segment], look.homes[there]
    rule = RouteRule(
        name=draft_name("place", segment), match=match_of(look, segment),
        targets=(Target(to.upstream, to.model_sent), Target(home.upstream)),
    )  # fmt: skip
    return give(
        look, "place", segment, look.claim(segment), look.monthly(daily),
        title=f"Send {segment.name} to {there.provider}",
        why=f"The same model costs less at {there.provider}, which other calls of yours use already.",
        change=route_draft(rule, f"{home.upstream}/{home.model_sent}", f"{to.upstream}/{to.model_sent} first"),
        confidence="measured", effort="low", risk="medium",
        doubts=(
            "Providers serve one model with other limits, speeds and number formats; a shadow shows how answers agree.",
            "Other places mean other terms for the data.",
        ),
        about=there.provider,
    )  # fmt: skip
