"""Journal records for tests: plain, priced, and with ids that sort by time."""

from typing import Any

import msgspec

from bursar.domain.ids import Ids
from bursar.domain.savings import Saved
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.spool.records import CallFacts, Dispatched, Ended, Settled

T0 = 1_793_000_000_000_000  # 2026-10-26, in µs
INPUT_FEMTO = 1_250_000_000  # $1.25 per million
OUTPUT_FEMTO = 10_000_000_500  # $10.0000005 per million: sums of it need the rounding
IDS = Ids()


def call_facts(at_us: int = T0, **changes: Any) -> CallFacts:
    own: dict[str, Any] = {
        "call_id": IDS.new(at_us),
        "received_us": at_us,
        "dialect": "openai-chat",
        "operation": "chat",
        "scope": Scope("acme", "core", "shop"),
        "credential_id": "vk_1",
        "credential_kind": "virtual",
        "model_asked": "gpt-5",
        "stream": False,
        "request_bytes": 1_400,
        "fingerprint": "00ff",
        "attribution": Attribution(feature="checkout", team="core", customer="acme", tags={"plan": "pro"}),
    }
    return CallFacts(**(own | changes))


def dispatched(seq: int, call: CallFacts | None = None, **changes: Any) -> Dispatched:
    call = call or call_facts()
    at_us = changes.pop("dispatched_us", call.received_us + 150)
    own: dict[str, Any] = {
        "seq": seq,
        "attempt_id": IDS.new(at_us),
        "attempt_number": 1,
        "dispatched_us": at_us,
        "provider": "openai",
        "upstream": "openai",
        "model_sent": call.model_asked,
        "region": "",
        "tier_asked": "",
        "retry_cause": "",
        "bound_pico": 40_000_000_000,
        "sku_price_id": "openai/gpt-5@2026-01-01",
        "call": call,
    }
    return Dispatched(**(own | changes))


def settled(of: Dispatched, input: int = 1_000, output: int = 20, **changes: Any) -> Settled:
    femto = input * INPUT_FEMTO + output * OUTPUT_FEMTO
    pico, rest = divmod(femto, 1_000)
    pico += rest > 500 or (rest == 500 and pico % 2 == 1)
    own: dict[str, Any] = {
        "attempt_id": of.attempt_id,
        "first_byte_us": of.dispatched_us + 300_000,
        "ended_us": of.dispatched_us + 900_000,
        "http_status": 200,
        "outcome": "ok",
        "quality": "reported",
        "error_code": "",
        "finish_reason": "stop",
        "model_served": "gpt-5-2026-01-01",
        "tier_served": "default",
        "upstream_id": "chatcmpl-1",
        "usage": Usage(input=input, output=output),
        "lines": [("input", input, INPUT_FEMTO), ("output", output, OUTPUT_FEMTO)],
        "list_pico": pico,
        "counterfactual_pico": None,
        "lever": "",
        "sku_id": "openai/gpt-5",
        "sku_price_id": "openai/gpt-5@2026-01-01",
        "provider_cost_pico": None,
        "response_bytes": 3_000,
        "final": True,
        "call_outcome": "ok",
        "client_status": 200,
    }
    return Settled(**(own | changes))


def failed(of: Dispatched, **changes: Any) -> Settled:
    """A 529: nothing used, known to cost nothing; another attempt follows unless `final`."""
    own: dict[str, Any] = {
        "http_status": 529,
        "outcome": "provider_error",
        "error_code": "overloaded_error",
        "finish_reason": "",
        "lines": [],
        "list_pico": 0,
        "final": False,
        "call_outcome": "provider_error",
    }
    return settled(of, 0, 0, **(own | changes))


def unpriced(of: Dispatched, input: int = 100, output: int = 10, **changes: Any) -> Settled:
    own: dict[str, Any] = {"quality": "unpriced", "lines": [], "list_pico": None, "sku_id": "", "sku_price_id": ""}
    return settled(of, input, output, **(own | changes))


def ended(call: CallFacts | None = None, **changes: Any) -> Ended:
    call = call or call_facts()
    own: dict[str, Any] = {
        "ended_us": call.received_us + 50,
        "outcome": "client_error",
        "error_code": "invalid_json",
        "client_status": 400,
        "call": call,
    }
    return Ended(**(own | changes))


def with_savings(end: Settled, saved: Saved) -> Settled:
    """The end of a charge, with what its levers saved."""
    assert end.list_pico is not None
    return msgspec.structs.replace(end, saved=saved, lever=saved.lever, counterfactual_pico=end.list_pico + saved.total)
