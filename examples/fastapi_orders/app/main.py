"""The HTTP interface."""

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import keyspace
from app.db import get_session
from app.models import Base, Customer, Order

app = FastAPI(title="orders")
Database = Annotated[Session, Depends(get_session)]


class OrderIn(BaseModel):
    reference: str = Field(min_length=1, max_length=50)
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=255)
    cents: int = Field(gt=0)


class OrderOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    reference: str
    customer_id: int
    cents: int


class CustomerIn(BaseModel):
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=255)


@app.post("/customers", status_code=201)
def create_customer(body: CustomerIn, database: Database) -> dict[str, Any]:
    customer = Customer(email=body.email)
    database.add(customer)
    commit_or_409(database, f"{body.email} is a customer already")
    return {"id": customer.id, "email": customer.email}


@app.get("/customers")
def list_customers(database: Database) -> list[str]:
    return list(database.scalars(select(Customer.email).order_by(Customer.id)))


@app.post("/orders", status_code=201)
def place_order(body: OrderIn, database: Database) -> OrderOut:
    """Place an order; whoever orders for the first time becomes a customer, for good."""
    if not keyspace.within_limit(body.email):
        raise HTTPException(429, f"{body.email} has placed too many orders")
    customer = database.scalar(select(Customer).where(Customer.email == body.email))
    if customer is None:
        customer = Customer(email=body.email)
        database.add(customer)
        database.commit()
    order = Order(reference=body.reference, customer_id=customer.id, cents=body.cents)
    database.add(order)
    commit_or_409(database, f"the reference {body.reference} is taken")
    keyspace.count_placed()
    keyspace.record("placed", order.reference)
    return OrderOut.model_validate(order)


@app.get("/orders")
def list_orders(database: Database) -> list[OrderOut]:
    orders = database.scalars(select(Order).order_by(Order.id))
    return [OrderOut.model_validate(order) for order in orders]


@app.get("/orders/{order_id}")
def read_order(order_id: int, database: Database, response: Response) -> OrderOut:
    body = keyspace.cached(order_id)
    response.headers["X-Cache"] = "miss" if body is None else "hit"
    if body is not None:
        return OrderOut.model_validate_json(body)
    order = OrderOut.model_validate(existing(database, order_id))
    keyspace.cache(order_id, order.model_dump_json())
    return order


@app.delete("/orders/{order_id}", status_code=204)
def cancel_order(order_id: int, database: Database) -> None:
    order = existing(database, order_id)
    database.delete(order)
    database.commit()
    keyspace.forget(order_id)
    keyspace.record("cancelled", order.reference)


@app.get("/stats")
def read_stats(database: Database) -> dict[str, int]:
    """Count what is stored now, in Postgres and in Redis, and what was ever placed."""
    return {
        "customers": count(database, Customer),
        "orders": count(database, Order),
        "placed": keyspace.placed(),
        "events": len(keyspace.events()),
    }


@app.get("/events")
def list_events() -> list[dict[str, Any]]:
    return keyspace.events()


def count(database: Session, model: type[Base]) -> int:
    return database.scalar(select(func.count()).select_from(model)) or 0


def existing(database: Session, order_id: int) -> Order:
    order = database.get(Order, order_id)
    if order is None:
        raise HTTPException(404, f"there is no order {order_id}")
    return order


def commit_or_409(database: Session, message: str) -> None:
    try:
        database.commit()
    except IntegrityError as error:
        database.rollback()
        raise HTTPException(409, message) from error
