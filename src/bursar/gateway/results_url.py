"""Where the results of Anthropic's batches are said to be: here, and not at the provider.

Its clients go to the absolute address in `results_url`, whatever their base URL is: past Bursar, and with the Bursar
key shown to the provider. This one field is changed; every other byte stays as it came.
"""

import re

from bursar.gateway.heads import Headers

_RESULTS_URL = re.compile(rb'("results_url"\s*:\s*")https?://[^/"\s]+(/v1/messages/batches/[\w.:-]+/results")')
_HOST = re.compile(rb"[\w.:\[\]-]{1,255}", re.ASCII)


def results_here(body: bytes, headers: Headers, upstream_name: str) -> bytes:
    """The answer with its results at the address by which the client reached us; the same object without any.

    >>> said = b'{"results_url":"https://api.anthropic.com/v1/messages/batches/b/results"}'
    >>> results_here(said, [(b"host", b"x:1")], "")
    b'{"results_url":"http://x:1/v1/messages/batches/b/results"}'
    """
    if b'"results_url"' not in body:
        return body
    said = dict(headers)
    host = said.get(b"host", b"")
    if not _HOST.fullmatch(host):
        return body
    scheme = b"https" if said.get(b"x-forwarded-proto", b"").strip().lower() == b"https" else b"http"
    base = scheme + b"://" + host + (b"/" + upstream_name.encode() if upstream_name else b"")
    return _RESULTS_URL.sub(lambda found: found[1] + base + found[2], body)
