"""``python -m cos health``."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import click
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from cos.api.schemas import HealthOut, HealthRecordOut, SystemHealthOut
from cos.cli.database import in_transaction
from cos.cli.module_named import module_named, named
from cos.cli.outcome import NOT_DONE, configuration
from cos.cli.output import json_option, print_rows
from cos.cli.record import as_row, print_record
from cos.models import HealthState
from cos.services import health, health_history
from cos.settings import HealthSettings

__all__ = ["command"]

COLUMNS: Final = ("name", "status", "reported", "last_heartbeat", "module_id")
HISTORY: Final = ("at", "status", "previous", "reason", "details")
# Modules that are listed at most; how many there are is in the counts.
LISTED: Final = 100


class SystemReport(SystemHealthOut):
    """The system, and up to `LISTED` active modules that are not healthy, oldest first."""

    not_healthy: list[HealthOut]


class ModuleReport(HealthOut):
    """One module, and its newest records."""

    history: list[HealthRecordOut]


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """Show how the system is, and who is not healthy; exit code 1 when the system is not."""
    if context.invoked_subcommand is not None:
        return
    settings = configuration(HealthSettings)
    offline_after = timedelta(seconds=settings.offline_after)

    async def work(session: AsyncSession) -> SystemReport:
        system = await health.of_system(session, offline_after=offline_after)
        found = await health.not_healthy(session, offline_after=offline_after, limit=LISTED)
        return SystemReport(
            status=system.status,
            modules=dict(system.modules),
            checked_at=system.checked_at,
            not_healthy=[HealthOut.model_validate(module) for module in found],
        )

    report = in_transaction(settings, work)
    if as_json:
        print_record(report, as_json=True)
    else:
        _print_system(report)
    _end(report.status)


def _print_system(report: SystemReport) -> None:
    counts = ", ".join(f"{count} {state.value}" for state, count in report.modules.items())
    click.echo(f"The system is {report.status.value}: {counts}.")
    _print_table(report.not_healthy, COLUMNS, empty="No active module is anything but healthy.")
    total = sum(report.modules.values()) - report.modules[HealthState.HEALTHY]
    if total > len(report.not_healthy):
        click.echo(f"And {total - len(report.not_healthy)} more.", err=True)


def _print_table(models: Sequence[BaseModel], columns: Sequence[str], *, empty: str) -> None:
    print_rows([as_row(model) for model in models], columns, as_json=False, empty=empty)


@command.command()
@module_named
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="Records of the history to show.",
)
@json_option
def show(id_or_name: str, limit: int, *, as_json: bool) -> None:
    """Show one module and its history, newest first; exit code 1 when it is not healthy."""
    settings = configuration(HealthSettings)
    offline_after = timedelta(seconds=settings.offline_after)

    async def work(session: AsyncSession) -> ModuleReport:
        module = await named(session, id_or_name)
        found = await health.of_module(session, module.id, offline_after=offline_after)
        page = await health_history.page(session, module.id, limit=limit)
        return ModuleReport(
            **HealthOut.model_validate(found).model_dump(),
            history=[HealthRecordOut.model_validate(record) for record in page.records],
        )

    report = in_transaction(settings, work)
    if as_json:
        print_record(report, as_json=True)
    else:
        print_record(HealthOut.model_validate(report), as_json=False)
        click.echo()
        _print_table(report.history, HISTORY, empty="It was never heard, and never missed.")
    _end(report.status)


def _end(state: HealthState) -> None:
    if state is not HealthState.HEALTHY:
        sys.exit(NOT_DONE)
