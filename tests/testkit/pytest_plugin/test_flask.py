"""Flask-SQLAlchemy's ``db.session`` in an application context that lasts for the whole session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION = """
    import os
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)

    class Note(db.Model):
        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(unique=True)

    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
        db.init_app(app)

        @app.post("/<text>")
        def write(text):
            db.session.add(Note(text=text))
            db.session.commit()
            return str(db.session.scalar(db.select(db.func.count()).select_from(Note)))

        return app
"""
CONFTEST = """
    import pytest
    from application import create_app

    @pytest.fixture(scope="session")
    def app():
        app = create_app()
        with app.app_context():
            yield app
"""
TESTS = """
    import pytest
    from application import Note, db

    def count():
        return db.session.scalar(db.select(db.func.count()).select_from(Note))

    def test_that_leaves_a_transaction(app):
        db.session.add(Note(text="a"))
        db.session.commit()
        assert count() == 1

    def test_that_leaves_rows_uncommitted(app):
        assert count() == 0
        db.session.add(Note(text="a"))
        db.session.flush()

    def test_a_request_in_the_same_context(app):
        assert not db.session.new
        assert not db.session.identity_map
        assert app.test_client().post("/a").text == "1"

    @pytest.fixture
    def returned():
        yield
        db.session.remove()

    @pytest.mark.parametrize("turn", range(2))
    def test_that_returns_its_connection(app, returned, turn):
        assert count() == 0
        assert app.test_client().post("/a").text == "1"
        assert db.session.get(Note, 1).text == "a"
"""
LEAVE = ("a_transaction", "rows_uncommitted")


@pytest.mark.slow
def test_a_session_that_is_left_open_is_told_and_starts_anew(tmp_path: Path) -> None:
    suite = Suite(tmp_path, application=APPLICATION, conftest=CONFTEST, test_it=TESTS)
    suite.configure(
        'schema = "metadata:application:db.metadata"\nenv = { DATABASE_URL = "{database.url}" }\n'
    )
    outcome = suite.run("-p", "no:randomly")

    assert outcome.code == 1
    assert "5 passed, 3 errors" in outcome.text, outcome.text
    for name in (*(f"that_leaves_{each}" for each in LEAVE), "a_request_in_the_same_context"):
        assert f"ERROR test_it.py::test_{name} - Failed: TK302" in outcome.text, outcome.text
