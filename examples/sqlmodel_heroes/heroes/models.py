"""The tables, and what the HTTP interface takes and gives."""

from sqlmodel import Field, Relationship, SQLModel


class TeamIn(SQLModel):
    name: str = Field(min_length=1, max_length=50, unique=True)


class Team(TeamIn, table=True):
    id: int | None = Field(default=None, primary_key=True)
    heroes: list["Hero"] = Relationship(back_populates="team")


class TeamOut(TeamIn):
    id: int


class HeroIn(SQLModel):
    name: str = Field(min_length=1, max_length=50, unique=True)
    team_id: int | None = Field(default=None, foreign_key="team.id", index=True)


class Hero(HeroIn, table=True):
    id: int | None = Field(default=None, primary_key=True)
    team: Team | None = Relationship(back_populates="heroes")


class HeroOut(HeroIn):
    id: int
