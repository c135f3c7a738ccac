"""TLS with a verified name, and CONNECT through a proxy, against certificates made for the test run."""

import asyncio
import base64
import ssl
import subprocess

import pytest
from tests.gateway.upstream_script import CLOSE, OK, RESET, STALL, Upstream, ask, on_uvloop, playing, pool_to, serving

from bursar.domain.errors import ConfigError, UpstreamBroken, UpstreamUnreachable
from bursar.gateway.outbox import Outbox
from bursar.gateway.upstream import Origin, Pool, PoolLimits


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with a CA (ca.pem) and what it signed: localhost.pem for names, elsewhere.pem for another host."""
    folder = tmp_path_factory.mktemp("certificates")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(
        folder, "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA"
    )
    for name, subject in (("localhost", "DNS:localhost,IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere.test")):
        openssl(folder, "req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"subjectAltName={subject}\n")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext"]
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


def server_side(certificates, name="localhost"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def secure_origin(certificates, upstream, host="localhost", proxy=""):
    return Origin.parse(f"https://{host}:{upstream.port}", proxy, str(certificates / "ca.pem"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@on_uvloop
async def test_a_verified_upstream_answers_over_one_connection(certificates, host):
    names = []
    tls = server_side(certificates)
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with (
        playing(OK, tls=tls) as upstream,
        pool_to(secure_origin(certificates, upstream, host)) as pool,
    ):
        for _ in range(5):
            assert (await ask(pool, whole=True)).content == b"ok"
        assert upstream.connections == 1
        assert names == (["localhost"] if host == "localhost" else [None])  # an address isn't sent as a name


@on_uvloop
async def test_large_bodies_pass_through_tls_both_ways(certificates):
    body = bytes(range(256)) * 12_000
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with (
        playing(answer, tls=server_side(certificates)) as upstream,
        pool_to(secure_origin(certificates, upstream)) as pool,
    ):
        for _ in range(3):
            reply = await ask(pool, body)
            await asyncio.sleep(0.02)
            assert await reply.body(len(body)) == body
        assert all(request.endswith(body) for request in upstream.requests)
        assert upstream.connections == 1


@on_uvloop
async def test_a_certificate_for_another_name_is_refused(certificates):
    async with (
        playing(OK, tls=server_side(certificates, "elsewhere")) as upstream,
        pool_to(secure_origin(certificates, upstream)) as pool,
    ):
        with pytest.raises(UpstreamUnreachable) as raised:
            await ask(pool)
        assert "certificate" in raised.value.message
        assert (upstream.requests, pool.stats().open) == ([], 0)


@on_uvloop
async def test_a_certificate_of_an_unknown_authority_is_refused(certificates):
    async with (
        playing(OK, tls=server_side(certificates)) as upstream,
        pool_to(Origin.parse(f"https://localhost:{upstream.port}")) as pool,
    ):
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)
        assert upstream.requests == []


@on_uvloop
async def test_an_upstream_that_speaks_no_tls_is_unreachable(certificates):
    async def play(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    upstream = Upstream()
    async with serving(play, upstream), pool_to(secure_origin(certificates, upstream)) as pool:
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)


@on_uvloop
async def test_a_handshake_that_does_not_end_is_unreachable_in_time(certificates):
    async def play(reader, writer):
        await asyncio.sleep(5)

    upstream = Upstream()
    origin_limits = {"connect_timeout_s": 0.1}
    async with serving(play, upstream), pool_to(secure_origin(certificates, upstream), **origin_limits) as pool:
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)
        assert pool.stats().open == 0


@pytest.mark.parametrize("end", [CLOSE, RESET])
@on_uvloop
async def test_a_tls_connection_lost_in_the_middle_is_broken(certificates, end):
    steps = [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", 0.02, end]
    async with (
        playing(steps, tls=server_side(certificates)) as upstream,
        pool_to(secure_origin(certificates, upstream)) as pool,
    ):
        reply = await ask(pool)
        assert await reply.chunk() == b"hello"
        with pytest.raises(UpstreamBroken):
            await reply.chunk()


@on_uvloop
async def test_idle_tls_connections_expire_and_are_closed(certificates):
    async with (
        playing(OK, tls=server_side(certificates)) as upstream,
        pool_to(secure_origin(certificates, upstream), connection_idle_s=0.05) as pool,
    ):
        await ask(pool, whole=True)
        await asyncio.sleep(0.2)
        assert (pool.stats().open, upstream.open_now) == (0, 0)


def test_a_ca_bundle_that_cannot_be_read_is_a_config_error(tmp_path):
    for bundle in (tmp_path / "none.pem", tmp_path / "bad.pem"):
        (tmp_path / "bad.pem").write_text("not a certificate")
        with pytest.raises(ConfigError) as raised:
            Pool(Origin.parse("https://localhost", ca_bundle=str(bundle)), PoolLimits(), Outbox())
        assert raised.value.field == "ca_bundle"


async def relay(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def connect_proxy(reader, writer, heads, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
    """What a corporate proxy does."""
    heads.append(await reader.readuntil(b"\r\n\r\n"))
    target = heads[-1].split(b" ")[1].decode()
    host, _, port = target.rpartition(":")
    to_reader, to_writer = await asyncio.open_connection(host, int(port))
    writer.write(answer)
    try:
        await asyncio.gather(relay(reader, to_writer), relay(to_reader, writer))
    finally:
        to_writer.transport.abort()


@pytest.mark.parametrize("scheme", ["http", "https"])
@on_uvloop
async def test_a_proxy_is_asked_for_a_tunnel_and_given_the_credentials_of_its_address(certificates, scheme):
    heads = []
    proxy = Upstream()
    tls = server_side(certificates) if scheme == "https" else None
    async with (
        playing(OK, tls=tls) as upstream,
        serving(lambda reader, writer: connect_proxy(reader, writer, heads), proxy),
        pool_to(
            Origin.parse(
                f"{scheme}://localhost:{upstream.port}",
                f"http://user%40corp:p%3Ass@127.0.0.1:{proxy.port}",
                str(certificates / "ca.pem"),
            )
        ) as pool,
    ):
        for _ in range(3):
            assert (await ask(pool, b"x" * 300_000, whole=True)).content == b"ok"
        secret = base64.b64encode(b"user@corp:p:ss").decode()
        target = f"localhost:{upstream.port}"
        assert heads == [
            f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {secret}\r\n\r\n".encode()
        ]
        assert not any(b"roxy-" in request for request in upstream.requests)
        assert upstream.connections == proxy.connections == 1


@on_uvloop
async def test_the_certificate_is_verified_through_the_tunnel_too(certificates):
    proxy = Upstream()
    async with (
        playing(OK, tls=server_side(certificates, "elsewhere")) as upstream,
        serving(lambda reader, writer: connect_proxy(reader, writer, []), proxy),
        pool_to(secure_origin(certificates, upstream, proxy=f"http://127.0.0.1:{proxy.port}")) as pool,
    ):
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)
        assert upstream.requests == []
        assert pool.stats().open == 0


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n"], "407"),
        ([b"HTTP/1.1 502 Bad Gateway\r\n\r\n"], "502"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], "proxy"),
        ([b"x" * 40_000], "proxy"),
        ([b"HTTP/1.1 200 OK\r\n\r\nearly bytes"], "proxy"),
        ([b"HTTP/1.1 200 OK\r\n", CLOSE], "closed"),
        ([RESET], "closed"),
        ([b"HTTP/1.1 200 OK\r\n", STALL], "within"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", CLOSE], ""),
    ],
)
@on_uvloop
async def test_a_proxy_that_grants_no_tunnel_makes_the_upstream_unreachable(certificates, steps, said):
    async with (
        playing(steps) as proxy,
        pool_to(
            Origin.parse("https://localhost:1", f"http://user:hunter2@127.0.0.1:{proxy.port}"), connect_timeout_s=0.2
        ) as pool,
    ):
        with pytest.raises(UpstreamUnreachable) as raised:
            await ask(pool)
        assert said in raised.value.message
        assert "hunter2" not in raised.value.message
        assert pool.stats().open == 0
        await asyncio.sleep(0.02)
        assert proxy.open_now == 0


@on_uvloop
async def test_tls_over_a_tunnel_that_turns_to_garbage_is_unreachable(certificates):
    async with (
        playing([b"HTTP/1.1 200 OK\r\n\r\n", 0.02, b"garbage" * 100, STALL]) as proxy,
        pool_to(Origin.parse("https://localhost:1", f"http://127.0.0.1:{proxy.port}"), connect_timeout_s=1) as pool,
    ):
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)
        assert pool.stats().open == 0
