from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from notes import create_app


@pytest.fixture(scope="session")
def app() -> Flask:
    return create_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """For tests that use ``db.session`` themselves: its end gives the connection back."""
    with app.app_context():
        yield
