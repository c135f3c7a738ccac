"""What a call can cost at most, and likely will, at the prices of its model. Amounts are pico-USD."""

from msgspec.structs import replace

from bursar.budgets.bounds import learned_as
from bursar.budgets.media import WINDOW_MAX, media_tokens
from bursar.domain.charge import Operation, Quality
from bursar.domain.money import PICO_MAX
from bursar.domain.storage import HOUR_US
from bursar.domain.usage import Usage
from bursar.gateway.call import Bound, Call, Way, Worker
from bursar.gateway.meter import NO_COST, NOT_TEXT, lacks_fee
from bursar.gateway.route import Route
from bursar.prices.rates import UnpricedUnit, bounds_pico, storage_bound_pico
from bursar.providers.base import Asked
from bursar.providers.values import Keeps

WITHOUT_LIMIT = NO_COST | NOT_TEXT | {Operation.EMBEDDINGS}  # an answer's length can't be limited by the request
TTL_DEFAULT_US = HOUR_US  # of a cached content that says no lifetime: Google's guide to caching, 2026-11
CLOCKS_APART_US = 60 * 1_000_000  # between our deciding and the provider's, by clocks that don't agree
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
    ceilings, learned = worker.meter.ceilings, learned_as(upstream, asked.model, searches=asked.reads_more)
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
    if call.asked.keeps is not None:
        return bound_kept(worker, call, call.route, call.asked, now_us)
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
    asked, size, translation = call.asked, len(call.body), call.translation
    if translation is not None and way.plan.other is None:  # there it is said whole, with what the first way left out
        asked, size = translation.asked, len(translation.body)
    asked = replace(asked, model=way.model)
    if asked.keeps is not None:
        return bound_kept(worker, call, route, asked, now_us)
    if call.dialect.operation in NOT_TEXT:
        return bound_sold(worker, route, asked, now_us)
    tokens = input_bound(worker, route.name, asked, size)
    return bound_at(worker, route, asked, tokens + hidden, output_max, now_us)


def bound_sold(worker: Worker, route: Route, asked: Asked, now_us: int) -> Bound:
    """What is sold by the request's own measure (characters, images) costs just that; nothing else is known before."""
    if asked.sold is None:
        return UNKNOWN
    name = asked.sold_as or asked.model
    found = worker.meter.price(asked.sold, Quality.REPORTED, route.provider, name, asked.model, "", "", now_us)
    return Bound(found.list_pico, found.list_pico, found.sku_price_id)


def bound_kept(worker: Worker, call: Call, route: Route, asked: Asked, now_us: int) -> Bound:
    """What the storage costs that a call asks for: its tokens for the lifetime, or those of a known cached content for
    what is added to that. Unknown for one that wasn't made through Bursar: nothing says its model before the answer."""
    keeps, book = asked.keeps or Keeps(), worker.meter.book
    ends = [now_us + keeps.ttl_us] if keeps.ttl_us is not None else []
    ends += [] if keeps.until_us is None else [keeps.until_us]
    known, model = keeps.known, asked.model
    if call.dialect.operation == Operation.CACHE:
        window = book.context_tokens(route.provider, model) or WINDOW_MAX
        tokens = min(input_bound(worker, route.name, asked, len(call.body)), window)
        kept_us = max(ends, default=now_us + TTL_DEFAULT_US) - now_us
    elif known is None or not ends:
        return UNKNOWN
    else:
        model = known.model
        window = book.context_tokens(route.provider, model) or WINDOW_MAX
        tokens = window if known.tokens is None else known.tokens
        kept_us = max(ends) - known.until_us
    kept_us = max(0, kept_us + CLOCKS_APART_US)
    made = tokens if call.dialect.operation == Operation.CACHE and route.family == "vertex" else 0
    sheet = book.at(route.provider, model, now_us, input_tokens=made)
    if sheet is None:
        return UNKNOWN
    try:
        pico = storage_bound_pico(sheet, tokens, kept_us, made)
    except UnpricedUnit:
        return Bound(None, None, sheet.sku_price_id)
    return Bound(pico, pico, sheet.sku_price_id)


def bound_at(worker: Worker, route: Route, asked: Asked, input_tokens: int, output_max: int, now_us: int) -> Bound:
    """What so many tokens, in and out, cost at an upstream."""
    if asked.continues:  # no input is billed above the model's window
        window = worker.meter.book.context_tokens(route.provider, asked.model)
        input_tokens = min(input_tokens, window or input_tokens)
    bound = _at_price(worker, route, asked, input_tokens, output_max, now_us)
    if not (asked.tier or asked.fees or asked.also):  # the common call
        return bound
    if asked.tier:  # what was asked for may not be served, and the standard price may be the dearer one
        bound = _dearer(bound, _at_price(worker, route, replace(asked, tier=""), input_tokens, output_max, now_us))
    for name, times in asked.fees:
        bound = _with_more(bound, bound_sold(worker, route, Asked(name, sold=Usage(request=times)), now_us), 1)
    written = max(output_max, worker.settings.output_tokens_default)  # the request's limit isn't for theirs
    for model, times in asked.also:
        other = replace(asked, model=model, tier="", searches=0)
        more = _at_price(worker, route, other, input_tokens + output_max, written, now_us)
        bound = _with_more(bound, more, times)
    return bound


def _at_price(worker: Worker, route: Route, asked: Asked, input_tokens: int, output_max: int, now_us: int) -> Bound:
    """By the tier that is asked for, of one model."""
    model, provider, searches, book = asked.model, route.provider, asked.searches, worker.meter.book
    sheet = book.at(provider, model, now_us, tier=asked.tier, input_tokens=input_tokens, region=asked.region)
    if sheet is None or lacks_fee(sheet, provider, model):
        return UNKNOWN
    learned = learned_as(route.name, model, searches=asked.reads_more)
    usual = worker.meter.ceilings.usual_output_tokens(learned, output_max)
    read, passes = input_tokens * asked.passes, asked.passes
    try:
        bound, likely = bounds_pico(sheet, read, output_max * passes, usual * passes, searches)
        return Bound(bound, likely, sheet.sku_price_id)
    except UnpricedUnit:  # no bound is known; whether such a call may pass is for a strict budget to say
        return Bound(None, None, sheet.sku_price_id)


def _with_more(bound: Bound, more: Bound, times: int) -> Bound:
    """With what else may be billed so many times; unknown if either is."""
    if bound.pico is None or bound.likely_pico is None or more.pico is None:
        return Bound(None, None, bound.sku_price_id)
    return Bound(min(bound.pico + times * more.pico, PICO_MAX), bound.likely_pico, bound.sku_price_id)


def _dearer(one: Bound, other: Bound) -> Bound:
    """The higher of two; unknown if one is."""
    if one.pico is None or other.pico is None or one.likely_pico is None or other.likely_pico is None:
        return Bound(None, None, one.sku_price_id)
    return Bound(max(one.pico, other.pico), max(one.likely_pico, other.likely_pico), one.sku_price_id)
