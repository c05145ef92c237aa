"""Every test commits Ada, as if it were the only test there is."""

from sqlalchemy.orm import Session
from sqlmodel import select
from starlette.testclient import TestClient

from heroes.models import Hero, Team

ADA = {"name": "Ada"}


def test_the_first_hero_has_number_one(client: TestClient) -> None:
    answer = client.post("/heroes", json=ADA)

    assert answer.status_code == 201
    assert answer.json() == {"id": 1, "name": "Ada", "team_id": None}
    assert client.get("/heroes").json() == [answer.json()]


def test_a_taken_name_answers_409(client: TestClient) -> None:
    answers = [client.post("/heroes", json=ADA) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert len(client.get("/heroes").json()) == 1


def test_a_hero_of_no_known_team_answers_409(client: TestClient) -> None:
    answer = client.post("/heroes", json={**ADA, "team_id": 1})

    assert answer.status_code == 409
    assert client.get("/heroes").json() == []


def test_a_hero_without_a_name_answers_422(client: TestClient) -> None:
    assert client.post("/heroes", json={"name": ""}).status_code == 422
    assert client.post("/heroes", json=ADA).json()["id"] == 1


def test_heroes_are_found_by_their_team(client: TestClient) -> None:
    team = client.post("/teams", json={"name": "engines"}).json()
    client.post("/heroes", json={**ADA, "team_id": team["id"]})
    client.post("/heroes", json={"name": "Bob"})

    found = client.get("/heroes", params={"team": "engines"}).json()
    assert [hero["name"] for hero in found] == ["Ada"]


def test_the_name_of_a_deleted_hero_is_free_again(client: TestClient) -> None:
    client.post("/heroes", json=ADA)
    client.delete("/heroes/1")

    assert client.post("/heroes", json=ADA).json()["id"] == 2
    assert client.delete("/heroes/1").status_code == 404


def test_what_the_application_commits_is_seen_from_outside(
    client: TestClient, db_session: Session
) -> None:
    client.post("/heroes", json=ADA)

    assert [hero.name for hero in db_session.scalars(select(Hero))] == ["Ada"]


def test_the_application_finds_what_the_test_committed(
    client: TestClient, db_session: Session
) -> None:
    db_session.add(Hero(name="Ada", team=Team(name="engines")))
    db_session.commit()

    assert client.get("/heroes", params={"team": "engines"}).json() == [
        {"id": 1, "name": "Ada", "team_id": 1}
    ]


def test_models_of_sqlmodel_are_checked_where_they_are_read(db_session: Session) -> None:
    db_session.add(Hero.model_validate(ADA))
    db_session.commit()
    [hero] = db_session.scalars(select(Hero))

    assert hero.model_dump() == {"id": 1, "name": "Ada", "team_id": None}
