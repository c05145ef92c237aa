from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from heroes.main import app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
