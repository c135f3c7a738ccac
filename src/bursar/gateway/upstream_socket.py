"""How a socket to an upstream is opened: TLS with a verified name, and CONNECT through a proxy."""

import asyncio
import re
import ssl

from bursar.domain.errors import ConfigError, UpstreamUnreachable
from bursar.gateway.upstream_origin import Origin, Proxy

TUNNEL_HEAD_BYTES_MAX = 16 * 1024  # what a proxy may say before we take it for no proxy
TLS_GOODBYE_S = 1.0  # how long a closing TLS connection waits for the peer's own close_notify

_TUNNEL_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


def tls_context(origin: Origin) -> ssl.SSLContext | None:
    """None for plain HTTP. The system's CAs plus the operator's; name and chain always verified; HTTP/1.1 only."""
    if origin.scheme == "http":
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if origin.ca_bundle:
        try:
            context.load_verify_locations(cafile=origin.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"can't read CA certificates from {origin.ca_bundle}", field="ca_bundle") from error
    return context


async def open_socket(
    origin: Origin, tls: ssl.SSLContext | None, protocol: asyncio.Protocol, timeout_s: float
) -> asyncio.Transport:
    """Connect `protocol` to the upstream itself: through proxy and TLS where there are any.

    timeout_s: for name, TCP, tunnel and handshake together.
    Raises UpstreamUnreachable for whatever goes wrong; nothing of a request was sent then.
    """
    loop = asyncio.get_running_loop()
    server_name = origin.host if tls else None
    try:
        async with asyncio.timeout(timeout_s):
            if origin.proxy is not None:
                return await _open_through(origin, origin.proxy, tls, protocol)
            transport, _ = await loop.create_connection(
                lambda: protocol,
                origin.host,
                origin.port,
                ssl=tls,
                server_hostname=server_name,
                ssl_shutdown_timeout=TLS_GOODBYE_S if tls else None,
            )
            return transport
    except TimeoutError as error:
        raise UpstreamUnreachable(f"no connection to {origin} within {timeout_s:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise UpstreamUnreachable(f"certificate of {origin} refused: {error.verify_message}") from error
    except (OSError, UnicodeError) as error:  # ssl.SSLError is an OSError; a bad name is a UnicodeError
        raise UpstreamUnreachable(f"can't connect to {origin}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


async def _open_through(
    origin: Origin, proxy: Proxy, tls: ssl.SSLContext | None, protocol: asyncio.Protocol
) -> asyncio.Transport:
    """CONNECT, then speak to the upstream through the tunnel (RFC 9110 section 9.3.6)."""
    loop = asyncio.get_running_loop()
    tunnel = _Tunnel(proxy)
    transport, _ = await loop.create_connection(lambda: tunnel, proxy.host, proxy.port)
    try:
        await tunnel.connect(transport, origin)
        if tls is None:
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            return transport
        secured = await loop.start_tls(
            transport, protocol, tls, server_hostname=origin.host, ssl_shutdown_timeout=TLS_GOODBYE_S
        )
        if secured is None:  # closed while the handshake ran
            raise UpstreamUnreachable(f"{proxy!r} closed the tunnel to {origin}")
        protocol.connection_made(secured)
        return secured
    except BaseException:
        transport.abort()
        raise


class _Tunnel(asyncio.Protocol):
    """The exchange with a proxy before the tunnel stands."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._seen = b""

    async def connect(self, transport: asyncio.WriteTransport, origin: Origin) -> None:
        """Ask for the tunnel. Raises UpstreamUnreachable unless the proxy grants it."""
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        lines = [f"CONNECT {host}:{origin.port} HTTP/1.1", f"Host: {host}:{origin.port}"]
        if self._proxy.authorization:
            lines.append(f"Proxy-Authorization: {self._proxy.authorization}")
        transport.write("\r\n".join((*lines, "", "")).encode("idna" if not host.isascii() else "ascii"))
        await self._answered

    def data_received(self, data: bytes) -> None:
        if self._answered.done():
            return
        self._seen += data
        head, end, rest = self._seen.partition(b"\r\n\r\n")
        if not end and len(self._seen) <= TUNNEL_HEAD_BYTES_MAX:
            return
        status = _TUNNEL_STATUS.match(head + b"\r")
        if not end or status is None or rest:
            self._refuse("doesn't answer like a proxy")
        elif not 200 <= int(status[1]) < 300:
            self._refuse(f"refused the tunnel with status {int(status[1])}")
        else:
            self._answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._refuse("closed the connection")

    def _refuse(self, what: str) -> None:
        if not self._answered.done():
            self._answered.set_exception(UpstreamUnreachable(f"{self._proxy!r} {what}"))
