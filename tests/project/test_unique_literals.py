"""The tests of the control center draw what must be unique, and write no id as text."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from cos.models import (
    ApiToken,
    BoardSession,
    DeadLetter,
    EventPartition,
    HealthRecord,
    HealthStatus,
    Module,
    OutboxEvent,
    Subscription,
    SubscriptionGroup,
)
from tests.support.unique_literals import MAKERS, literals, models, unique_texts, uuids

ROOT: Final = Path(__file__).parents[2]


def test_the_tests_of_the_control_center_write_no_unique_name_and_no_id_as_text() -> None:
    paths = sorted((ROOT / "tests/cos").rglob("*.py"))
    found = {str(p.relative_to(ROOT)): literals(p.read_text()) for p in paths}

    assert len(found) > 20
    assert {path: places for path, places in found.items() if places} == {}


def test_what_must_be_unique_is_known_from_themodels() -> None:
    assert {model: unique_texts(model) for model in models()} == {
        ApiToken: {"name": 255},
        BoardSession: {},
        DeadLetter: {},
        EventPartition: {},
        HealthRecord: {},
        HealthStatus: {},
        Module: {"name": 255},
        OutboxEvent: {},
        Subscription: {},
        SubscriptionGroup: {},
    }
    assert {model: uuids(model) for model in models()} == {
        ApiToken: {"id"},
        BoardSession: {"id", "token_id"},
        DeadLetter: {"event_id", "module_id"},
        EventPartition: set(),
        HealthRecord: {"module_id"},
        HealthStatus: {"id", "module_id"},
        Module: {"id"},
        OutboxEvent: {"id", "module_id"},
        Subscription: {"module_id"},
        SubscriptionGroup: set(),
    }
    assert MAKERS.keys() == {
        *("Module", "ModuleFactory", "NewModule", "ModuleChanges", "ModuleIn", "ModulePatch"),
        *("HealthStatus", "HealthStatusFactory"),
        *("EventPartition", "HealthRecord", "OutboxEvent", "OutboxEventFactory"),
        *("ApiToken", "ApiTokenFactory", "BoardSession", "NewToken"),
        *("DeadLetter", "DeadLetterFactory", "Subscription", "SubscriptionGroup"),
    }


@pytest.mark.parametrize(
    "line",
    [
        "Module(name='ada', version='1')",
        "models.Module(name='ada')",
        "Module(**{'name': 'ada'})",
        "NewModule('ada', '1')",
        "NewModule(version='1', name='ada')",
        "ModuleChanges(name='ada')",
        "ModuleFactory.create(name='ada')",
        "ModuleFactory.payload(name='ada')",
        "await ModuleFactory.acreate_batch(2, name='ada')",
        "HealthStatusFactory.build(module__name='ada')",
        "client.post(path, json={'name': 'ada', 'version': '1'})",
        "dict(name='ada')",
        "body['name'] = 'ada'",
        "module.name = 'ada'",
        "ModuleFactory.create(name='a' * 255)",
        "ModuleFactory.create(name='a' + 'da')",
        "ModuleFactory.create(name=f'ada{1}')",
        "name = 'ada'; ModuleFactory.create(name=name)",
        "name = 'ada'; ModuleFactory.create(name=f'{name}!')",
        "first, second = 'ada', 'grace'; NewModule(second, '1')",
        "[ModuleFactory.create(name=name) for name in 'abcd']",
        "[ModuleFactory.create(name=name) for name, active in [('ada', True)]]",
    ],
)
def test_a_literal_in_a_unique_column_is_found(line: str) -> None:
    assert literals(f"async def test() -> None:\n {line}\n") == ["2: name"]


@pytest.mark.parametrize(
    "cases",
    [
        "'name', ['ada']",
        "('active', 'name'), [(True, 'ada')]",
        "'active, name', [(True, 'ada')]",
        "'name', [pytest.param('ada', id='x')]",
        "'name', ['', 'x' * 256, 'ada']",
        "('active', 'name'), [pytest.param(True, 'ada', id='x')]",
    ],
)
def test_a_literal_among_the_parameters_of_a_test_is_found(cases: str) -> None:
    source = f"@pytest.mark.parametrize({cases})\ndef test(name):\n NewModule(name, '1')\n"

    assert literals(source) == ["3: name"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Module(id='7f3a9c2e')", "id"),
        ("ModuleFactory.create(id=str(uuid4()))", "id"),
        ("ModuleFactory.build(id=uuid4().hex)", "id"),
        ("HealthStatusFactory.create(module_id=f'{module.id}')", "module_id"),
        ("HealthStatus(**{'module_id': str(module.id)})", "module_id"),
        ("HealthStatusFactory.create(module__id=str(uuid4()))", "id"),
        ("key = str(module.id); HealthStatus(module_id=key)", "module_id"),
    ],
)
def test_an_id_that_is_text_is_found(line: str, name: str) -> None:
    assert literals(f"def test() -> None:\n {line}\n") == [f"2: {name}"]


@pytest.mark.parametrize(
    "line",
    [
        "Module(name=unique('module'), version='1')",
        "NewModule(name, '1')",
        "NewModule(**ModuleFactory.payload(version='1'))",
        "ModuleFactory.create(name=f'100%_{unique(chr(109))}')",
        "ModuleFactory.create(name=Unique('module'))",
        "ModuleFactory.create(name=unique('m').ljust(255, 'é'))",
        "name = unique('module'); ModuleFactory.create(name=name.upper())",
        "name = name + 'ada'; NewModule(name, '1')",
        "first, second = second, first; HealthStatus(id=first, module__name=second)",
        "client.post(path, json={'name': '', 'version': '1'})",
        "client.post(path, json={'name': 'x' * 256})",
        "client.post(path, json={'name': None})",
        "client.post(path, json={'name': 1})",
        "client.get(f'/cc/modules/{module.id}')",
        "document == {'id': str(module.id)}",
        "HealthStatusFactory.create(module_id=module.id)",
        "ModuleFactory.create(id=UUID(int=1))",
        "key = UUID(str(module.id)); Module(id=key)",
        "Record(name='ada', id='1')",
    ],
)
def test_what_is_drawn_or_never_stored_is_not_found(line: str) -> None:
    assert literals(f"def test(name) -> None:\n {line}\n") == []
