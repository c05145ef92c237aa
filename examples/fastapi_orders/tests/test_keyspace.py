"""What Redis holds starts empty for every test: counter, limits, cache and stream."""

from starlette.testclient import TestClient

ORDER = {"reference": "A-1", "email": "ada@example.org", "cents": 1250}


def test_the_counter_starts_at_zero(client: TestClient) -> None:
    before = client.get("/stats").json()
    client.post("/orders", json=ORDER)
    after = client.get("/stats").json()

    assert before == {"customers": 0, "orders": 0, "placed": 0, "events": 0}
    assert after == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_a_refused_order_is_not_counted(client: TestClient) -> None:
    answers = [client.post("/orders", json=ORDER).status_code for _ in range(2)]

    assert answers == [201, 409]
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_the_fourth_order_of_a_customer_answers_429(client: TestClient) -> None:
    references = ["A-1", "A-2", "A-3", "A-4"]
    answers = [client.post("/orders", json={**ORDER, "reference": name}) for name in references]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert client.get("/stats").json() == {"customers": 1, "orders": 3, "placed": 3, "events": 3}


def test_the_second_read_comes_from_the_cache(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    reads = [client.get("/orders/1") for _ in range(2)]

    assert [read.headers["X-Cache"] for read in reads] == ["miss", "hit"]
    assert reads[0].json() == reads[1].json()
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_a_cancelled_order_leaves_the_cache(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    client.get("/orders/1")
    client.delete("/orders/1")

    assert client.get("/orders/1").status_code == 404
    assert client.get("/stats").json() == {"customers": 1, "orders": 0, "placed": 1, "events": 2}


def test_the_stream_tells_what_happened_in_order(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    client.delete("/orders/1")

    assert client.get("/events").json() == [
        {"kind": "placed", "reference": "A-1"},
        {"kind": "cancelled", "reference": "A-1"},
    ]
    assert client.get("/stats").json() == {"customers": 1, "orders": 0, "placed": 1, "events": 2}
