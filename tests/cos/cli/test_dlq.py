import json

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.cli import main
from cos.models import DeadLetter
from tests.cos.commands import run
from tests.cos.factories import DeadLetterFactory


def _answering(answer: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, input=answer, prog_name="python -m cos")


def _left(session: Session) -> list[int]:
    session.expire_all()
    return list(session.scalars(select(DeadLetter.id).order_by(DeadLetter.id)))


def _marked(session: Session) -> list[int]:
    session.expire_all()
    marked = select(DeadLetter.id).where(DeadLetter.replay_requested_at.is_not(None))
    return list(session.scalars(marked.order_by(DeadLetter.id)))


def test_the_list_is_a_table_newest_first() -> None:
    first, second = DeadLetterFactory.create(), DeadLetterFactory.create()
    lines = run("dlq", "list").stdout.splitlines()

    assert lines[0].split()[:3] == ["ID", "GROUP", "TYPE"]
    assert [line.split()[:2] for line in lines[1:]] == [
        [str(letter.id), letter.group_name] for letter in (second, first)
    ]


def test_json_has_every_field() -> None:
    letter, _ = DeadLetterFactory.create_batch(2)
    done = run("dlq", "list", "--json", "--group", letter.group_name)
    (found,) = json.loads(done.stdout)

    assert (found["id"], found["fields"]) == (letter.id, letter.fields)
    assert (found["reason"], found["event_id"]) == (letter.reason, str(letter.event_id))


def test_without_letters_the_list_is_empty() -> None:
    done = run("dlq", "list")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "There is no dead letter.\n")


def test_a_letter_is_shown_for_a_person_and_nothing_in_it_is_obeyed() -> None:
    letter = DeadLetterFactory.create(fields={"type": "\x1b[31mred", "a\nb": "c"})
    done = run("dlq", "show", str(letter.id))

    assert done.exit_code == 0
    assert f"id: {letter.id}\n" in done.stdout
    assert "type: health.changed\n" in done.stdout
    assert "  type: \\x1b[31mred\n" in done.stdout
    assert "  a\\nb: c\n" in done.stdout


def test_a_letter_is_shown_as_json() -> None:
    letter = DeadLetterFactory.create()
    (found,) = json.loads(run("dlq", "show", str(letter.id), "--json").stdout)

    assert found["id"] == letter.id


@pytest.mark.parametrize("action", [["show"], ["replay", "--yes"], ["drop", "--yes"]])
def test_an_unknown_letter_is_told(db_session: Session, action: list[str]) -> None:
    known = DeadLetterFactory.create().id
    name, *options = action
    ids = [str(known), "999999"] if options else ["999999"]
    done = run("dlq", name, *ids, *options)

    assert (done.exit_code, done.stdout) == (1, "")
    assert "There is no dead letter 999999;" in done.stderr
    assert (_left(db_session), _marked(db_session)) == ([known], [])


def test_named_letters_are_marked_for_a_replay(db_session: Session) -> None:
    first, second, _ = (letter.id for letter in DeadLetterFactory.create_batch(3))
    done = run("dlq", "replay", str(first), str(second), "--yes")

    assert done.stdout == "Running subscribers replay 2 dead letters.\n"
    assert _marked(db_session) == [first, second]


def test_all_letters_of_a_group_are_replayed(db_session: Session) -> None:
    mine, _ = DeadLetterFactory.create_batch(2)
    done = run("dlq", "replay", "--all", "--group", mine.group_name, "--yes")

    assert done.exit_code == 0
    assert _marked(db_session) == [mine.id]


def test_named_letters_are_dropped(db_session: Session) -> None:
    first, second = (letter.id for letter in DeadLetterFactory.create_batch(2))
    done = run("dlq", "drop", str(first), "--yes")

    assert (done.exit_code, done.stdout) == (0, "1 dead letters are dropped.\n")
    assert _left(db_session) == [second]


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 2), ("", 1, 2)])
def test_it_asks_with_the_number_and_takes_no_for_an_answer(
    db_session: Session, answer: str, code: int, left: int
) -> None:
    DeadLetterFactory.create_batch(2)
    done = _answering(answer, "dlq", "drop", "--all")

    assert done.exit_code == code
    assert "Shall 2 dead letters be dropped?" in done.stderr
    assert len(_left(db_session)) == left


@pytest.mark.parametrize("action", ["replay", "drop"])
def test_nothing_to_do_is_told(action: str) -> None:
    done = run("dlq", action, "--all", "--group", "nobody", "--yes")

    assert (done.exit_code, done.stderr) == (1, "There is no dead letter of nobody.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["drop"],
        ["drop", "1", "--all"],
        ["drop", "1", "--group", "g"],
        ["replay", "--group", "g"],
        ["replay", "0"],
        ["show"],
        ["show", "9223372036854775808"],
        ["list", "--limit", "0"],
        ["nothing"],
    ],
)
def test_anything_else_is_wrong_use(arguments: list[str]) -> None:
    done = run("dlq", *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: python -m cos dlq" in done.stderr


def test_a_database_that_is_down_is_told(closed_port: int) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x"
    done = run("dlq", "list", DATABASE_URL=url)

    assert (done.exit_code, done.stdout) == (3, "")
    assert "Run now: python -m cos dlq list, when the database answers" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("action", ["list", "show", "replay", "drop"])
def test_every_action_has_examples(action: str) -> None:
    done = run("dlq", action, "--help", DATABASE_URL=None)

    assert f"\n    python -m cos dlq {action}" in done.stdout
