"""Where an upstream is: its address and the proxy on the way.

Addresses come from the operator's configuration only, never from a request.
"""

import base64
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from bursar.domain.errors import ConfigError

_PORTS = {"http": 80, "https": 443}


class Proxy(msgspec.Struct, frozen=True):
    """A CONNECT proxy. `authorization` is the whole header value, and never part of its text."""

    host: str
    port: int
    authorization: str = ""

    @classmethod
    def parse(cls, url: str) -> "Proxy":
        """Read `http://user:password@host:port`. Raises ConfigError, without the password."""
        parts = _split(url, "proxy")
        if parts.scheme != "http":
            raise ConfigError("proxy must start with http:// (TLS to the upstream goes through it)", field="proxy")
        authorization = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(cast(str, parts.hostname), parts.port or _PORTS["http"], authorization)

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


class Origin(msgspec.Struct, frozen=True):
    """One upstream endpoint. `prefix` is the path its base address carries, "" or "/like/this"."""

    scheme: str
    host: str
    port: int
    prefix: str = ""
    proxy: Proxy | None = None
    ca_bundle: str = ""

    @classmethod
    def parse(cls, base_url: str, proxy: str = "", ca_bundle: str = "") -> "Origin":
        """Read a configured address. Raises ConfigError whose `field` is base_url or proxy."""
        parts = _split(base_url, "base_url")
        if parts.scheme not in _PORTS:
            raise ConfigError("base_url must start with http:// or https://", field="base_url")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigError("base_url takes no user, query or fragment; name a key by api_key_env", field="base_url")
        if not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
            raise ConfigError("base_url has characters in its path that need %-escapes", field="base_url")
        return cls(
            scheme=parts.scheme,
            host=cast(str, parts.hostname),
            port=parts.port or _PORTS[parts.scheme],
            prefix=parts.path.rstrip("/"),
            proxy=Proxy.parse(proxy) if proxy else None,
            ca_bundle=ca_bundle,
        )

    @property
    def authority(self) -> str:
        """What a Host header says: the port only where it isn't the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def _split(url: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.port == 0 or not parts.hostname:
            raise ValueError("no host, or port 0")
        parts.hostname.encode("idna")  # what the resolver and the certificate check will do
    except ValueError as error:  # urlsplit quotes what it can't read, which may hold a password
        raise ConfigError(f"{field} is not a usable address", field=field) from error
    return parts
