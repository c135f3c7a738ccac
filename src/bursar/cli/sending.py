"""Sends a file to the console's API, or does the same by itself where no console runs."""

import http.client
from urllib.parse import urlsplit

import msgspec

from bursar.cli.client import TIMEOUT_S, Refused, decode, target
from bursar.domain.errors import Unavailable
from bursar.supervise import Running


class _Problem(msgspec.Struct):
    code: str
    detail: str
    status: int


def send(running: Running, path: str, parameters: list[tuple[str, str | int | None]], body: bytes, kind: str) -> bytes:
    """POST to a running console. Raises Refused with its code and message, Unavailable when it doesn't answer."""
    where = urlsplit(running.console)
    connection = http.client.HTTPConnection(where.hostname or "127.0.0.1", where.port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", target(path, parameters), body=body, headers={"content-type": kind})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"the console at {running.console} doesn't answer ({error}); is it starting?") from error
    finally:
        connection.close()
    if response.status >= 400:
        problem = decode(answer, _Problem)
        raise Refused(problem.code, problem.status, problem.detail)
    return answer
