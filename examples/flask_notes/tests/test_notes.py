"""Every test finds the notebook "ideas", which its fixture commits, and writes the first note."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notes.models import Note, Notebook, db


@pytest.fixture
def ideas(db_session: Session) -> int:
    notebook = Notebook(name="ideas")
    db_session.add(notebook)
    db_session.commit()
    return notebook.id


def test_the_application_finds_what_a_fixture_committed(client: FlaskClient, ideas: int) -> None:
    assert client.get("/notebooks").get_json() == ["ideas"]
    assert client.get(f"/notebooks/{ideas}/notes").get_json() == []


def test_the_first_note_has_number_one(client: FlaskClient, ideas: int) -> None:
    answer = client.post(f"/notebooks/{ideas}/notes", json={"text": "a lighter lid"})

    assert (answer.status_code, answer.get_json()) == (201, {"id": 1, "text": "a lighter lid"})


def test_notes_come_in_the_order_in_which_they_were_written(
    client: FlaskClient, ideas: int
) -> None:
    for text in ("one", "two", "three"):
        client.post(f"/notebooks/{ideas}/notes", json={"text": text})

    assert client.get(f"/notebooks/{ideas}/notes").get_json() == ["one", "two", "three"]


def test_no_note_is_written_in_a_notebook_that_is_not_there(
    client: FlaskClient, db_session: Session
) -> None:
    answer = client.post("/notebooks/1/notes", json={"text": "a lighter lid"})

    assert answer.status_code == 404
    assert db_session.scalar(select(func.count()).select_from(Note)) == 0


@pytest.mark.usefixtures("context")
def test_the_session_of_the_application_commits_too(client: FlaskClient, ideas: int) -> None:
    db.session.add(Note(text="a lighter lid", notebook_id=ideas))
    db.session.commit()

    assert client.get(f"/notebooks/{ideas}/notes").get_json() == ["a lighter lid"]


@pytest.mark.usefixtures("context", "ideas")
def test_nothing_is_left_of_what_other_tests_committed() -> None:
    assert db.session.scalar(db.select(func.count()).select_from(Note)) == 0
    assert db.session.scalars(db.select(Notebook.name)).all() == ["ideas"]
