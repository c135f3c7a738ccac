"""What a call can cost at most, and likely will, at the prices of its model. Amounts are pico-USD."""

import msgspec

from bursar.budgets.bounds import learned_as
from bursar.budgets.media import WINDOW_MAX, media_tokens
from bursar.domain.charge import Operation, Quality
from bursar.gateway.call import Bound, Call, Way, Worker
from bursar.gateway.meter import NO_COST, NOT_TEXT, lacks_fee
from bursar.gateway.route import Route
from bursar.prices.rates import UnpricedUnit, bound_pico
from bursar.providers.base import Asked

WITHOUT_LIMIT = NO_COST | NOT_TEXT | {Operation.EMBEDDINGS}  # an answer's length can't be limited by the request
FREE = Bound(0, 0, "")
UNKNOWN = Bound(None, None, "")  # a picture, a minute of sound: no size of the request bounds it


def output_limit(worker: Worker, call: Call) -> int:
    """Tokens that the answer can hold, over all its choices; what the request says, else the default of this site."""
    if call.dialect.operation in WITHOUT_LIMIT:
        return 0
    asked = call.asked
    return (asked.max_output_tokens or worker.settings.output_tokens_default) * (asked.choices or 1)


def input_bound(worker: Worker, upstream: str, asked: Asked, body_bytes: int) -> int:
    """Input tokens at most: by what the model's tokens per byte were so far, and media by what providers publish."""
    ceilings, learned = worker.meter.ceilings, learned_as(upstream, asked.model, searches=asked.searches > 0)
    tokens = ceilings.input_tokens(learned, body_bytes - asked.data_bytes)
    if asked.media:
        tokens += ceilings.media_tokens(learned, media_tokens(asked.model, asked.media))
    if asked.continues:
        known = worker.meter.kept.get(asked.continues)
        tokens += WINDOW_MAX if known is None else known
    return tokens


def bound_of(
    worker: Worker, call: Call, output_max: int, now_us: int, *, input_tokens: int | None = None, hidden: int = 0
) -> Bound:
    """The most that the call can cost at the prices of its model, and what it likely will; unknown without a price.

    input_tokens: at most; None: by the model's ceiling. hidden: tokens that may be added to them on the way.
    """
    if call.dialect.operation in NO_COST:
        return FREE
    if call.dialect.operation in NOT_TEXT:
        return bound_sold(worker, call.route, call.asked, now_us)
    if input_tokens is None:
        input_tokens = input_bound(worker, call.route.name, call.asked, len(call.body))
    return bound_at(worker, call.route, call.asked, input_tokens + hidden, output_max, now_us)


def bound_there(worker: Worker, call: Call, way: Way, output_max: int, now_us: int, *, hidden: int = 0) -> Bound:
    """The same for another way that the call may go."""
    if call.dialect.operation in NO_COST:
        return FREE
    route = way.plan.route
    asked = msgspec.structs.replace(call.asked, model=way.model)
    if call.dialect.operation in NOT_TEXT:
        return bound_sold(worker, route, asked, now_us)
    tokens = input_bound(worker, route.name, asked, len(call.body))
    return bound_at(worker, route, asked, tokens + hidden, output_max, now_us)


def bound_sold(worker: Worker, route: Route, asked: Asked, now_us: int) -> Bound:
    """What is sold by the request's own measure (characters, images) costs just that; nothing else is known before."""
    if asked.sold is None:
        return UNKNOWN
    name = asked.sold_as or asked.model
    found = worker.meter.price(asked.sold, Quality.REPORTED, route.provider, name, asked.model, "", "", now_us)
    return Bound(found.list_pico, found.list_pico, found.sku_price_id)


def bound_at(worker: Worker, route: Route, asked: Asked, input_tokens: int, output_max: int, now_us: int) -> Bound:
    """What so many tokens, in and out, cost at an upstream."""
    model, provider, searches = asked.model, route.provider, asked.searches
    if asked.continues:  # no input is billed above the model's window
        input_tokens = min(input_tokens, worker.meter.book.context_tokens(provider, model) or input_tokens)
    sheet = worker.meter.book.at(provider, model, now_us, tier=asked.tier, input_tokens=input_tokens)
    if sheet is None or lacks_fee(sheet, provider, model):
        return UNKNOWN
    usual = worker.meter.ceilings.usual_output_tokens(learned_as(route.name, model, searches=searches > 0), output_max)
    try:
        likely = bound_pico(sheet, input_tokens, usual, searches)
        return Bound(bound_pico(sheet, input_tokens, output_max, searches), likely, sheet.sku_price_id)
    except UnpricedUnit:  # no bound is known; whether such a call may pass is for a strict budget to say
        return Bound(None, None, sheet.sku_price_id)
