from datetime import datetime
from uuid import UUID

from httpx import AsyncClient

from tests.cos.factories import ModuleFactory


async def test_the_history_is_paged_newest_first(client: AsyncClient) -> None:
    module = ModuleFactory.create()
    path = f"/cc/modules/{module.id}"
    for status, details in [("healthy", {"n": 1}), ("healthy", {"n": 2}), ("degraded", {"n": 3})]:
        await client.post(f"{path}/heartbeat", json={"status": status, "details": details})
    first = (await client.get(f"{path}/health/history", params={"limit": 2})).json()
    rest = (
        await client.get(
            f"{path}/health/history", params={"limit": 2, "cursor": first["next_cursor"]}
        )
    ).json()
    items = [*first["items"], *rest["items"]]
    times = [datetime.fromisoformat(item.pop("at")) for item in items]

    assert items == [
        {"status": "degraded", "previous": "healthy", "reason": "heartbeat", "details": {"n": 3}},
        {"status": "healthy", "previous": "healthy", "reason": "heartbeat", "details": {"n": 2}},
        {"status": "healthy", "previous": "unknown", "reason": "heartbeat", "details": {"n": 1}},
    ]
    assert times == sorted(times, reverse=True)
    assert (len(first["items"]), rest["next_cursor"]) == (2, None)


async def test_a_module_that_was_never_heard_has_an_empty_page(client: AsyncClient) -> None:
    answer = await client.get(f"/cc/modules/{ModuleFactory.create().id}/health/history")

    assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})


async def test_the_history_of_an_unknown_module_is_404(client: AsyncClient) -> None:
    answer = await client.get(f"/cc/modules/{UUID(int=1)}/health/history")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:cos:problem:unknown-module")


async def test_what_is_no_page_of_a_history_is_422(client: AsyncClient) -> None:
    path = f"/cc/modules/{ModuleFactory.create().id}/health/history"
    bad: list[dict[str, str | int]] = [
        {"limit": 0},
        {"limit": 201},
        {"cursor": "x"},
        # The cursor of another list.
        {"cursor": "A" * 32},
        {"page": 1},
    ]
    codes = [(await client.get(path, params=query)).status_code for query in bad]

    assert codes == [422] * len(bad)
