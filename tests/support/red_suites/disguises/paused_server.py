"""A server accepts connections and says nothing: timeouts, a breaker that opens, a 503."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_CACHE: Final = """
    import socket

    import redis
    from fastapi import FastAPI, HTTPException
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    PORT = 0
    app = FastAPI()


    class CircuitOpen(Exception):
        pass


    class Breaker:
        def __init__(self):
            self.failures = 0

        def call(self, work):
            if self.failures >= 3:
                raise CircuitOpen("the circuit of the cache is open") from self.last
            try:
                return work()
            except redis.RedisError as error:
                self.failures += 1
                self.last = error
                raise


    def client():
        return redis.Redis(
            port=PORT, socket_timeout=0.03, retry=Retry(NoBackoff(), 0), protocol=2
        )


    breaker = Breaker()


    def remembered(key):
        return breaker.call(lambda: client().get(key))


    def greeting():
        with socket.create_connection(("127.0.0.1", PORT), timeout=0.03) as connection:
            connection.sendall(b"PING\\r\\n")
            return connection.recv(7)


    @app.get("/things/{key}")
    def thing(key: str):
        try:
            return {"key": key, "value": client().get(key)}
        except redis.RedisError as error:
            raise HTTPException(503, f"the cache on port {PORT} did not answer: {error}") from error
"""
_CONFTEST: Final = """
    import socket

    import pytest

    from app import cache


    @pytest.fixture(scope="session", autouse=True)
    def server():
        # The kernel accepts what connects; nobody ever reads.
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            cache.PORT = listener.getsockname()[1]
            yield
"""
_CLIENT: Final = """
    import pytest

    from app import cache


    @pytest.mark.parametrize("key", ["a", "b", "c"])
    def test_a_value_is_stored(key):
        assert cache.client().set(key, "1")


    def test_the_server_answers():
        assert cache.client().ping()


    def test_the_greeting():
        assert cache.greeting() == b"+PONG\\r\\n"


    def test_a_client_is_made():
        assert cache.client()
"""
_BREAKER: Final = """
    import pytest

    from app import cache


    @pytest.mark.parametrize("key", ["a", "b", "c", "d", "e", "f"])
    def test_what_was_stored_is_remembered(key):
        assert cache.remembered(key) is None
"""
_WEB: Final = """
    import pytest
    from fastapi.testclient import TestClient

    from app import cache


    @pytest.mark.parametrize("key", ["a", "b"])
    def test_a_thing_is_answered(key):
        assert TestClient(cache.app).get(f"/things/{key}").status_code == 200


    def test_a_thing_has_a_key():
        assert TestClient(cache.app).get("/things/a").json()["key"] == "a"


    def test_what_is_not_there_is_not_found():
        assert TestClient(cache.app).get("/nothing").status_code == 404
"""

DISGUISE: Final = Disguise(
    cause="the cache server is paused",
    files={
        "app/__init__.py": "",
        "app/cache.py": _CACHE,
        "tests/conftest.py": _CONFTEST,
        "tests/test_client.py": _CLIENT,
        "tests/test_remembered.py": _BREAKER,
        "tests/test_web.py": _WEB,
    },
    red=(
        *(f"tests/test_client.py::test_a_value_is_stored[{key}]" for key in "abc"),
        "tests/test_client.py::test_the_server_answers",
        "tests/test_client.py::test_the_greeting",
        *(
            f"tests/test_remembered.py::test_what_was_stored_is_remembered[{key}]"
            for key in "abcdef"
        ),
        *(f"tests/test_web.py::test_a_thing_is_answered[{key}]" for key in "ab"),
        "tests/test_web.py::test_a_thing_has_a_key",
    ),
    green=(
        "tests/test_client.py::test_a_client_is_made",
        "tests/test_web.py::test_what_is_not_there_is_not_found",
    ),
    names=(),
    rules=("service", "server", "timeout", "connection", "answer"),
)
