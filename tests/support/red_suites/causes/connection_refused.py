"""A service that is not there: nobody listens on its port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    import socket
    import urllib.request

    import httpx


    PORT = $port


    class ${Name}Unavailable(Exception):
        pass


    def ping():
        with socket.create_connection(("127.0.0.1", PORT), timeout=2) as connection:
            return connection.recv(1)


    def health():
        return httpx.get(f"http://127.0.0.1:{PORT}/health", trust_env=False).status_code


    def fetch(key):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(f"http://127.0.0.1:{PORT}/{key}").read()


    def load(key):
        try:
            return ping()
        except OSError as error:
            raise ${Name}Unavailable(f"$name did not answer for {key}") from error
"""


def plant(words: Words) -> Planted:
    name = words.noun()
    # Nobody listens on the lowest ports of this machine, and only root could.
    text = fill(_MODULE, name=name, Name=name.title(), port=words.draw.randint(2, 6))
    return Planted(
        label=f"connection refused: {name}",
        modules={f"app/{name}.py": text},
        imports=f"from app import {name}\n",
        conftest=f"@pytest.fixture\ndef {name}_connection():\n    from app import {name}\n\n    return {name}.ping()\n",
        red=(
            Form(f"assert {name}.ping()"),
            Form(f"assert {name}.health() == 200"),
            Form(f"assert {name}.fetch('$word') == b'x'"),
            Form(f"assert {name}.load('$word') == b'x'"),
            Form(f"assert {name}_connection", f"{name}_connection"),
        ),
        green=(Form(f"assert {name}.PORT < 10"),),
    )
