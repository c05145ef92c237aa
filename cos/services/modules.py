"""Registering, finding, listing, changing and removing modules; each change with its event."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict
from uuid import UUID

from sqlalchemy import delete, func, literal, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.db.violations import violated_constraint
from cos.events.event import EventType
from cos.events.outbox import announce
from cos.models import HealthState
from cos.models.module import UNIQUE_NAME, Module
from cos.services.cursor import Position
from cos.services.errors import NameTakenError, UnknownModuleError

__all__ = [
    "ModuleChanges",
    "NewModule",
    "Page",
    "change",
    "find",
    "find_by_name",
    "get",
    "page",
    "register",
    "remove",
]

ESCAPE: Final = "!"
WILDCARDS: Final = re.compile(f"[%_{ESCAPE}]")


@dataclass(frozen=True, slots=True)
class NewModule:
    """A module to register."""

    name: str
    version: str
    active: bool = True
    config: dict[str, Any] = field(default_factory=dict)


class ModuleChanges(TypedDict, total=False):
    """New values of a module; what is not named stays."""

    name: str
    version: str
    active: bool
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Modules in the order of their registration; ``next`` is None on the last page."""

    modules: list[Module]
    next: Position | None


async def register(session: AsyncSession, new: NewModule) -> Module:
    """Store ``new``. Of concurrent calls with one name exactly one succeeds.

    The others wait for the winner's commit and raise `NameTakenError`.
    """
    module = Module(
        name=new.name,
        version=new.version,
        active=new.active,
        config=new.config,
        event_sequence=1,
    )
    session.add(module)
    _announce(session, EventType.MODULE_REGISTERED, module)
    await _flush(session, name=new.name)
    return module


async def get(session: AsyncSession, module_id: UUID) -> Module:
    """Return the module; raise `UnknownModuleError` if there is none."""
    module = await session.get(Module, module_id)
    if module is None:
        raise UnknownModuleError(module_id)
    return module


async def find_by_name(session: AsyncSession, name: str) -> Module | None:
    """Return the module with exactly this name, if there is one."""
    return await session.scalar(select(Module).where(Module.name == name))


async def find(session: AsyncSession, id_or_name: str) -> Module | None:
    """Return the module with this id or, where there is none, with exactly this name."""
    try:
        module_id = UUID(id_or_name)
    except ValueError:
        return await find_by_name(session, id_or_name)
    return await session.get(Module, module_id) or await find_by_name(session, id_or_name)


async def page(
    session: AsyncSession,
    *,
    limit: int,
    after: Position | None = None,
    active: bool | None = None,
    state: HealthState | None = None,
    search: str = "",
) -> Page:
    """Return up to ``limit`` modules that follow ``after``.

    ``active``, ``state`` (the announced one) and ``search``, a part of the name in whatever case,
    leave out the others. A module keeps its place for as long as it exists: what is registered or
    removed between two pages makes no other module appear twice or not at all.
    """
    order = (Module.created_at, Module.id)
    # One more than asked for tells whether another page follows.
    statement = select(Module).order_by(*order).limit(limit + 1)
    if active is not None:
        statement = statement.where(Module.active.is_(active))
    if state is not None:
        statement = statement.where(Module.state == state)
    if search:
        # A plan that is kept for every pattern walks all modules in order, whatever is searched.
        await session.execute(
            select(func.set_config("plan_cache_mode", "force_custom_plan", literal(True)))
        )
        statement = statement.where(Module.name.ilike(_containing(search), escape=ESCAPE))
    if after is not None:
        statement = statement.where(tuple_(*order) > (after.created_at, after.id))
    modules = list(await session.scalars(statement))
    following = None
    if len(modules) > limit:
        modules.pop()
        following = Position(modules[-1].created_at, modules[-1].id)
    return Page(modules, following)


def _containing(text: str) -> str:
    """Return the pattern for what contains ``text``, in which nothing is a wildcard."""
    escaped = WILDCARDS.sub(lambda found: ESCAPE + found[0], text)
    return f"%{escaped}%"


async def change(session: AsyncSession, module_id: UUID, changes: ModuleChanges) -> Module:
    """Store ``changes`` and return the module; values that it has already change nothing.

    Concurrent changes of one module follow one another. Raises `UnknownModuleError`, and
    `NameTakenError` when another module has the new name.
    """
    module = await session.get(
        Module, module_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if module is None:
        raise UnknownModuleError(module_id)
    changed = [name for name, value in changes.items() if not _same(getattr(module, name), value)]
    if not changed:
        return module
    for name in changed:
        setattr(module, name, changes[name])  # type: ignore[literal-required]  # a key of it
    module.event_sequence += 1
    _announce(session, EventType.MODULE_CHANGED, module, changed=sorted(changed))
    await _flush(session, name=module.name)
    return module


async def remove(session: AsyncSession, module_id: UUID) -> None:
    """Delete the module and its health; raise `UnknownModuleError` if there is none."""
    statement = (
        delete(Module).where(Module.id == module_id).returning(Module.name, Module.event_sequence)
    )
    removed = (await session.execute(statement)).one_or_none()
    if removed is None:
        raise UnknownModuleError(module_id)
    name, events = removed
    announce(
        session,
        EventType.MODULE_REMOVED,
        module_id=module_id,
        sequence=events + 1,
        payload={"name": name},
    )


def _announce(session: AsyncSession, event: EventType, module: Module, **more: Any) -> None:
    payload = {
        "name": module.name,
        "version": module.version,
        "active": module.active,
        "config": module.config,
        **more,
    }
    announce(session, event, module_id=module.id, sequence=module.event_sequence, payload=payload)


def _same(stored: object, given: object) -> bool:
    # As JSON: to Python, True is 1 and 1 is 1.0.
    return json.dumps(stored, sort_keys=True) == json.dumps(given, sort_keys=True)


async def _flush(session: AsyncSession, *, name: str) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        # Only this constraint means a taken name; anything else is a fault of ours and stays one.
        if violated_constraint(error) == UNIQUE_NAME:
            raise NameTakenError(name) from error
        raise
