"""The HTTP interface, with an engine that is made at import."""

import os
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, create_engine, select

from heroes.models import Hero, HeroIn, HeroOut, Team, TeamIn, TeamOut

app = FastAPI(title="heroes")
engine = create_engine(os.environ["DATABASE_URL"])


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


Database = Annotated[Session, Depends(get_session)]


@app.post("/teams", status_code=201)
def create_team(body: TeamIn, database: Database) -> TeamOut:
    team = Team.model_validate(body)
    database.add(team)
    commit_or_409(database)
    return TeamOut.model_validate(team)


@app.post("/heroes", status_code=201)
def create_hero(body: HeroIn, database: Database) -> HeroOut:
    hero = Hero.model_validate(body)
    database.add(hero)
    commit_or_409(database)
    return HeroOut.model_validate(hero)


@app.get("/heroes")
def list_heroes(database: Database, team: str | None = None) -> list[HeroOut]:
    wanted = select(Hero).order_by(Hero.id)
    if team is not None:
        wanted = wanted.join(Team).where(Team.name == team)
    return [HeroOut.model_validate(hero) for hero in database.exec(wanted)]


@app.delete("/heroes/{hero_id}", status_code=204)
def delete_hero(hero_id: int, database: Database) -> None:
    hero = database.get(Hero, hero_id)
    if hero is None:
        raise HTTPException(404, f"there is no hero {hero_id}")
    database.delete(hero)
    database.commit()


def commit_or_409(database: Session) -> None:
    try:
        database.commit()
    except IntegrityError as error:
        database.rollback()
        raise HTTPException(409, f"{error.orig.diag.constraint_name} refuses it") from error
