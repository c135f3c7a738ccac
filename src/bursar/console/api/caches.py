"""The JSON API of cache rules: reading, making, changing, switching, resuming, clearing, removing.

Handlers that share a path are coroutines, as in `controls.py`.
"""

import asyncio
from datetime import datetime

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from bursar.console.api.controls import Asked, Switch, changing, controls_of, listed
from bursar.console.api.parameters import PROBLEMS, Shape
from bursar.console.context import ACTOR
from bursar.console.prompt_breaks import BreaksTold, breaks_told
from bursar.domain.cache_words import cache_phrases
from bursar.domain.caching import CacheRule, CacheTerms
from bursar.domain.clock import datetime_from_us
from bursar.domain.controls import written
from bursar.domain.resemblance import shown_measured
from bursar.governance.controls import Controls


class CacheAnswer(msgspec.Struct, frozen=True):
    """A cache rule. `terms` holds what it says, defaults left out; `says` the same in words.

    stopped: why its prompt caching was turned off by what it cost; "": it wasn't. measured: what the shadow of its
    semantic cache has shown, in words; "": it has none. cleared_at: when what it had kept was cleared last, if ever.
    """

    rule_id: str
    name: str
    is_on: bool
    match: str
    terms: CacheTerms
    says: list[str]
    stopped: str
    measured: str
    created_at: datetime
    created_by: str
    cleared_at: datetime | None = None


class NewCache(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cache rule to be made."""

    name: str
    terms: CacheTerms
    is_on: bool = True


class ChangedCache(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the rule shall say from now on."""

    terms: CacheTerms
    is_on: bool = True


@get("/api/caches", responses=PROBLEMS, summary="Cache rules, on and off")
async def caches(request: Asked, format_: Shape = None) -> Response[list[CacheAnswer]]:
    """All that weren't removed, in the order in which they are asked: the first that matches a call decides."""
    found = await asyncio.to_thread(controls_of(request).caches.all)
    return listed([cache_answer(one) for one in found], format_, CacheAnswer)


@post("/api/caches", responses=PROBLEMS, summary="Make a cache rule")
async def make_cache(request: Asked, data: JSONBody[NewCache]) -> CacheAnswer:
    """In force on all workers within a second, unless it is off. 400 `bad_control`, 409 `name_taken`."""

    def make(controls: Controls) -> CacheAnswer:
        return cache_answer(controls.caches.create(data.name, data.terms, is_on=data.is_on, actor=ACTOR))

    return await asyncio.to_thread(changing, request, make)


@put("/api/caches/{name:str}", responses=PROBLEMS, summary="Change a cache rule")
async def change_cache(request: Asked, name: FromPath[str], data: JSONBody[ChangedCache]) -> CacheAnswer:
    """By its name or id: what isn't said is at its default. It keeps its place among those of its position, and stays
    stopped if it was. 400 `bad_control`, 404 `unknown_control`."""

    def change(controls: Controls) -> CacheAnswer:
        rule = controls.caches.change(name, data.terms, actor=ACTOR)
        return cache_answer(controls.caches.switch(rule.rule_id, data.is_on, actor=ACTOR))

    return await asyncio.to_thread(changing, request, change)


@delete("/api/caches/{name:str}", status_code=200, responses=PROBLEMS, summary="Remove a cache rule")
async def remove_cache(request: Asked, name: FromPath[str]) -> CacheAnswer:
    """By its name or id. 404 `unknown_control`."""

    def remove(controls: Controls) -> CacheAnswer:
        return cache_answer(controls.caches.remove(name, actor=ACTOR))

    return await asyncio.to_thread(changing, request, remove)


@post("/api/caches/{name:str}/switch", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Switch a cache rule on or off")  # fmt: skip
def switch_cache(request: Asked, name: FromPath[str], data: JSONBody[Switch]) -> CacheAnswer:
    """By its name or id. 404 `unknown_control`."""
    return cache_answer(changing(request, lambda controls: controls.caches.switch(name, data.is_on, actor=ACTOR)))


@post("/api/caches/{name:str}/resume", sync_to_thread=True, status_code=200, responses=PROBLEMS,
      summary="Let stopped prompt caching go on")  # fmt: skip
def resume_cache(request: Asked, name: FromPath[str]) -> CacheAnswer:
    """By its name or id; one that isn't stopped stays as it is. 404 `unknown_control`."""
    return cache_answer(changing(request, lambda controls: controls.caches.resume(name, actor=ACTOR)))


@delete("/api/caches/{name:str}/answers", sync_to_thread=True, status_code=200, responses=PROBLEMS,
        summary="Clear what a cache rule has kept")  # fmt: skip
def clear_cache(request: Asked, name: FromPath[str]) -> CacheAnswer:
    """By its name or id. No call meets any of it from about a second on, also of its semantic cache; the rule stays as
    it is. 404 `unknown_control`."""
    [cleared] = changing(request, lambda controls: controls.caches.clear(name, actor=ACTOR))
    return cache_answer(cleared)


@delete("/api/kept-answers", sync_to_thread=True, status_code=200, responses=PROBLEMS,
        summary="Clear what all cache rules have kept")  # fmt: skip
def clear_caches(request: Asked) -> list[CacheAnswer]:
    """Of rules that are off too. The rules whose answers went."""
    return [cache_answer(one) for one in changing(request, lambda controls: controls.caches.clear(actor=ACTOR))]


@get("/api/prompt-breaks", sync_to_thread=True, responses=PROBLEMS, summary="What breaks prompt caches, and its cost")
def prompt_breaks(request: Asked) -> list[BreaksTold]:
    """Of calls that a rule with `prompt` is about, today and yesterday, dearest first; from hashes, without a text."""
    return breaks_told(request.app.state.context)


def cache_answer(one: CacheRule) -> CacheAnswer:
    return CacheAnswer(
        one.rule_id, one.name, one.is_on, written(one.terms.match), one.terms, cache_phrases(one.terms), one.stopped,
        shown_measured(one),
        datetime_from_us(one.created_us), one.created_by,
        datetime_from_us(one.cleared_us) if one.cleared_us else None,
    )  # fmt: skip


CACHE_HANDLERS = [
    caches, make_cache, change_cache, remove_cache, switch_cache, resume_cache, clear_cache, clear_caches,
    prompt_breaks,
]  # fmt: skip
