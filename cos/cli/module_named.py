"""The argument ID|NAME of commands about one module."""

import click
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli.outcome import NOT_DONE, fail
from cos.cli.parameters import TEXT
from cos.models import Module
from cos.services import modules

__all__ = ["module_named", "named"]


module_named = click.argument("id_or_name", metavar="ID|NAME", type=TEXT)


async def named(session: AsyncSession, id_or_name: str) -> Module:
    """Return the module; end the command with exit code 1 when there is none."""
    module = await modules.find(session, id_or_name)
    if module is None:
        fail(
            NOT_DONE,
            f"There is no module with the id or the name {id_or_name!r}.\n"
            "  Usually: a typing error, or it was removed.\n"
            "  Run now: python -m cos modules list",
        )
    return module
