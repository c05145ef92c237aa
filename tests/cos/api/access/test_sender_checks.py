import pytest

from cos.api.access.authority import Origin
from cos.api.access.sender_checks import (
    HostVerdict,
    OriginVerdict,
    SentFrom,
    judge_host,
    judge_origin,
)

OWN = Origin("http", "127.0.0.1", 8000)
BOARD = Origin("https", "board.example", 443)
FINE, FOREIGN, UNSAID = OriginVerdict.FINE, OriginVerdict.FOREIGN, OriginVerdict.UNSAID


@pytest.mark.parametrize(
    ("hosts", "verdict"),
    [
        (["localhost"], HostVerdict.OURS),
        (["localhost:9"], HostVerdict.OURS),
        (["127.0.0.1:8000"], HostVerdict.OURS),
        (["[::1]:8000"], HostVerdict.OURS),
        (["COS.example:1"], HostVerdict.OURS),
        (["192.0.2.7:8000"], HostVerdict.OURS),
        (["[::ffff:192.0.2.7]"], HostVerdict.OURS),
        (["192.0.2.8"], HostVerdict.FOREIGN),
        (["evil.example"], HostVerdict.FOREIGN),
        (["localhost.evil.example"], HostVerdict.FOREIGN),
        (["127.0.0.1.evil.example"], HostVerdict.FOREIGN),
        (["cos.example.evil.example"], HostVerdict.FOREIGN),
        (["localhost."], HostVerdict.FOREIGN),
        (["0.0.0.0:8000"], HostVerdict.FOREIGN),
        (["127.1"], HostVerdict.FOREIGN),
        (["[::]"], HostVerdict.FOREIGN),
        ([], HostVerdict.MALFORMED),
        ([""], HostVerdict.MALFORMED),
        (["localhost", "localhost"], HostVerdict.MALFORMED),
        (["localhost, evil.example"], HostVerdict.MALFORMED),
        (["evil.example#localhost"], HostVerdict.MALFORMED),
    ],
)
def test_a_request_must_be_addressed_to_this_service(
    hosts: list[str], verdict: HostVerdict
) -> None:
    found = judge_host(hosts, local_address="192.0.2.7", allowed={"cos.example"})

    assert found is verdict


def test_a_connection_without_an_address_has_the_other_names() -> None:
    judged = [
        judge_host([host], local_address=None, allowed=()) for host in ("localhost", "192.0.2.7")
    ]

    assert judged == [HostVerdict.OURS, HostVerdict.FOREIGN]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_what_changes_nothing_may_come_from_anywhere(method: str) -> None:
    sent = SentFrom(method, ["https://evil.example"], "cross-site", by_cookie=True)

    assert judge_origin(sent, own=OWN, allowed=()) is FINE


@pytest.mark.parametrize("by_cookie", [True, False])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
@pytest.mark.parametrize(
    ("origins", "verdict"),
    [
        (["http://127.0.0.1:8000"], FINE),
        (["https://board.example"], FINE),
        (["https://board.example:443"], FINE),
        (["http://board.example"], FOREIGN),
        (["https://board.example:8443"], FOREIGN),
        (["http://localhost:8000"], FOREIGN),
        (["https://127.0.0.1:8000"], FOREIGN),
        (["http://127.0.0.1"], FOREIGN),
        (["http://127.0.0.1:8001"], FOREIGN),
        (["https://evil.example"], FOREIGN),
        (["null"], FOREIGN),
        ([""], FOREIGN),
        (["http://127.0.0.1:8000", "http://127.0.0.1:8000"], FOREIGN),
    ],
)
def test_what_changes_something_comes_from_a_page_of_ours(
    method: str, origins: list[str], verdict: OriginVerdict, *, by_cookie: bool
) -> None:
    sent = SentFrom(method, origins, None, by_cookie=by_cookie)

    assert judge_origin(sent, own=OWN, allowed={BOARD}) is verdict


@pytest.mark.parametrize(
    ("fetch_site", "by_cookie", "verdict"),
    [
        (None, False, FINE),
        (None, True, UNSAID),
        ("same-origin", True, FINE),
        ("same-site", True, UNSAID),
        ("cross-site", True, UNSAID),
        ("none", True, UNSAID),
    ],
)
def test_a_cookie_alone_changes_nothing(
    fetch_site: str | None, verdict: OriginVerdict, *, by_cookie: bool
) -> None:
    sent = SentFrom("POST", [], fetch_site, by_cookie=by_cookie)

    assert judge_origin(sent, own=OWN, allowed=()) is verdict
