"""60 days of history, written as a gateway worker would have written them: journal records, read by the real loader."""

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import msgspec

from bursar.demo.bill import PROVIDER as BILLED
from bursar.demo.bill import DemoBill
from bursar.demo.keys import SHARED, key_id
from bursar.domain.charge import Operation, Outcome, Quality
from bursar.domain.ids import Ids
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.gateway.meter import Meter, Metered, not_billed, unanswered
from bursar.prices.book import PriceBook
from bursar.prices.rates import bound_pico
from bursar.simulate.billing import load_models
from bursar.simulate.cast import CLIENTS
from bursar.simulate.generate import DAY_US, Event, events
from bursar.spool.journal import Journal
from bursar.spool.records import CallFacts, Dispatched, Settled

DAYS_DEFAULT = 60
CALLS_PER_DAY_DEFAULT = 4000
WRITER_PREFIX = "demo-"
BYTES_PER_TOKEN = 4
ENVELOPE_BYTES = 600
OUTPUT_TOKENS_MAX = 4096
BACKOFF_US = 400_000
PROGRESS_EVERY = 5_000
FLEX_FEATURE, FLEX_DAYS = "doc-extract", 21  # nobody waits for it: asked at the flex tier of OpenAI since then

_FINISH = {
    "openai-chat": ("stop", "length"),
    "openai-responses": ("completed", "max_output_tokens"),
    "openai-embeddings": ("", ""),
    "anthropic-messages": ("end_turn", "max_tokens"),
}


class HistoryTotals(msgspec.Struct):
    """What was written. Money: pico-USD; `unpriced` charges are counted, not summed."""

    writer: str = ""
    from_us: int = 0
    to_us: int = 0
    calls: int = 0
    attempts: int = 0
    unpriced: int = 0
    list_pico: int = 0
    loop_calls: int = 0
    loop_pico: int = 0


def has_history(spool_dir: Path) -> bool:
    """Whether a demo was filled in here before."""
    return any(spool_dir.glob(f"{WRITER_PREFIX}*"))


def fill_history(
    spool_dir: Path,
    book: PriceBook,
    *,
    now_us: int,
    days: int = DAYS_DEFAULT,
    calls_per_day: float = CALLS_PER_DAY_DEFAULT,
    seed: int = 0,
    organization: str = "default",
    on_progress: Callable[[float], None] | None = None,
    bill: DemoBill | None = None,
) -> HistoryTotals:
    """Write the history of `days` days up to `now_us` to the spool; the loader takes it from there.

    on_progress: called with the share done, 0 to 1. bill: is told what a provider will bill of it.
    """
    writer = f"{WRITER_PREFIX}{now_us // 1000:012x}"
    start_us = now_us - days * DAY_US
    totals = HistoryTotals(writer, start_us, now_us)
    journal = Journal(spool_dir, writer, sync=False)
    scribe = _Scribe(journal, book, organization, totals, bill)
    try:
        for event in events(seed, start_us, now_us, calls_per_day):
            if event.at_us + event.duration_ms * 1000 < now_us:
                scribe.write(event)
            if on_progress is not None and totals.calls % PROGRESS_EVERY == 0:
                on_progress((event.at_us - start_us) / (now_us - start_us))
    finally:
        journal.close()
    if on_progress is not None:
        on_progress(1.0)
    return totals


class _Scribe:
    """Turns events into records."""

    def __init__(
        self, journal: Journal, book: PriceBook, organization: str, totals: HistoryTotals, bill: DemoBill | None = None
    ) -> None:
        self.bill = bill
        self.journal = journal
        self.meter = Meter(book)
        self.organization = organization
        self.totals = totals
        self.ids = Ids()
        self.served = {name: model.served for name, model in load_models().items()}

    def write(self, event: Event) -> None:
        """All attempts of one call."""
        facts = self._facts(event)
        at_us = event.at_us + 900
        cause = ""
        for number, met in enumerate(event.failed_attempts, 1):
            attempt_id = self._dispatched(event, facts, number, at_us, cause)
            at_us += 180_000
            self._settle_failed(attempt_id, int(met.removeprefix("status_")), at_us)
            at_us += BACKOFF_US
            cause = met
        attempt_id = self._dispatched(event, facts, len(event.failed_attempts) + 1, at_us, cause)
        self._settle(event, facts, attempt_id, at_us)
        self.totals.calls += 1
        self.totals.loop_calls += event.incident == "retry-loop"

    def _facts(self, event: Event) -> CallFacts:
        key = event.team or SHARED
        return CallFacts(
            self.ids.new(event.at_us),
            event.at_us,
            event.dialect,
            Operation.EMBEDDINGS if event.dialect == "openai-embeddings" else Operation.CHAT,
            Scope(self.organization, key, event.feature),
            key_id(event.team),
            "virtual",
            event.model,
            event.stream,
            event.usage.total_input * BYTES_PER_TOKEN + ENVELOPE_BYTES,
            blake2b(f"{event.feature}/{event.request}".encode(), digest_size=16).hexdigest(),
            Attribution(
                event.feature,
                event.team,
                event.customer,
                event.environment,
                event.request_type,
                event.session,
                event.agent,
                event.user,
                {"plan": event.plan} if event.plan else {},
            ),
            0,
            CLIENTS[event.provider],
            event.client_retry,
        )

    def _dispatched(self, event: Event, facts: CallFacts, number: int, at_us: int, cause: str) -> str:
        bound, price_id = self._bound(event, facts, at_us)
        attempt_id = self.ids.new(at_us)
        self.journal.seq += 1
        self.journal.append(
            Dispatched(
                self.journal.seq, attempt_id, number, at_us, event.provider, event.provider, event.model, "",
                self._tier(event), cause, bound, price_id, facts,
            )
        )  # fmt: skip
        self.totals.attempts += 1
        return attempt_id

    def _bound(self, event: Event, facts: CallFacts, at_us: int) -> tuple[int | None, str]:
        sheet = self.meter.sheet(
            provider=event.provider, model=event.model, model_asked=event.model, tier=self._tier(event), region="",
            at_us=at_us, input_tokens=facts.request_bytes,
        )  # fmt: skip
        if sheet is None:
            return None, ""
        output_max = 0 if facts.operation == Operation.EMBEDDINGS else max(OUTPUT_TOKENS_MAX, event.usage.output)
        return bound_pico(sheet, facts.request_bytes, output_max), sheet.sku_price_id

    def _settle_failed(self, attempt_id: str, status: int, at_us: int) -> None:
        metered = not_billed()
        code = "overloaded_error" if status == 529 else "server_is_overloaded"
        self._append(attempt_id, metered, at_us, at_us, status, Outcome.PROVIDER_ERROR, code, "", "", 180, False, 0, -1)

    def _settle(self, event: Event, facts: CallFacts, attempt_id: str, at_us: int) -> None:
        """The last attempt's end, which is the call's."""
        first_us = at_us + event.first_byte_ms * 1000
        ended_us = at_us + event.duration_ms * 1000
        served = self.served.get(event.model, event.model)
        finish, cut = _FINISH[event.dialect]
        if self.bill is not None and event.provider == BILLED and event.ending not in ("provider_error", "timeout"):
            whole = self._price(event, served, event.usage, Quality.REPORTED, at_us, is_seen=False)
            self.bill.note(event.at_us, event.team or "shared", served, list(whole.lines))
        size = event.usage.output * BYTES_PER_TOKEN + ENVELOPE_BYTES
        match event.ending:
            case "provider_error":
                status = 529 if event.provider == "anthropic" else 500
                code = "overloaded_error" if status == 529 else "server_error"
                outcome = Outcome.PROVIDER_ERROR
                self._append(
                    attempt_id, not_billed(), first_us, first_us, status, outcome, code, "", "", 180, True, status, -1
                )
            case "timeout":
                bound, price_id = self._bound(event, facts, at_us)
                end_us = at_us + 60_000_000
                metered = unanswered(bound, price_id)
                self._append(
                    attempt_id, metered, 0, end_us, 0, Outcome.TIMEOUT, "upstream_timeout", "", "", 0, True, 504, -1
                )
            case "aborted" if event.stream:
                seen = _partial(event.usage)
                metered = self._price(event, served, seen, Quality.ESTIMATED, at_us)
                self._append(
                    attempt_id, metered, first_us, (first_us + ended_us) // 2, 200, Outcome.ABORTED, "client_gone", "",
                    served, size // 2, True, 200, 50, self._tier(event),
                )  # fmt: skip
            case _:
                quality = Quality.ESTIMATED if event.ending == "no_usage" else Quality.REPORTED
                metered = self._price(event, served, event.usage, quality, at_us)
                truncated = event.ending == "truncated"
                outcome = Outcome.TRUNCATED if truncated else Outcome.OK
                self._append(
                    attempt_id, metered, first_us, ended_us, 200, outcome, "", cut if truncated else finish, served,
                    size, True, 200, -1, self._tier(event),
                )  # fmt: skip

    def _tier(self, event: Event) -> str:
        """What tier a call asks for, and gets: "" is the usual one."""
        moved = event.at_us >= self.totals.to_us - FLEX_DAYS * DAY_US
        return "flex" if moved and (event.feature, event.provider) == (FLEX_FEATURE, "openai") else ""

    def _price(
        self, event: Event, served: str, usage: Usage, quality: Quality, at_us: int, *, is_seen: bool = True
    ) -> Metered:
        metered = self.meter.price(
            usage,
            quality,
            provider=event.provider,
            model=served,
            model_asked=event.model,
            tier=self._tier(event),
            region="",
            at_us=at_us,
        )
        if is_seen and event.incident == "retry-loop" and metered.list_pico is not None:
            self.totals.loop_pico += metered.list_pico
        return metered

    def _append(
        self,
        attempt_id: str,
        metered: Metered,
        first_us: int,
        ended_us: int,
        status: int,
        outcome: Outcome,
        error_code: str,
        finish: str,
        served: str,
        size: int,
        final: bool,
        client_status: int,
        gone_percent: int,
        tier: str = "",
    ) -> None:
        if metered.list_pico is None:
            self.totals.unpriced += 1
        else:
            self.totals.list_pico += metered.list_pico
        self.journal.append(
            Settled(
                attempt_id, first_us, ended_us, status, outcome, metered.quality, error_code, finish, served,
                tier or ("default" if served and not served.startswith("claude") else "standard" if served else ""),
                "", metered.usage, list(metered.lines), metered.list_pico, metered.counterfactual_pico, metered.lever,
                metered.sku_id, metered.sku_price_id, None, size, final, outcome, client_status, gone_percent,
                metered.saved,
            )
        )  # fmt: skip


def _partial(usage: Usage) -> Usage:
    """What a stream had used when its client left half-way."""
    return msgspec.structs.replace(usage, output=usage.output // 2, reasoning=min(usage.reasoning, usage.output // 2))
