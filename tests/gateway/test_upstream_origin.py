"""Addresses of upstreams, as operators write them."""

import pytest

from bursar.domain.errors import ConfigError
from bursar.gateway.upstream import Origin


@pytest.mark.parametrize(
    ("base_url", "authority", "port", "prefix"),
    [
        ("https://api.openai.com", "api.openai.com", 443, ""),
        ("https://api.openai.com:443/", "api.openai.com", 443, ""),
        ("http://127.0.0.1:9001", "127.0.0.1:9001", 9001, ""),
        ("http://[::1]:9001/v1/", "[::1]:9001", 9001, "/v1"),
        ("http://[::1]", "[::1]", 80, ""),
        ("https://Gateway.Corp/llm/openai", "gateway.corp", 443, "/llm/openai"),
    ],
)
def test_an_address_is_read(base_url, authority, port, prefix):
    origin = Origin.parse(base_url)
    assert (origin.authority, origin.port, origin.prefix) == (authority, port, prefix)


@pytest.mark.parametrize(
    "base_url",
    [
        "api.openai.com",
        "ftp://api.openai.com",
        "https://",
        "https://user:hunter2@api.openai.com",
        "https://api.openai.com/?key=hunter2",
        "https://api.openai.com/#hunter2",
        "https://api.openai.com:0",
        "https://api.openai.com:hunter2",
        "https://api.openai.com:70000",
        "https://api.openai.com/a b",
        "https://api.openai.com/é",
        "http://[::1",
        "https://" + "a" * 70 + ".com",
    ],
)
def test_an_address_that_can_not_be_used_names_the_setting_and_quotes_no_secret(base_url):
    with pytest.raises(ConfigError) as raised:
        Origin.parse(base_url)
    assert raised.value.field == "base_url"
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("proxy", ["https://proxy:3128", "socks5://proxy:1080", "http://", "http://u:hunter2@proxy:x"])
def test_a_proxy_that_can_not_be_used_names_the_setting_and_quotes_no_secret(proxy):
    with pytest.raises(ConfigError) as raised:
        Origin.parse("https://api.openai.com", proxy)
    assert raised.value.field == "proxy"
    assert "hunter2" not in str(raised.value)


def test_the_password_of_a_proxy_is_in_no_text():
    origin = Origin.parse("https://api.openai.com", "http://user:hunter2@proxy:3128")
    assert origin.proxy is not None
    assert origin.proxy.authorization.startswith("Basic ")
    for text in (repr(origin), str(origin), repr(origin.proxy), str(origin.proxy)):
        assert "hunter2" not in text
        assert origin.proxy.authorization not in text
