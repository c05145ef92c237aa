"""The prompt for machines without a client: it shows what ``redis-cli`` would."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testkit.core.options import Settings
from testkit.servers.shells.redis_prompt import (
    Conversation,
    RedisFault,
    Reply,
    Status,
    converse,
    raw,
    shown,
)
from testkit.servers.shells.target import redis_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testkit.servers.redis import RedisServer
    from testkit.servers.run import Run

CLIENT = shutil.which("redis-cli") or shutil.which("valkey-cli")
# Commands in their order, with every kind of reply and what may stand in a text.
COMMANDS = r"""
PING
SET a "x y"
GET a
GET none
INCR a
INCR n
LPUSH l 1 2 3 4 5 6 7 8 9 10
LRANGE l 0 -1
LRANGE l 50 60
SET b "a\x01b\nc\"d\\e é"
GET b
EVAL "return {1,{2,{}},false,'q',{3,{4,5}}}" 0
EVAL "return {err='MINE is wrong'}" 0
WRONG command
GET
"""


@pytest.fixture
def server(new_run: Callable[..., Run], tmp_path: Path) -> RedisServer:
    """A Redis of this test's own."""
    return new_run(tmp_path, Settings()).ensure_redis()


@pytest.fixture
def conversation(server: RedisServer) -> Iterator[Conversation]:
    """A connection to it."""
    with Conversation("127.0.0.1", server.port, server.password) as found:
        yield found


def said(
    conversation: Conversation, text: str, words_for: Callable[[Reply], str] = shown
) -> list[str]:
    """Type these lines; answer what was said."""
    heard: list[str] = []
    converse(conversation, text.splitlines(), say=heard.append, words_for=words_for)
    return heard


@pytest.mark.skipif(CLIENT is None, reason="compares with redis-cli or valkey-cli: install one")
@pytest.mark.parametrize(("option", "words_for"), [("--no-raw", shown), ("--raw", raw)])
def test_every_kind_of_reply_is_shown_as_the_client_shows_it(
    server: RedisServer,
    conversation: Conversation,
    option: str,
    words_for: Callable[[Reply], str],
) -> None:
    # The client writes its own escapes: no shell splits these lines.
    commands = "\n".join(line for line in COMMANDS.splitlines() if "\\" not in line) + "\n"
    command = [str(CLIENT), "-p", str(server.port), option]
    environment = redis_variables({"password": server.password})
    done = subprocess.run(
        command, env=environment, input=commands, capture_output=True, text=True, check=True
    )
    conversation.ask("FLUSHALL")
    ours = said(conversation, commands, words_for)

    assert "\n".join(ours) + "\n" == done.stdout


@pytest.mark.parametrize(
    ("reply", "in_terminal", "in_pipe"),
    [
        (Status("OK"), "OK", "OK"),
        (RedisFault("ERR no"), "(error) ERR no", "ERR no\n"),
        (None, "(nil)", ""),
        (7, "(integer) 7", "7"),
        (b"x y", '"x y"', "x y"),
        (b'a\x01"\\\n\xc3\xa9', r'"a\x01\"\\\n\xc3\xa9"', 'a\x01"\\\né'),
        ([], "(empty array)", ""),
        ([b"a", None], '1) "a"\n2) (nil)', "a\n"),
        ([1, [2, []], 3], "1) (integer) 1\n2) 1) (integer) 2\n   2) (empty array)\n3) (integer) 3", "1\n2\n\n3"),
    ],
)  # fmt: skip
def test_a_reply_has_a_form_for_terminals_and_one_for_pipes(
    reply: Reply, in_terminal: str, in_pipe: str
) -> None:
    assert (shown(reply), raw(reply)) == (in_terminal, in_pipe)


def test_a_status_cannot_make_a_terminal_obey() -> None:
    assert shown(RedisFault("ERR \x1b[2J")) == "(error) ERR  [2J"


@given(text=st.text(st.characters(codec="utf-8")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_arrives_and_comes_back_as_it_was(conversation: Conversation, text: str) -> None:
    assert conversation.ask("ECHO", text) == text.encode()


@pytest.mark.parametrize("word", ["quit", "EXIT", "QUIT"])
def test_quit_ends_the_conversation(conversation: Conversation, word: str) -> None:
    assert said(conversation, f"PING\n\n  \n{word}\nPING") == ["PONG"]


def test_a_line_with_an_open_quote_is_told_and_the_next_one_read(
    conversation: Conversation,
) -> None:
    assert said(conversation, "GET 'a\nPING") == ["Invalid argument(s)", "PONG"]


def test_a_wrong_password_is_refused(server: RedisServer) -> None:
    with pytest.raises(OSError, match="WRONGPASS"):
        Conversation("127.0.0.1", server.port, "wrong")


def test_after_subscribe_what_is_published_is_said_until_the_server_ends(
    server: RedisServer, conversation: Conversation
) -> None:
    heard: list[str] = []

    def say(text: str) -> None:
        heard.append(text)
        with Conversation("127.0.0.1", server.port, server.password) as other:
            if len(heard) == 1:
                other.ask("PUBLISH", "news", "hello")
            else:
                other.ask("CLIENT", "KILL", "TYPE", "pubsub")

    with pytest.raises(OSError, match=r"closed|reset"):
        converse(conversation, ["SUBSCRIBE news"], say=say, words_for=raw)

    assert heard == ["subscribe\nnews\n1", "message\nnews\nhello"]


def test_a_server_that_is_no_redis_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match="no Redis: it answered b'HTTP"):
            Conversation("127.0.0.1", listening.getsockname()[1], "x")
        thread.join()
