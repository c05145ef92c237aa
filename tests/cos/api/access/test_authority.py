from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.api.access.authority import Authority, Origin, is_loopback, normal_host


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost", "localhost", None),
        ("LocalHost:8000", "localhost", 8000),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("cos.example:65535", "cos.example", 65535),
        ("[::1]", "::1", None),
        ("[0:0:0:0:0:0:0:1]:80", "::1", 80),
        ("[::ffff:127.0.0.1]:80", "127.0.0.1", 80),
        ("localhost.", "localhost.", None),
    ],
)
def test_a_host_is_read(text: str, host: str, port: int | None) -> None:
    assert Authority.parse(text) == Authority(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "localhost:", "localhost:x", "localhost:65536", "localhost:٣", ":80", "a b"),
        *("::1", "[::1", "::1]", "[localhost]", "[::1]x", "user@localhost", "localhost/", "a,b"),
        *("localhost\n", "localhost\0", "*", "exämple", "localhost:80:80", "http://localhost"),
    ],
)
def test_anything_else_is_no_host(text: str) -> None:
    assert Authority.parse(text) is None


@given(st.text())
def test_no_text_is_a_fault(text: str) -> None:
    assert Authority.parse(text) is None or Authority.parse(text.upper()) is not None
    assert Origin.parse(f"http://{text}") is None or text
    assert is_loopback(text) in {True, False}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:192.0.2.1", False),
        ("localhost", False),
        ("/run/cos.sock", False),
        ("", False),
        (None, False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str | None, *, expected: bool) -> None:
    assert is_loopback(host) is expected


@given(st.ip_addresses())
def test_an_address_has_one_form(address: IPv4Address | IPv6Address) -> None:
    assert normal_host(address.exploded) == normal_host(f"[{address.compressed.upper()}]")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://localhost:8000", Origin("http", "localhost", 8000)),
        ("http://LOCALHOST", Origin("http", "localhost", 80)),
        ("https://cos.example", Origin("https", "cos.example", 443)),
        ("https://cos.example:443", Origin("https", "cos.example", 443)),
        ("http://[::1]:8000", Origin("http", "::1", 8000)),
    ],
)
def test_an_origin_is_read_with_its_port(text: str, origin: Origin) -> None:
    assert Origin.parse(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "NULL", "localhost", "http://", "http:localhost", "ftp://localhost"),
        *("HTTP://localhost", "http://localhost/", "http://localhost/x", "file://", "http://a b"),
        *("http://user@localhost", "http://localhost http://localhost", "chrome-extension://abc"),
    ],
)
def test_anything_else_is_no_origin(text: str) -> None:
    assert Origin.parse(text) is None
