"""Every test commits the customer ada@example.org."""

from starlette.testclient import TestClient

ADA = {"email": "ada@example.org"}
ORDER = {"reference": "A-1", "email": "ada@example.org", "cents": 1250}


def test_the_first_customer_has_number_one(client: TestClient) -> None:
    answer = client.post("/customers", json=ADA)

    assert (answer.status_code, answer.json()) == (201, {"id": 1, "email": "ada@example.org"})
    assert client.get("/stats").json() == {"customers": 1, "orders": 0, "placed": 0, "events": 0}


def test_a_known_address_answers_409(client: TestClient) -> None:
    answers = [client.post("/customers", json=ADA).status_code for _ in range(2)]

    assert answers == [201, 409]
    assert client.get("/stats").json() == {"customers": 1, "orders": 0, "placed": 0, "events": 0}


def test_whoever_orders_becomes_a_customer(client: TestClient) -> None:
    before = client.get("/customers").json()
    client.post("/orders", json=ORDER)

    assert (before, client.get("/customers").json()) == ([], ["ada@example.org"])
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_a_known_customer_is_not_stored_twice(client: TestClient) -> None:
    client.post("/customers", json=ADA)
    answer = client.post("/orders", json=ORDER)

    assert (answer.status_code, answer.json()["customer_id"]) == (201, 1)
    assert client.get("/customers").json() == ["ada@example.org"]
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_a_refused_order_keeps_its_new_customer(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    client.post("/orders", json={**ORDER, "email": "bob@example.org"})

    assert client.get("/customers").json() == ["ada@example.org", "bob@example.org"]
    assert client.get("/stats").json() == {"customers": 2, "orders": 1, "placed": 1, "events": 1}
