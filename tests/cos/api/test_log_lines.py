import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.api.log_lines import JsonFormatter, TextFormatter, written
from cos.services.access.credential import Credential, CredentialKind

LINE = "%(levelname)s %(message)s"
CREDENTIALS = [Credential(kind, UUID(int=7), "x-_" * 14 + "y").text for kind in CredentialKind]
SPEAK = """
import logging, logging.config, sys
from cos.api.log_lines import log_config
logging.config.dictConfig(log_config(sys.argv[1], log_format=sys.argv[2], hidden=["hunter2-long"]))
logging.getLogger("uvicorn.error").warning("spoken of hunter2-long")
logging.getLogger("cos").debug("whispered")
"""


def _record(message: str, *args: object, **facts: object) -> logging.LogRecord:
    record = logging.LogRecord("cos", logging.INFO, "", 0, message, args, None)
    vars(record).update(facts)
    return record


def _failure(message: str) -> logging.LogRecord:
    error = ValueError(message)
    return _record("failed", exc_info=(ValueError, error, None))


def _spoken(level: str, log_format: str) -> str:
    # In a process of its own: logging is configured for a whole process.
    command = [sys.executable, "-c", SPEAK, level, log_format]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 1), ("error", 0)])
def test_the_level_decides_what_is_logged(level: str, lines: int) -> None:
    assert len(_spoken(level, "text").splitlines()) == lines


@pytest.mark.slow
def test_a_line_outside_of_a_request_says_so_in_either_format() -> None:
    line = _spoken("info", "text")
    document = json.loads(_spoken("info", "json"))

    assert line.endswith(" WARNING uvicorn.error [-] spoken of ***\n")
    assert document.pop("time")
    assert document == {
        "level": "warning",
        "logger": "uvicorn.error",
        "request_id": "-",
        "message": "spoken of ***",
    }


@given(st.text(), st.text())
def test_no_text_can_forge_a_line(message: str, error: str) -> None:
    lines = TextFormatter(LINE).format(_record("%s", message)).split("\n")
    failed = TextFormatter(LINE).format(_failure(error)).split("\n")
    document = JsonFormatter().format(_record("%s", message))

    assert all(line.startswith("  | ") for line in lines[1:] + failed[1:])
    assert not [line for line in lines + failed if not line.replace("\t", "").isprintable()]
    assert (document.isascii(), document.isprintable()) == (True, True)
    assert json.loads(document)["message"] == message


def test_a_traceback_stays_readable() -> None:
    lines = TextFormatter(LINE).format(_failure("broken\n2030-01-01 INFO cos forged")).split("\n")

    assert lines[0] == "INFO failed"
    assert lines[1:] == ["  | ValueError: broken", "  | 2030-01-01 INFO cos forged"]


def test_json_has_the_facts_of_a_request_and_the_traceback() -> None:
    facts = {"client": "::1", "method": "GET", "path": "/", "status": 200, "duration_ms": 1.5}
    document = json.loads(JsonFormatter().format(_record("asked", **facts, request_id="mine-1")))
    failed = json.loads(JsonFormatter().format(_failure("broken")))

    assert {name: document[name] for name in facts} == facts
    assert document["request_id"] == "mine-1"
    assert datetime.fromisoformat(document["time"]).tzinfo == UTC
    assert failed["exception"].endswith("ValueError: broken")


@pytest.mark.parametrize("secret", [*CREDENTIALS, "hunter2-long"])
@pytest.mark.parametrize("formatter", [TextFormatter, JsonFormatter])
def test_a_secret_that_gets_into_a_line_is_blotted_out(
    formatter: type[TextFormatter | JsonFormatter], secret: str
) -> None:
    formatting = formatter(LINE, hidden=["hunter2-long", "ok"])
    records = [
        _record("got %s!", secret),
        _record(f"{secret}{secret}"),
        _record("asked", path=f"/{secret}"),
        _failure(f"of {secret}"),
    ]
    lines = "\n".join(map(formatting.format, records))

    assert secret not in lines
    assert "***" in lines
    assert "asked" in lines


def test_of_a_hidden_credential_its_id_stays() -> None:
    line = TextFormatter(LINE).format(_record(CREDENTIALS[0]))

    assert line == f"INFO cos_{UUID(int=7).hex}_***"


def test_a_short_secret_blots_out_no_word() -> None:
    line = TextFormatter(LINE, hidden=["cos", ""]).format(_record("the cosmos"))

    assert line == "INFO the cosmos"


def test_what_is_told_whatever_the_level_is_is_a_line_too() -> None:
    document = json.loads(written(logging.getLogger("cos.cli"), "Serving"))

    assert (document["logger"], document["message"]) == ("cos.cli", "Serving")
