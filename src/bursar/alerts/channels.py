"""The ways out: apprise for Slack, Teams, e-mail, PagerDuty and the like, and our own signed webhook.

`send` returns when the other side has accepted, and raises DeliveryFailed with its words when it hasn't. What it says
is cleared of secrets. An address that holds a secret comes from an environment variable, read at each try.
"""

import hashlib
import hmac
import http.client
import logging
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from bursar.alerts.message import Message
from bursar.domain.alerts import Severity
from bursar.domain.errors import BadAlert, DeliveryFailed
from bursar.domain.logs import redact
from bursar.governance.alerts import Channel

ENV = "env:"
WEBHOOK_TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 300
ERROR_CHARS_MAX = 500
SIGNATURE, TIMESTAMP, IDEMPOTENCY = "x-bursar-signature", "x-bursar-timestamp", "idempotency-key"


def send(channel: Channel, message: Message, env: Mapping[str, str], now_s: int) -> None:
    """Hand one message to one channel. Raises DeliveryFailed; whatever else the other side does to us becomes that."""
    address = resolve(channel.target, env)
    try:
        if channel.kind == "webhook":
            secret = env.get(channel.secret_env, "")
            if not secret:
                raise DeliveryFailed(f"the variable {channel.secret_env} with the signing secret isn't set")
            _post(address, message, secret.encode(), now_s)
        else:
            _notify(address, message)
    except DeliveryFailed as error:
        raise DeliveryFailed(_cleared(error.message, address)) from error
    except Exception as error:  # the plug-in boundary: a hundred services, each with its own ways to fail
        raise DeliveryFailed(_cleared(f"{type(error).__name__}: {error}", address)) from error


def resolve(target: str, env: Mapping[str, str]) -> str:
    """The address itself. Raises DeliveryFailed when its variable isn't set in this process."""
    if not target.startswith(ENV):
        return target
    name = target.removeprefix(ENV)
    address = env.get(name, "").strip()
    if not address:
        raise DeliveryFailed(
            f"the variable {name} isn't set where Bursar runs; set it there and start Bursar again", field="target"
        )
    return address


def signature(secret: bytes, timestamp: int, body: bytes) -> str:
    """What a webhook's receiver computes too: HMAC-SHA256 over the timestamp, a dot and the body, in hex."""
    return hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def check_address(kind: str, target: str) -> None:
    """Raises BadAlert for what would store a secret, or is no address."""
    if target.startswith(ENV):
        name = target.removeprefix(ENV)
        if not name.isidentifier() or not name.isascii():
            raise BadAlert(f"{target!r} doesn't name an environment variable, as in env:BURSAR_ALERT_SLACK", field="to")
        return
    if kind != "webhook":
        raise BadAlert(
            "an address of apprise holds a secret and isn't stored: put it in an environment variable and name it, as "
            "in env:BURSAR_ALERT_SLACK",
            field="to",
        )
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAlert("a webhook's address begins with https:// or http://, or is env:NAME", field="to")
    if parts.username or parts.password or parts.query:
        raise BadAlert("what may be a secret isn't stored: put the whole address in a variable, env:NAME", field="to")


def _post(address: str, message: Message, secret: bytes, now_s: int) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeliveryFailed("the address doesn't begin with https:// or http://")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=WEBHOOK_TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=WEBHOOK_TIMEOUT_S)
    headers = {
        "content-type": "application/json",
        "user-agent": "bursar-alerts",
        IDEMPOTENCY: message.message_id,
        TIMESTAMP: str(now_s),
        SIGNATURE: signature(secret, now_s, message.body),
    }
    try:
        connection.request(
            "POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), message.body, headers
        )
        answer = connection.getresponse()
        said = answer.read(ANSWER_BYTES_MAX).decode("utf-8", "replace")
    finally:
        connection.close()
    if not 200 <= answer.status < 300:  # a redirect isn't followed: the body was signed for this address
        raise DeliveryFailed(f"answered {answer.status}: {said}")


def _notify(address: str, message: Message) -> None:
    # start-up: apprise knows a hundred services, and a console without alerts needs none
    import apprise
    from apprise.attachment.memory import AttachMemory

    plugin = apprise.Apprise.instantiate(address)
    if plugin is None:
        raise DeliveryFailed("apprise can't read this address (docs/alerts.md has examples)")
    kind = {
        Severity.INFO: apprise.NotifyType.INFO,
        Severity.WARNING: apprise.NotifyType.WARNING,
        Severity.CRITICAL: apprise.NotifyType.FAILURE,
    }[message.severity]
    with _Listening() as heard:
        files = [
            AttachMemory(one.content, name=one.name, mimetype=one.media_type)  # type: ignore[no-untyped-call]
            for one in message.files
        ]
        accepted = plugin.notify(
            body=message.text, title=message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT,
            attach=apprise.AppriseAttachment(files) if files else None,
        )  # fmt: skip
    if not accepted:
        raise DeliveryFailed(heard.words or "not accepted, without a reason")


class _Listening(logging.Handler):
    """What apprise says while it fails, in this thread: it returns no more than yes or no."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words = ""
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.words = f"{self.words} {record.getMessage()}".strip()

    def __enter__(self) -> "_Listening":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)


def _cleared(text: str, address: str) -> str:
    """Without the address's secret parts, whatever repeated them."""
    parts = urlsplit(address)
    pieces = [address, parts.password, parts.username, parts.query, *parts.path.split("/"), *parts.query.split("&")]
    for piece in sorted((piece for piece in pieces if piece and len(piece) >= 6), key=len, reverse=True):
        text = text.replace(piece, "[secret]")
    return redact(text)[:ERROR_CHARS_MAX]
