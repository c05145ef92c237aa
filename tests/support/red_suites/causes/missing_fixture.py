"""Tests ask for a fixture that no loaded file defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_LOADED = """
    @pytest.fixture
    def near_$fixture(${fixture}_client):
        return ${fixture}_client
"""
_UNLOADED = """
    import pytest


    @pytest.fixture
    def ${fixture}_client():
        return object()
"""


def plant(words: Words) -> Planted:
    fixture = words.noun()
    unloaded = words.draw.random() < 0.5
    modules = {f"tests/{fixture}_fixtures.py": fill(_UNLOADED, fixture=fixture)} if unloaded else {}
    return Planted(
        label=f"missing fixture: {fixture}_client",
        modules=modules,
        conftest=fill(_LOADED, fixture=fixture),
        red=(
            Form(f"assert {fixture}_client", f"{fixture}_client"),
            Form(f"assert near_{fixture} is not None", f"near_{fixture}"),
            Form(f"assert {fixture}_client and tmp_path", f"tmp_path, {fixture}_client"),
        ),
    )
