"""Which pages of a provider's billing API to ask for, and what they say together. Who asks is the caller's business.

Source: OpenAI's organization costs and usage endpoints (openai/openai-openapi), Anthropic's Admin API for cost and
usage reports, 2026.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from urllib.parse import urlencode

from bursar.domain.errors import Unavailable
from bursar.finance.reconcile.bill import BillLine, Fault
from bursar.finance.reconcile.readers import anthropic, openai
from bursar.finance.reconcile.readers.figures import Unreadable

PAGES_MAX = 200
_OPENAI_KEYS = ("project_id", "api_key_id")

Fetch = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
"""GET of a path with its query and headers: (status, body). Raises OSError."""


class Report(NamedTuple):
    """Pages of one kind. groups: what is told apart; limit: days a page."""

    name: str
    path: str
    groups: tuple[str, ...]
    limit: int


REPORTS: dict[str, tuple[Report, ...]] = {
    "openai": (
        Report("costs", "/v1/organization/costs", (*_OPENAI_KEYS, "line_item"), 60),
        Report(
            "completions", "/v1/organization/usage/completions", (*_OPENAI_KEYS, "model", "batch", "service_tier"), 31
        ),
        Report("embeddings", "/v1/organization/usage/embeddings", (*_OPENAI_KEYS, "model"), 31),
    ),
    "anthropic": (
        Report("cost report", "/v1/organizations/cost_report", ("workspace_id", "description"), 31),
        Report(
            "usage report",
            "/v1/organizations/usage_report/messages",
            ("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo"),
            31,
        ),
    ),
}


class Pulled(NamedTuple):
    """All pages of a report together. data: their bytes, one after the other."""

    report: Report
    data: bytes
    lines: list[BillLine]
    faults: list[Fault]


def headers_of(provider: str, key: str) -> dict[str, str]:
    """What carries the administrator's key."""
    if provider == "anthropic":
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return {"authorization": f"Bearer {key}"}


def target_of(provider: str, report: Report, since: date, until: date, page: str) -> str:
    """Path and query of a page of the days [since, until)."""
    if provider == "anthropic":
        asked = [("starting_at", f"{since}T00:00:00Z"), ("ending_at", f"{until}T00:00:00Z"), ("bucket_width", "1d")]
        asked += [("group_by[]", group) for group in report.groups]
    else:
        asked = [("start_time", _seconds(since)), ("end_time", _seconds(until)), ("bucket_width", "1d")]
        asked += [("group_by", group) for group in report.groups]
    asked.append(("limit", str(report.limit)))
    if page:
        asked.append(("page", page))
    return f"{report.path}?{urlencode(asked)}"


def pull_reports(provider: str, key: str, since: date, until: date, fetch: Fetch) -> list[Pulled]:
    """Every report of a provider. Raises Unavailable where it doesn't answer with pages; the key is in no message."""
    return [_pull(provider, report, key, since, until, fetch) for report in REPORTS[provider]]


def _pull(provider: str, report: Report, key: str, since: date, until: date, fetch: Fetch) -> Pulled:
    read = anthropic.read if provider == "anthropic" else openai.read
    found = Pulled(report, b"", [], [])
    page = ""
    for _ in range(PAGES_MAX):
        try:
            status, body = fetch(target_of(provider, report, since, until, page), headers_of(provider, key))
        except OSError as error:
            raise Unavailable(f"{provider}'s {report.name} can't be asked for: {type(error).__name__}") from error
        if status != 200:
            hint = ": is it an administrator's key?" if status in (401, 403) else ""
            raise Unavailable(f"{provider} answered {status} for its {report.name}{hint}")
        try:
            answer = read(body)
        except Unreadable as error:
            if _is_empty(body):
                return found
            raise Unavailable(f"{provider}'s {report.name} can't be read: {error}") from error
        found = Pulled(report, found.data + body, [*found.lines, *answer.lines], [*found.faults, *answer.faults])
        if not answer.next_page:
            return found
        page = answer.next_page
    raise Unavailable(f"{provider}'s {report.name} has more than {PAGES_MAX} pages")


def _is_empty(body: bytes) -> bool:
    """A page without any bucket: nothing was used in these days."""
    return b'"data":[]' in body.replace(b" ", b"").replace(b"\n", b"")


def _seconds(day: date) -> str:
    return str(int(datetime.combine(day, time(0), UTC).timestamp()))
