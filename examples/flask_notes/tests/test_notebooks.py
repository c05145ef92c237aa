"""Every test creates the notebook "ideas", through the application, and is the first to do so."""

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from notes.models import Notebook

IDEAS = {"name": "ideas"}


def test_the_first_notebook_has_number_one(client: FlaskClient) -> None:
    answer = client.post("/notebooks", json=IDEAS)

    assert (answer.status_code, answer.get_json()) == (201, {"id": 1, "name": "ideas"})
    assert client.get("/notebooks").get_json() == ["ideas"]


def test_a_taken_name_answers_409(client: FlaskClient) -> None:
    answers = [client.post("/notebooks", json=IDEAS).status_code for _ in range(2)]

    assert answers == [201, 409]
    assert client.get("/notebooks").get_json() == ["ideas"]


def test_a_refused_notebook_uses_up_its_number(client: FlaskClient) -> None:
    for _ in range(2):
        client.post("/notebooks", json=IDEAS)
    answer = client.post("/notebooks", json={"name": "recipes"})

    assert answer.get_json() == {"id": 3, "name": "recipes"}


def test_a_deleted_notebook_is_gone_with_its_notes(client: FlaskClient) -> None:
    client.post("/notebooks", json=IDEAS)
    client.post("/notebooks/1/notes", json={"text": "a lighter lid"})

    assert client.delete("/notebooks/1").status_code == 204
    assert client.get("/notebooks").get_json() == []
    assert client.get("/notebooks/1/notes").status_code == 404


def test_what_the_application_commits_is_seen_from_outside(
    client: FlaskClient, db_session: Session
) -> None:
    client.post("/notebooks", json=IDEAS)

    assert db_session.scalars(select(Notebook.name)).all() == ["ideas"]
