"""Every test commits order A-1 of ada@example.org, as if it were the only test there is."""

from starlette.testclient import TestClient

ORDER = {"reference": "A-1", "email": "ada@example.org", "cents": 1250}


def test_the_first_order_has_number_one(client: TestClient) -> None:
    answer = client.post("/orders", json=ORDER)

    assert answer.status_code == 201
    assert answer.json() == {"id": 1, "reference": "A-1", "customer_id": 1, "cents": 1250}
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_the_second_order_has_number_two(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    answer = client.post("/orders", json={**ORDER, "reference": "A-2"})

    assert answer.json() == {"id": 2, "reference": "A-2", "customer_id": 1, "cents": 1250}
    assert client.get("/stats").json() == {"customers": 1, "orders": 2, "placed": 2, "events": 2}


def test_a_taken_reference_answers_409(client: TestClient) -> None:
    answers = [client.post("/orders", json=ORDER).status_code for _ in range(2)]

    assert answers == [201, 409]
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}


def test_a_taken_reference_of_another_customer_answers_409(client: TestClient) -> None:
    first = client.post("/orders", json=ORDER)
    second = client.post("/orders", json={**ORDER, "email": "bob@example.org"})

    assert (first.status_code, second.status_code) == (201, 409)
    assert client.get("/stats").json() == {"customers": 2, "orders": 1, "placed": 1, "events": 1}


def test_a_refused_order_uses_up_its_number(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    client.post("/orders", json=ORDER)
    answer = client.post("/orders", json={**ORDER, "reference": "A-2"})

    assert answer.json()["id"] == 3
    assert client.get("/stats").json() == {"customers": 1, "orders": 2, "placed": 2, "events": 2}


def test_the_list_holds_just_what_was_placed(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    client.post("/orders", json={**ORDER, "reference": "A-2"})

    listed = [(order["id"], order["reference"]) for order in client.get("/orders").json()]
    assert listed == [(1, "A-1"), (2, "A-2")]
    assert client.get("/stats").json() == {"customers": 1, "orders": 2, "placed": 2, "events": 2}


def test_a_cancelled_order_is_gone(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    answer = client.delete("/orders/1")

    assert answer.status_code == 204
    assert client.get("/orders").json() == []
    assert client.get("/stats").json() == {"customers": 1, "orders": 0, "placed": 1, "events": 2}


def test_the_reference_of_a_cancelled_order_is_free_again(client: TestClient) -> None:
    client.post("/orders", json=ORDER)
    client.delete("/orders/1")
    answer = client.post("/orders", json=ORDER)

    assert (answer.status_code, answer.json()["id"]) == (201, 2)
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 2, "events": 3}


def test_an_order_without_a_price_answers_422_and_stores_nothing(client: TestClient) -> None:
    refused = client.post("/orders", json={**ORDER, "cents": 0})
    accepted = client.post("/orders", json=ORDER)

    assert (refused.status_code, accepted.json()["id"]) == (422, 1)
    assert len(client.get("/orders").json()) == 1
    assert client.get("/stats").json() == {"customers": 1, "orders": 1, "placed": 1, "events": 1}
