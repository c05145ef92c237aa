import json

import pytest
from httpx import AsyncClient, Response
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cos.api.json_body import storable_text
from cos.models import Module
from tests.cos.factories import ModuleFactory

JSON = {"Content-Type": "application/json"}


async def _post(client: AsyncClient, body: bytes) -> Response:
    return await client.post("/cc/modules", content=body, headers=JSON)


def _nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"text"', id="text"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param('{"name":"ada","version":"1"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"name":"\xc3\x28","version":"1"}', id="broken UTF-8"),
        pytest.param(b'{"name":NaN,"version":"1"}', id="NaN"),
        pytest.param(b'{"name":"ada","version":"1","config":{"a":NaN}}', id="NaN inside"),
        pytest.param(b'{"name":"ada","version":"1","config":{"a":[-Infinity]}}', id="Infinity"),
        pytest.param(b'{"name":"ada","version":"1","config":{"a":1e400}}', id="too large a float"),
        pytest.param(
            b'{"name":"ada","version":"1","config":{"a":' + b"9" * 5000 + b"}}", id="5,000 digits"
        ),
        pytest.param(b"[" * 200_000, id="200,000 lists"),
        pytest.param(b'{"name":"ada","version":"1","config":' + _nested(33) + b"}", id="33 levels"),
        pytest.param(
            b'{"name":"ada","version":"1","config":' + _nested(900) + b"}", id="900 levels"
        ),
        pytest.param(
            b'{"name":"ada","version":"1","config":{"a":"' + b"x" * 65_536 + b'"}}', id="too long"
        ),
        pytest.param(b'{"name":"a\\u0000b","version":"1"}', id="NUL in the name"),
        pytest.param(b'{"name":"ada","version":"\\u0000"}', id="NUL in the version"),
        pytest.param(b'{"name":"ada","version":"1","config":{"a":"\\u0000"}}', id="NUL in a value"),
        pytest.param(b'{"name":"ada","version":"1","config":{"\\u0000":1}}', id="NUL in a key"),
        pytest.param(
            b'{"name":"ada","version":"1","config":{"a":[[{"b":"\\u0000"}]]}}', id="NUL deep inside"
        ),
        pytest.param(b'{"name":"\\ud800","version":"1"}', id="surrogate in the name"),
        pytest.param(
            b'{"name":"ada","version":"1","config":{"\\udfff":"\\ud800"}}', id="surrogate inside"
        ),
        pytest.param(b'{"name":"ada","version":"1","\\ud800":1}', id="surrogate as a field"),
        pytest.param(b'{"name":"ada","version":"1","config":[]}', id="config is a list"),
        pytest.param(b'{"name":"ada","version":"1","config":null}', id="config is null"),
        pytest.param(b'{"name":"ada","version":"1","active":"yes"}', id="active is text"),
        pytest.param(b'{"name":"ada","version":"1","active":1}', id="active is a number"),
        pytest.param(b'{"name":1,"version":"1"}', id="name is a number"),
        pytest.param(b'{"name":"ada"}', id="no version"),
        pytest.param(b'{"version":"1"}', id="no name"),
        pytest.param(b'{"name":" \\t\\n","version":"1"}', id="blank name"),
        pytest.param(b'{"name":"ada","version":""}', id="empty version"),
    ],
)
async def test_a_bad_body_is_a_422_and_stores_nothing(
    client: AsyncClient, db_session: Session, body: bytes
) -> None:
    answer = await _post(client, body)

    assert (answer.status_code, answer.json()["status"]) == (422, 422)
    assert answer.json()["errors"]
    assert db_session.scalar(select(func.count()).select_from(Module)) == 0


async def test_a_body_without_its_media_type_is_a_422(client: AsyncClient) -> None:
    answer = await client.post("/cc/modules", content=b'{"name":"ada","version":"1"}')

    assert answer.status_code == 422


async def test_what_is_wrong_with_the_json_is_said(client: AsyncClient) -> None:
    answer = await _post(client, b'{"name":NaN}')

    assert answer.json()["errors"] == [
        {"loc": ["body", 0], "msg": "NaN is not JSON", "type": "json_invalid"}
    ]


async def test_a_body_of_more_than_a_million_bytes_is_a_413_problem(client: AsyncClient) -> None:
    answer = await _post(client, b" " * 1_000_001)

    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"": ""},
        {"text": "grüße 🙂 \u2028 \x7f \x01", "null": None, "yes": True, "list": [1, [2.5, {}]]},
        {"number": 2**63, "small": 5e-324, "large": 1.5e15, "negative": -0.5},
        {"'; DROP TABLE modules; --": '"\\/%s %(name)s :name {}'},
        json.loads(_nested(32)),
        {"a": "x" * 65_000},
    ],
)
async def test_any_other_object_comes_back_as_it_was_sent(
    client: AsyncClient, config: dict[str, object]
) -> None:
    made = await client.post("/cc/modules", json=ModuleFactory.payload(config=config))
    read = await client.get(made.headers["location"])

    assert made.status_code == 201
    assert made.json()["config"] == read.json()["config"] == config


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_text_without_nul_and_surrogates_is_storable(text: str) -> None:
    assert storable_text(text) == text


@given(st.text(), st.sampled_from(["\0", "\ud800", "\udbff", "\udc00", "\udfff"]), st.text())
def test_text_with_nul_or_a_lone_surrogate_is_not(before: str, bad: str, after: str) -> None:
    with pytest.raises(ValueError, match="must not contain"):
        storable_text(before + bad + after)
