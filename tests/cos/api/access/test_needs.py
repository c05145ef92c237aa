import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.api.access.needs import Asked, needed_scope
from cos.models.access_scope import AccessScope

READ, WRITE = AccessScope.READ, AccessScope.WRITE


@pytest.mark.parametrize(
    ("method", "path", "client", "need"),
    [
        ("GET", "/cc/modules", "127.0.0.1", READ),
        ("HEAD", "/cc/modules", None, READ),
        ("get", "/cc/modules", None, WRITE),
        ("POST", "/cc/modules", "127.0.0.1", WRITE),
        ("OPTIONS", "/cc/modules", None, WRITE),
        ("GET", "/", None, READ),
        ("GET", "/cc/health/live", "192.0.2.1", None),
        ("POST", "/cc/health/live", None, None),
        ("GET", "/cc/health", None, READ),
        ("GET", "/cc/healthy", None, READ),
        ("GET", "/CC/health/live", None, READ),
        ("POST", "/login", None, None),
        ("POST", "/logout", None, None),
        ("POST", "/login/", None, WRITE),
        ("GET", "/metrics", "127.0.0.1", None),
        ("GET", "/metrics", "::ffff:127.0.0.1", None),
        ("GET", "/metrics", "192.0.2.1", READ),
        ("GET", "/metrics", None, READ),
        ("GET", "/metrics/", "127.0.0.1", READ),
    ],
)
def test_each_request_needs_its_scope(
    method: str, path: str, client: str | None, need: AccessScope | None
) -> None:
    assert needed_scope(Asked(method, path, client, "localhost")) is need


@pytest.mark.parametrize("host", [None, "proxied.example", "192.0.2.1"])
def test_the_metrics_are_open_under_a_name_of_this_machine_only(host: str | None) -> None:
    assert needed_scope(Asked("GET", "/metrics", "127.0.0.1", host)) is READ


@given(st.text(), st.text())
def test_a_path_that_nobody_opened_is_closed(method: str, path: str) -> None:
    assert needed_scope(Asked(method, f"/cc/modules{path}")) in {READ, WRITE}
