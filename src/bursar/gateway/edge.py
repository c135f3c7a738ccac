"""The front door, an ASGI callable: which path is what, and an answer for everything that isn't a call."""

import re
from collections.abc import Container
from pathlib import Path

import msgspec
import structlog

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError, Forbidden, MethodNotAllowed, Overloaded, UnknownCall, UnknownRoute
from bursar.gateway.beside import serve_beside
from bursar.gateway.call import Worker
from bursar.gateway.client import AsgiClient, Client, Message, Receive, Send, with_length
from bursar.gateway.feedback import FEEDBACK_BYTES_MAX, TAKEN, read_feedback
from bursar.gateway.forward import NOT_RETURNED, write_head
from bursar.gateway.heads import Head, Heads
from bursar.gateway.metrics import page
from bursar.gateway.model_list import list_models
from bursar.gateway.pipeline import serve
from bursar.gateway.realtime import serve_session
from bursar.providers.aside import BESIDE
from bursar.providers.base import Dialect, error_headers
from bursar.providers.registry import DIALECTS, dialect_for

GOOGLE_HEADERS = {b"x-goog-api-key", b"x-goog-api-client"}
NO_CALLS = BESIDE | {Operation.MODELS, Operation.REALTIME}
CALLS_PREFIX = "/bursar/calls/"
FEEDBACK_PATH = "/bursar/feedback"
ROUTES_KNOWN_MAX = 1024
MODEL_LISTS = ("/v1/models", "/v1beta/models")
PROFILES_PATH = "/inference-profiles"  # of Bedrock's control plane: Claude Code looks there for what it may ask
LIST_BYTES_MAX = 8 * 1024 * 1024
JSON = [(b"content-type", b"application/json")]
TEXT = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]

_BROWSER_TOKENS = re.compile(
    r".*/realtime/(?:translations/)?(?:client_secrets|sessions|transcription_sessions|calls(?:/.*)?)"
)
"""Where a provider hands out keys for browsers, or takes a call over WebRTC or SIP."""

Target = tuple[Dialect, str, str]
"""(dialect, the provider's path, the upstream named in our path or "")"""

log = structlog.get_logger("bursar.gateway")


def find_target(upstreams: Container[str], method: str, path: str) -> Target | None:
    """The dialect of a path and what is behind it; None: it is no path of a call."""
    head, _, rest = path.lstrip("/").partition("/")
    if head in upstreams and (behind := dialect_for(method, "/" + rest)):
        return (*behind, head)
    found = dialect_for(method, path)
    return (*found, "") if found else None


class Edge:
    """One worker's front door."""

    def __init__(self, worker: Worker, metrics_directory: Path) -> None:
        self.worker = worker
        self.metrics_directory = metrics_directory
        self.is_draining = False
        self.stall_s = worker.settings.client_stall_s
        self.heads = Heads()
        self.outbox = worker.outbox
        self._targets: dict[tuple[str, str], Target | None] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """The same under any ASGI server."""
        if scope["type"] == "http":
            head = Head(scope["method"], scope["path"], scope["query_string"], list(scope["headers"]))
            await self.handle(AsgiClient(head, self.stall_s, receive=receive, transmit=send))

    async def handle(self, client: Client) -> None:
        """One request. Nothing that goes wrong in it can reach another one."""
        head = client.head
        target = self._target(head.method, head.path)
        try:
            if target is None:
                await self._serve_own(client)
            elif target[0].operation in NO_CALLS:
                await self._serve_no_call(client, target)
            elif self.worker.in_flight >= self.worker.settings.waiting_calls_max:
                raise self._overloaded()
            else:
                await serve(self.worker, client, *target)
        except BursarError as error:
            await self._refuse(client, error)
        except Exception:
            log.exception("a call failed inside Bursar", path=head.path)
            self.worker.metrics.count("bursar_refused_total", "code=internal_error")
            await self._refuse(client, BursarError("Bursar failed on this call; its log says why"))

    async def _serve_no_call(self, client: Client, target: Target) -> None:
        """What is no request with an answer that is billed: lists, files, batches, and a session over a websocket."""
        operation = target[0].operation
        if operation == Operation.MODELS:
            await self._pass_through(client, target)
        elif operation != Operation.REALTIME:
            await serve_beside(self.worker, client, *target)
        elif self.worker.in_flight >= self.worker.settings.waiting_calls_max:
            raise self._overloaded()
        else:
            await serve_session(self.worker, client, target[1], target[2])

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"{self.worker.in_flight} calls are under way in this worker (gateway.waiting_calls_max); "
            "try again, or start more workers",
            headers={"retry-after": "1"},
        )

    def _target(self, method: str, path: str) -> Target | None:
        """The dialect a path speaks: `/v1/chat/completions`, or behind an upstream's name: `/groq/v1/…`."""
        key = (method, path)
        if key in self._targets:
            return self._targets[key]
        target = find_target(self.worker.routes.by_name, method, path)
        if len(self._targets) >= ROUTES_KNOWN_MAX:
            self._targets.clear()
        self._targets[key] = target
        return target

    async def _serve_own(self, client: Client) -> None:
        """Bursar's own addresses on the gateway's port."""
        path, method = client.head.path, client.head.method
        if path == "/healthz":
            await client.reply(200, with_length(TEXT, 3), b"ok\n")
        elif path == "/readyz":
            await self._ready(client)
        elif path == "/metrics" and self.worker.settings.expose_metrics:
            body = page(self.metrics_directory)
            await client.reply(200, with_length(TEXT, len(body)), body)
        elif path.startswith(CALLS_PREFIX) and method == "GET":
            await self._call(client, path.removeprefix(CALLS_PREFIX))
        elif path == PROFILES_PATH and method == "GET":
            body = list_models(self.worker, self.worker.envelopes.open(client.head), "bedrock")
            await client.reply(200, with_length(JSON, len(body)), body)
        elif path == FEEDBACK_PATH and method == "POST":
            await self._take_feedback(client)
        elif path in ("/", "/api/hello"):
            body = b'{"service":"bursar-gateway"}'
            await client.reply(200, with_length(JSON, len(body)), body if method != "HEAD" else b"")
        elif (passing := _BROWSER_TOKENS.fullmatch(path)) is not None:
            raise Forbidden(
                f"{passing[0]} isn't served: with what it gives, a browser speaks to the provider itself, and nobody "
                "would hold or count what it spends. Connect to /v1/realtime here instead, from a browser with a "
                "Bursar key as the subprotocol openai-insecure-api-key.KEY",
                field="path",
            )
        elif any(dialect_for(other, path) for other in ("POST", "GET")):
            raise MethodNotAllowed(f"{method} is not a method of {path}", field="method")
        else:
            raise UnknownRoute(
                f"{path} is not a path that Bursar serves; see docs/getting-started.md for the base URLs", field="path"
            )

    async def _ready(self, client: Client) -> None:
        recorder = self.worker.recorder
        recorder.flush()
        reasons = []
        if recorder.backlog:
            reasons.append(f"journal: {len(recorder.backlog)} records wait for the disk")
        if self.is_draining:
            reasons.append("draining: this worker is stopping")
        body = ("\n".join(reasons or ["ready"]) + "\n").encode()
        await client.reply(503 if reasons else 200, with_length(TEXT, len(body)), body)

    async def _call(self, client: Client, call_id: str) -> None:
        credential = self.worker.envelopes.open(client.head).credential
        found = await self.worker.recent.find(call_id, credential.id)
        if found is None:
            raise UnknownCall(
                f"call {call_id[:64]!r} is not in this gateway's journal for this key; the console has older calls",
                field="id",
            )
        body = msgspec.json.encode(found)
        await client.reply(200, with_length(JSON, len(body)), body)

    async def _take_feedback(self, client: Client) -> None:
        """A user's word on an answer, into the journal like all that is known of a call."""
        worker = self.worker
        credential = worker.envelopes.open(client.head).credential
        record = read_feedback(await client.body(FEEDBACK_BYTES_MAX), credential.id, worker.clock.now_us())
        worker.recorder.write(record)
        await client.reply(202, with_length(JSON, len(TAKEN)), TAKEN)

    async def _pass_through(self, client: Client, target: Target) -> None:
        """A list of models: what a key of ours may use, else the provider's. It costs nothing and isn't recorded."""
        dialect, path, name = target
        worker = self.worker
        envelope = worker.envelopes.open(client.head)
        family = dialect.family
        names = {header for header, _ in client.head.headers}
        if b"anthropic-version" in names:
            family = "anthropic"
        elif names & GOOGLE_HEADERS:  # its client asks `/v1/models` as OpenAI's does
            family = "gemini"
        if not name and not envelope.credential.client_secret and path.partition("?")[0] in MODEL_LISTS:
            body = list_models(worker, envelope, family)
            await client.reply(200, with_length(JSON, len(body)), body)
            return
        route = worker.routes.named(name, family) if name else worker.routes.choose(family, "")
        head = write_head(route, client.head.method, path, envelope.query, client.head.headers, envelope.credential)
        reply = await route.pool.send(head, b"", first_byte_timeout_s=worker.settings.first_byte_timeout_s, whole=True)
        try:
            body = reply.content if reply.content is not None else await reply.body(LIST_BYTES_MAX)
        finally:
            reply.close()
        headers = [header for header in reply.headers if header[0] not in NOT_RETURNED]
        await client.reply(reply.status, with_length(headers, len(body)), body)

    async def _refuse(self, client: Client, error: BursarError) -> None:
        """An error outside any call, in the envelope of the dialect that the client seems to speak."""
        if client.started:
            return
        dialect = DIALECTS[_seeming(client.head)]
        body = dialect.error(error, "")
        headers = [
            *JSON,
            (b"x-bursar-error", error.code.encode()),
            (b"x-should-retry", b"true" if error.retry else b"false"),
            *error_headers(dialect, error),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in error.headers.items()),
        ]
        await client.reply(error.status, with_length(headers, len(body)), body)


def _seeming(head: Head) -> str:
    """A dialect of the family that a client seems to speak, by its headers and its path."""
    names = {name for name, _ in head.headers}
    if b"anthropic-version" in names or "messages" in head.path:
        return "anthropic-messages"
    if names & GOOGLE_HEADERS or "/v1beta" in head.path or ("/models/" in head.path and ":" in head.path):
        return "gemini-generate"
    if "/model/" in head.path:
        return "bedrock-converse"
    return "openai-chat"
