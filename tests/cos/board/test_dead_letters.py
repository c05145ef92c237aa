"""The dead letters on the board, and asking for a replay of one."""

import re

import pytest
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.models import DeadLetter
from testkit.core.naming import UniqueNames
from tests.cos.factories import ApiTokenFactory, DeadLetterFactory, text_of

PART = {"HX-Request": "true", "Origin": "http://127.0.0.1"}


def _replayed(session: Session) -> list[int]:
    """Return the letters for which somebody asked for a replay."""
    session.rollback()
    asked = DeadLetter.replay_requested_at.is_not(None)
    return list(session.scalars(select(DeadLetter.id).where(asked)))


async def test_they_are_shown_newest_first_with_their_reason(
    client: AsyncClient, unique: UniqueNames
) -> None:
    group = unique("group")
    DeadLetterFactory.create(group_name=group, reason="ValueError: <b>no</b>", attempts=5)
    entry = unique("entry")
    DeadLetterFactory.create(
        group_name=group, type=None, event_id=None, sequence=None, entry=entry, reason="x" * 400
    )
    shown = (await client.get("/board/dead-letters")).text
    rows = re.findall(r"<tr id=.*?</tr>", shown, re.DOTALL)

    assert len(rows) == 2
    assert f"entry {entry}" in rows[0]
    assert "x" * 299 + "…" in rows[0]
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in rows[1]
    assert "health.changed 1" in rows[1]
    assert "<td>5</td>" in rows[1]


async def test_more_of_them_than_are_shown_are_told_of(client: AsyncClient) -> None:
    for _ in range(21):
        DeadLetterFactory.create()
    shown = (await client.get("/board/dead-letters")).text

    assert shown.count("<tr id=") == 20
    assert "There are more: python -m cos dlq list" in shown


async def test_a_replay_is_asked_for_once_and_shown(
    client: AsyncClient, db_session: Session
) -> None:
    letter, other = DeadLetterFactory.create_batch(2)
    path = f"/board/dead-letters/{letter.id}/replay"
    first = await client.post(path, headers=PART)
    again = await client.post(path, headers=PART)

    assert (first.status_code, again.status_code) == (200, 200)
    assert _replayed(db_session) == [letter.id]
    assert first.text.count("replay asked for") == 1
    assert f'action="/board/dead-letters/{other.id}/replay"' in first.text


async def test_without_scripts_the_form_leads_back_to_the_board(
    client: AsyncClient, db_session: Session
) -> None:
    letter = DeadLetterFactory.create()
    answer = await client.post(
        f"/board/dead-letters/{letter.id}/replay", headers={"Origin": "http://127.0.0.1"}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert _replayed(db_session) == [letter.id]


@pytest.mark.parametrize("letter", [1, 2**63 - 1])
async def test_a_letter_that_is_gone_is_no_longer_shown_and_no_error(
    client: AsyncClient, letter: int
) -> None:
    answer = await client.post(f"/board/dead-letters/{letter}/replay", headers=PART)

    assert (answer.status_code, "None: every subscriber" in answer.text) == (200, True)


@pytest.mark.parametrize("letter", ["x", "1.5", "-" * 9, str(2**63), "9" * 5_000])
async def test_what_can_be_no_letter_is_refused(client: AsyncClient, letter: str) -> None:
    answer = await client.post(f"/board/dead-letters/{letter}/replay", headers=PART)

    assert answer.status_code == 422


async def test_who_may_only_read_sees_no_button_and_is_refused(
    client: AsyncClient, db_session: Session
) -> None:
    letter = DeadLetterFactory.create()
    token = text_of(ApiTokenFactory.create(read_only=True))
    headers = PART | {"Authorization": f"Bearer {token}"}
    shown = await client.get("/board/dead-letters", headers=headers)
    refused = await client.post(f"/board/dead-letters/{letter.id}/replay", headers=headers)

    assert (shown.status_code, "<button" in shown.text) == (200, False)
    assert refused.status_code == 403
    assert _replayed(db_session) == []


async def test_a_page_of_somebody_else_cannot_ask(client: AsyncClient, db_session: Session) -> None:
    letter = DeadLetterFactory.create()
    refused = await client.post(
        f"/board/dead-letters/{letter.id}/replay", headers={"Origin": "http://elsewhere.example"}
    )

    assert refused.status_code == 403
    assert _replayed(db_session) == []
