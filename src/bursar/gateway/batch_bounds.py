"""What a batch can cost at most: of its input file as it went through Bursar, or of the requests in its body."""

from collections.abc import Mapping

from bursar.budgets.bounds import learned_as
from bursar.budgets.media import media_tokens
from bursar.domain.jobs import Models
from bursar.gateway.bound import UNKNOWN
from bursar.gateway.call import Bound, Worker
from bursar.gateway.line_meter import BATCH_TIER
from bursar.gateway.meter import NO_COST, NOT_TEXT, lacks_fee
from bursar.gateway.route import Route
from bursar.prices.rates import UnpricedUnit, bound_pico
from bursar.providers.base import Asked
from bursar.providers.batches import requests_of
from bursar.providers.reading import UNREADABLE
from bursar.providers.splice import doubled_field

NOT_BOUND = "?"  # under this name stand requests whose size says nothing of their cost, or that can't be read
IN_DOUBT = "??"  # and under this one, once more, those that give a field twice
NO_MODELS = frozenset({NOT_BOUND, IN_DOUBT})


def models_of(kind: str, content: bytes) -> dict[str, Models]:
    """What a batch asks for, by model; nothing of its text."""
    found: dict[str, Models] = {}
    for request in requests_of(kind, content):
        if request is None:
            found[NOT_BOUND] = Models(found.get(NOT_BOUND, Models()).requests + 1)
            continue
        dialect, asked, body = request
        if dialect.operation in NO_COST:
            continue
        size = len(body)
        if _is_in_doubt(body):
            found[IN_DOUBT] = Models(found.get(IN_DOUBT, Models()).requests + 1)
        if dialect.operation in NOT_TEXT or _brings_more(asked):
            found[NOT_BOUND] = Models(found.get(NOT_BOUND, Models()).requests + 1)
        for other, _ in asked.also:  # policies are asked about these, too
            found.setdefault(other, Models())
        name = asked.model
        has_output = dialect.operation in ("chat", "text_completion")
        limit = (asked.max_output_tokens or 0) * (asked.choices or 1) if has_output else 0
        known = found.get(name, Models())
        found[name] = Models(
            known.requests + 1,
            known.input_bytes + size - asked.data_bytes,
            known.media_tokens + (media_tokens(asked.model, asked.media) if asked.media else 0),
            known.output_tokens + limit,
            known.unlimited + ((asked.choices or 1) if has_output and not asked.max_output_tokens else 0),
            max(known.largest_bytes, size),
            known.searches + asked.searches,
            known.region or asked.region,
        )
    return found


def _brings_more(asked: Asked) -> bool:
    """Whether a request costs more than its own bytes and its model say: what its provider kept, another model."""
    return bool(asked.continues or asked.also or asked.fees) or asked.passes > 1


def _is_in_doubt(body: bytes) -> bool:
    try:
        return bool(doubled_field(body))
    except UNREADABLE:
        return True


def bound_of_batch(worker: Worker, route: Route, models: Mapping[str, Models] | None, now_us: int) -> Bound:
    """The most that it can cost; unknown where its file is, where a request gives a
    field twice, or a model of it has no price.

    An answer without a limit counts `gateway.output_tokens_default` tokens: it can be longer, and is posted in full.
    """
    if not models:
        return UNKNOWN
    pico, sku_price_id = 0, ""
    for model, asks in models.items():
        one = _of_model(worker, route, model, asks, now_us)
        if one.pico is None:
            return UNKNOWN
        pico, sku_price_id = pico + one.pico, one.sku_price_id
    return Bound(pico, pico, sku_price_id)


def _of_model(worker: Worker, route: Route, model: str, asks: Models, now_us: int) -> Bound:
    learned, ceilings = learned_as(route.name, model), worker.meter.ceilings
    tokens = ceilings.input_tokens(learned, asks.input_bytes) + ceilings.media_tokens(learned, asks.media_tokens)
    largest = ceilings.input_tokens(learned, asks.largest_bytes)
    output = asks.output_tokens + asks.unlimited * worker.settings.output_tokens_default
    known_as = route.settings.model_names.get(model, model)
    sheet = worker.meter.book.at(
        route.provider, known_as, now_us, tier=BATCH_TIER, input_tokens=largest, region=asks.region
    )
    if sheet is None or lacks_fee(sheet, route.provider, known_as):
        return UNKNOWN
    try:
        return Bound(bound_pico(sheet, tokens, output, asks.searches), None, sheet.sku_price_id)
    except UnpricedUnit:
        return UNKNOWN


def sole_model(models: Mapping[str, Models] | None) -> str:
    """The model that a batch is about for budgets and policies: the one with the most requests; "" if unknown."""
    known = {name: asks for name, asks in (models or {}).items() if name not in NO_MODELS}
    return max(known, key=lambda name: known[name].requests) if known else ""
