"""Whether a call fits where it would go: context, tools, media, region, class of its data. What isn't known fits."""

from fnmatch import fnmatchcase

from bursar.domain.routes import RouteRule, Target
from bursar.gateway.call import Worker
from bursar.gateway.case import Case
from bursar.gateway.route import Route
from bursar.providers.base import Asked

SMALL_TOKENS = 4_000
"""A call of no more bytes and tokens than that fits any model's context."""

DATA_CLASS = "data_class"
"""The tag by which a call says it."""


def misfit(worker: Worker, rule: RouteRule, target: Target, route: Route, asked: Asked, case: Case, model: str) -> str:
    """ "" if it fits; else what doesn't: `region`, `data_class`, `tools`, `image` and other media, `context`.

    Tokens of the input are estimated from its bytes, as this model's answers have shown so far.
    """
    settings = route.settings
    if rule.regions and not any(fnmatchcase(settings.region, pattern) for pattern in rule.regions):
        return "region"
    if settings.data_classes and case.attribution.tags.get(DATA_CLASS) not in settings.data_classes:
        return DATA_CLASS
    if target.lacks:
        if asked.tools and "tools" in target.lacks:
            return "tools"
        for media in asked.media:
            if media.kind in target.lacks:
                return str(media.kind)
    context = target.context_tokens or worker.meter.book.context_tokens(route.provider, model)
    if context:
        text = worker.meter.estimator.estimate(model, case.body_bytes - asked.data_bytes, 0).input
        if text + (asked.max_output_tokens or 0) > context:
            return "context"
    return ""
