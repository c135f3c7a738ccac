"""Figures that no column can hold, made to fit: one absurd number must not keep a batch of true ones out of the books.

Looked for only after the store refused a batch. What can't be kept becomes unknown, never zero, and a fault says so.
"""

import msgspec

from bursar.domain.charge import Quality
from bursar.domain.money import PICO_MAX
from bursar.domain.savings import NOTHING
from bursar.domain.storage import PART
from bursar.domain.usage import Unit, Usage
from bursar.ledger.columns import Pair
from bursar.ledger.pairing import Batch
from bursar.spool.records import CallFacts, Settled

COUNT_MAX = 2**53  # nine quadrillion tokens
PRICE_MAX = 10**27  # femto-USD: what DECIMAL(28,15) holds
_UNITS = frozenset((*(unit.value for unit in Unit), PART))


def make_fit(batch: Batch) -> list[tuple[str, str]]:
    """Replace what doesn't fit in the batch's attempts and calls; returns a fault for each."""
    faults: list[tuple[str, str]] = []
    for pairs in (batch.pairs, batch.lines):
        for index, pair in enumerate(pairs):
            fit, wrong = _fit_pair(pair)
            if wrong:
                pairs[index] = fit
                faults.append(("unfit_value", f"attempt {pair.dispatched.attempt_id}: {', '.join(wrong)}"))
    for index, (writer, settled) in enumerate(batch.late):
        fit_end, wrong = _fit_settled(settled)
        if wrong:
            batch.late[index] = (writer, fit_end)
            faults.append(("unfit_value", f"attempt {settled.attempt_id}: {', '.join(wrong)}"))
    for index, (writer, record) in enumerate(batch.ended):
        call, wrong = _fit_call(record.call)
        if wrong:
            batch.ended[index] = (writer, msgspec.structs.replace(record, call=call))
            faults.append(("unfit_value", f"call {call.call_id}: {', '.join(wrong)}"))
    return faults


def _fit_pair(pair: Pair) -> tuple[Pair, list[str]]:
    dispatched, settled = pair.dispatched, pair.settled
    call, wrong = _fit_call(dispatched.call)
    if not _is_money(dispatched.bound_pico):
        wrong.append("bound_pico")
        dispatched = msgspec.structs.replace(dispatched, bound_pico=None)
    settled, more = _fit_settled(settled)
    fit = Pair(pair.writer, msgspec.structs.replace(dispatched, call=call), settled)
    return fit, wrong + more


def _fit_settled(settled: Settled) -> tuple[Settled, list[str]]:
    wrong = []
    usage = {name: getattr(settled.usage, name) for name in Usage.__struct_fields__}
    if absurd := [name for name, count in usage.items() if not 0 <= count <= COUNT_MAX]:
        wrong += [f"usage.{name}" for name in absurd]
        settled = msgspec.structs.replace(settled, usage=Usage(**(usage | dict.fromkeys(absurd, 0))))
    if absurd or not _is_money(settled.list_pico):
        wrong += [] if absurd else ["list_pico"]
        settled = msgspec.structs.replace(settled, list_pico=None, lines=[], quality=Quality.UNPRICED)
    if not _is_money(settled.provider_cost_pico):
        wrong.append("provider_cost_pico")
        settled = msgspec.structs.replace(settled, provider_cost_pico=None)
    saved = msgspec.structs.astuple(settled.saved_by_lever)
    if settled.list_pico is None or not all(map(_is_money, (settled.counterfactual_pico, *saved))):
        wrong += [] if settled.list_pico is None else ["counterfactual_pico"]
        settled = msgspec.structs.replace(settled, counterfactual_pico=None, lever="", saved=NOTHING)
    if any(unit not in _UNITS or quantity > COUNT_MAX or femto > PRICE_MAX for unit, quantity, femto in settled.lines):
        wrong.append("lines")
        settled = msgspec.structs.replace(settled, lines=[])
    for name in ("response_bytes", "http_status", "client_status"):
        if not abs(getattr(settled, name)) <= COUNT_MAX:
            wrong.append(name)
            settled = msgspec.structs.replace(settled, **{name: 0})
    return settled, wrong


def _fit_call(call: CallFacts) -> tuple[CallFacts, list[str]]:
    wrong = [name for name in ("request_bytes", "tags_dropped", "client_retry") if abs(getattr(call, name)) > COUNT_MAX]
    return (msgspec.structs.replace(call, **dict.fromkeys(wrong, 0)) if wrong else call), wrong


def _is_money(pico: int | None) -> bool:
    return pico is None or abs(pico) <= PICO_MAX
