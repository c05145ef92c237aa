"""A fixture of the session sets an environment variable and leaves it."""

from __future__ import annotations

from typing import Final

from tests.support.red_suites.disguise import Disguise

__all__ = ["DISGUISE"]

_SETTINGS: Final = """
    import os

    from fastapi import FastAPI, HTTPException

    app = FastAPI()
    LIMITS = {"development": 100, "production": 5}


    def mode():
        return os.environ.get("COS_MODE", "development")


    def limit():
        return LIMITS[mode()]


    @app.get("/debug")
    def debug():
        if mode() != "development":
            raise HTTPException(403, "only in development")
        return {"mode": mode()}
"""
_CONFTEST: Final = """
    import os

    import pytest


    @pytest.fixture(scope="session")
    def production():
        os.environ["COS_MODE"] = "production"
"""
_FIRST: Final = """
    from app import settings


    def test_before_it_is_development():
        assert settings.mode() == "development"


    def test_production_is_strict(production):
        assert settings.limit() == 5
"""
_WEB: Final = """
    import pytest
    from fastapi.testclient import TestClient

    from app import settings


    @pytest.mark.parametrize("turn", [1, 2, 3])
    def test_debugging_is_open(turn):
        assert TestClient(settings.app).get("/debug").status_code == 200


    def test_debugging_tells_the_mode():
        assert TestClient(settings.app).get("/debug").json()["mode"] == "development"
"""
_LIMITS: Final = """
    from app import settings


    def test_the_limit_is_wide():
        assert settings.limit() == 100


    def test_many_fit():
        assert sum(range(20)) < settings.limit() * 2


    def test_the_mode():
        assert "develop" in settings.mode()


    def test_there_are_two_modes():
        assert len(settings.LIMITS) == 2
"""

DISGUISE: Final = Disguise(
    cause="COS_MODE is left set by a fixture",
    files={
        "app/__init__.py": "",
        "app/settings.py": _SETTINGS,
        "tests/conftest.py": _CONFTEST,
        "tests/test_a_production.py": _FIRST,
        "tests/test_debug.py": _WEB,
        "tests/test_limits.py": _LIMITS,
    },
    red=(
        *(f"tests/test_debug.py::test_debugging_is_open[{turn}]" for turn in (1, 2, 3)),
        "tests/test_debug.py::test_debugging_tells_the_mode",
        "tests/test_limits.py::test_the_limit_is_wide",
        "tests/test_limits.py::test_many_fit",
        "tests/test_limits.py::test_the_mode",
    ),
    green=(
        "tests/test_a_production.py::test_before_it_is_development",
        "tests/test_a_production.py::test_production_is_strict",
        "tests/test_limits.py::test_there_are_two_modes",
    ),
    names=("COS_MODE",),
    rules=("environment", "variable", "leak"),
)
