"""The models that a Bursar key may use, with their prices, as its client's own list: `GET /v1/models`.

Names are `upstream/model`, as a call may ask for them at any path of a chat dialect, and the site's aliases. Google's
paths hold no slash in a name: its clients get Gemini's models by their own names; so do Bedrock's. Models that policies
or kills keep from the key are left out; so are upstreams without a key of ours.
"""

from collections.abc import Hashable, Iterator
from decimal import Decimal
from fnmatch import fnmatchcase

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError
from bursar.domain.usage import Unit
from bursar.gateway.call import Worker
from bursar.gateway.case import Case
from bursar.gateway.decide import case_of
from bursar.gateway.envelope import SAYS_NOTHING, Envelope
from bursar.gateway.forward import GOOGLE_FAMILIES
from bursar.gateway.route import Route

MODELS_MAX = 5_000
OWN_NAMES = frozenset({"gemini", "bedrock"})  # paths that hold a model's own name, of their own provider
FEMTO_PER_USD = 10**15
MILLION = 10**6


class Listed(msgspec.Struct, frozen=True):
    """A model as it may be asked for."""

    id: str
    owner: str
    description: str


def list_models(worker: Worker, envelope: Envelope, family: str) -> bytes:
    """The list in the shape that clients of a family expect: made anew when rules or prices change, else as kept."""
    now_us, made_of = worker.clock.now_us(), (envelope.snapshot, worker.meter.book)
    key: tuple[Hashable, ...] = (family,)
    if worker.decider.is_active:  # whom the rules of this site let ask what
        credential, attribution = envelope.credential, envelope.attributed.attribution
        key = (family, credential.scope, credential.id, credential.kind, msgspec.json.encode(attribution))
    body = worker.lists.find(key, made_of, now_us)
    if body is None:
        body = written_list(worker, envelope, family)
        worker.lists.keep(key, body, now_us)
    return body


def written_list(worker: Worker, envelope: Envelope, family: str) -> bytes:
    """The list, made anew."""
    found = list(models_of(worker, envelope, family))
    if family == "anthropic":
        rows = [
            {
                "type": "model",
                "id": one.id,
                "display_name": one.id,
                "created_at": "1970-01-01T00:00:00Z",  # nobody says when
                "description": one.description,
            }
            for one in found
        ]
        ends = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": None, "last_id": None}
        return msgspec.json.encode({"data": rows, "has_more": False, **ends})
    if family == "gemini":
        methods = ["generateContent", "streamGenerateContent"]
        return msgspec.json.encode(
            {
                "models": [
                    {
                        "name": f"models/{one.id}",
                        "displayName": one.id,
                        "description": one.description,
                        "supportedGenerationMethods": methods,
                    }
                    for one in found
                ]
            }
        )
    if family == "bedrock":
        profiles = [
            {
                "inferenceProfileId": one.id,
                "inferenceProfileName": one.id,
                "description": one.description,
                "status": "ACTIVE",
                "type": "SYSTEM_DEFINED",
            }
            for one in found
        ]
        return msgspec.json.encode({"inferenceProfileSummaries": profiles})
    data = [
        {"id": one.id, "object": "model", "created": 0, "owned_by": one.owner, "description": one.description}
        for one in found
    ]
    return msgspec.json.encode({"object": "list", "data": data})


def models_of(worker: Worker, envelope: Envelope, family: str) -> Iterator[Listed]:
    """Aliases first, then each upstream's models; at most MODELS_MAX."""
    now_us = worker.clock.now_us()
    case = case_of(envelope.credential, envelope.attributed.attribution, SAYS_NOTHING, Operation.CHAT, 0)
    aliases = {} if family == "bedrock" else worker.settings.aliases  # which stand for a model of any provider
    for alias, meant in aliases.items():
        yield Listed(alias, "bursar", f"stands for {meant}")
    count = len(aliases)
    for route in worker.routes.routes:
        if route.codec is None or (route.settings.api_key_env and not route.api_key):
            continue
        if family in OWN_NAMES and family not in route.families:
            continue
        for model in names_at(worker, route):
            if count >= MODELS_MAX:
                return
            if is_allowed(worker, case, route, model, now_us):
                count += 1
                name = model if family in OWN_NAMES else f"{route.name}/{model}"
                yield Listed(name, route.provider, price_text(worker, route, model, now_us))


def names_at(worker: Worker, route: Route) -> list[str]:
    """What an upstream is known to have: the price list's models of its provider that its `models` let through, and
    names that stand there in full."""
    patterns = route.settings.models
    known = worker.meter.book.models_of(route.provider)
    if route.family in GOOGLE_FAMILIES:  # their price list has Anthropic's too, which are asked at other paths
        known = [name for name in known if "claude" not in name]
    if not patterns:
        return known
    plain = [pattern for pattern in patterns if not any(mark in pattern for mark in "*?[")]
    return plain + [
        name for name in known if name not in plain and any(fnmatchcase(name, pattern) for pattern in patterns)
    ]


def is_allowed(worker: Worker, case: Case, route: Route, model: str, now_us: int) -> bool:
    """Whether policies and kills let the key ask for it."""
    if not worker.decider.is_active:
        return True
    settings = route.settings
    try:
        worker.decider.reconsider(case, model, settings.provider, settings.region, now_us)
    except BursarError:
        return False
    return True


def price_text(worker: Worker, route: Route, model: str, now_us: int) -> str:
    """ "$0.15 in, $0.6 out per million tokens": list prices, now."""
    sheet = worker.meter.book.at(route.provider, model, now_us)
    if sheet is None:
        return "no price is known"
    told = []
    for unit, word in ((Unit.INPUT, "in"), (Unit.CACHE_READ, "cached"), (Unit.OUTPUT, "out")):
        price = sheet.unit_prices.get(unit)
        if price is not None and (unit is not Unit.CACHE_READ or unit in sheet.listed):
            told.append(f"${plain(Decimal(price) * MILLION / FEMTO_PER_USD)} {word}")
    return f"{', '.join(told)} per million tokens" if told else "no price by the token"


def plain(amount: Decimal) -> str:
    """Digits as people write them: 0.15, 3, 1000."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
