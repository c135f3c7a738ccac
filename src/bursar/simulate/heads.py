"""What stands around the simulated provider's answers: whose key came, the headers, the envelope of an error."""

from bursar.simulate import aws_signature, wire_anthropic, wire_bedrock, wire_google, wire_openai
from bursar.simulate.exchange import Dialect
from bursar.simulate.http import Request


def key_of(request: Request) -> str:
    """The key that a request brought, or who signed it; "" for none."""
    headers = request.headers
    if signer := aws_signature.signed_by(request):
        return signer
    named = headers.get("x-api-key", "") or headers.get("api-key", "") or headers.get("x-goog-api-key", "")
    return named or headers.get("authorization", "").removeprefix("Bearer ") or wire_google.key_of(request.query)


def error_of(dialect: Dialect, status: int, message: str, request_id: str, code: str = "") -> bytes:
    """An error in the dialect's own envelope. code: another one than OpenAI's usual of that status."""
    if dialect.is_anthropic:
        return wire_anthropic.error(status, message, request_id)
    if dialect.is_google:
        return wire_google.error(status, message)
    if dialect.is_bedrock:
        return wire_bedrock.error(message)
    return wire_openai.error(status, message, code=code)


def headers_of(dialect: Dialect, request_id: str, status: int, seq: int) -> list[tuple[str, str]]:
    """The headers that the dialect's provider sends with every answer."""
    left = str(max(0, 10_000 - seq % 100))
    if dialect.is_anthropic:
        return [
            ("request-id", request_id),
            ("anthropic-ratelimit-requests-limit", "10000"),
            ("anthropic-ratelimit-requests-remaining", left),
            ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
        ]
    if dialect.is_bedrock:
        failed = [("x-amzn-ErrorType", wire_bedrock.error_type(status))] if status >= 400 else []
        return [("x-amzn-RequestId", request_id), *failed]
    if dialect.is_google:
        return [("x-gemini-service-tier", "standard"), ("server-timing", "gfet4t7; dur=1")]
    return [
        ("x-request-id", request_id),
        ("openai-processing-ms", "1"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", left),
        ("x-ratelimit-reset-requests", "6ms"),
    ]
