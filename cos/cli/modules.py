"""``python -m cos modules``."""

import json

import click
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from cos.api.schemas import ModuleIn, ModuleOut
from cos.cli.database import in_transaction
from cos.cli.module_named import module_named, named
from cos.cli.outcome import WRONG_USE, configuration, fail
from cos.cli.output import json_option, print_rows
from cos.cli.parameters import TEXT
from cos.cli.record import as_row, print_record
from cos.events.correlation import correlate
from cos.models import HealthState, Module
from cos.services import modules
from cos.services.modules import NewModule
from cos.settings import DatabaseSettings

__all__ = ["command"]

COLUMNS = ("name", "version", "active", "state", "last_active", "id")
PAGE = 200
# The correlation id of the events of what is changed here; set in the task, it ends with it.
ORIGIN = "cli"


@click.group()
def command() -> None:
    """List, register, show and remove modules."""


@command.command("list")
@click.option("--state", type=click.Choice([state.value for state in HealthState]))
@click.option("--search", default="", type=TEXT, help="A part of the name, in whatever case.")
@json_option
def list_(state: str | None, search: str, *, as_json: bool) -> None:
    """List the modules, oldest first; of one announced state, with a part of the name."""

    async def work(session: AsyncSession) -> list[Module]:
        found: list[Module] = []
        after = None
        while True:
            page = await modules.page(
                session,
                limit=PAGE,
                after=after,
                state=None if state is None else HealthState(state),
                search=search,
            )
            found += page.modules
            if page.next is None:
                return found
            after = page.next

    found = in_transaction(configuration(DatabaseSettings), work)
    rows = [as_row(ModuleOut.model_validate(module)) for module in found]
    print_rows(rows, COLUMNS, as_json=as_json, empty="There is no such module.")


@command.command()
@click.argument("name")
@click.argument("version")
@click.option("--config", default="{}", metavar="JSON", help="Its configuration, an object.")
@json_option
def register(name: str, version: str, config: str, *, as_json: bool) -> None:
    """Register a module and print it; its name must be free."""
    given = _valid(name, version, config)

    async def work(session: AsyncSession) -> Module:
        correlate(ORIGIN)
        return await modules.register(
            session, NewModule(given.name, given.version, True, given.config)
        )

    module = in_transaction(configuration(DatabaseSettings), work)
    print_record(ModuleOut.model_validate(module), as_json=as_json)


def _valid(name: str, version: str, config: str) -> ModuleIn:
    try:
        parsed = json.loads(config)
    except (ValueError, RecursionError) as error:
        fail(
            WRONG_USE,
            f"--config cannot be read as JSON: {error}\n"
            "  Usually: the shell took the quotes.\n"
            """  Run now: python -m cos modules register NAME VERSION --config '{"key": 1}'""",
        )
    try:
        return ModuleIn(name=name, version=version, config=parsed)
    except ValidationError as error:
        reasons = "; ".join(
            f"{detail['loc'][0]}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_input=False)
        )
        fail(
            WRONG_USE,
            f"The module cannot be registered: {reasons}\n"
            "  Usually: an empty argument, or one that is longer than a name or a version may be.\n"
            "  Run now: python -m cos modules register --help",
        )


@command.command()
@module_named
@json_option
def show(id_or_name: str, *, as_json: bool) -> None:
    """Show one module."""
    module = in_transaction(
        configuration(DatabaseSettings), lambda session: named(session, id_or_name)
    )
    print_record(ModuleOut.model_validate(module), as_json=as_json)


@command.command()
@module_named
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(id_or_name: str, *, yes: bool) -> None:
    """Remove one module, its health and its history; asks before, unless told --yes."""
    settings = configuration(DatabaseSettings)
    module = in_transaction(settings, lambda session: named(session, id_or_name))
    if not yes:
        click.confirm(
            f"Remove {module.name!r} ({module.id}) with its health and history?",
            abort=True,
            err=True,
        )

    async def work(session: AsyncSession) -> None:
        correlate(ORIGIN)
        await modules.remove(session, module.id)

    in_transaction(settings, work)
    click.echo(f"{module.name!r} ({module.id}) is removed.", err=True)
