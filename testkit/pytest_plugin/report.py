"""The lines that say what a run runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.core.options import flag

if TYPE_CHECKING:
    from testkit.core.options import Settings
    from testkit.pytest_plugin.worker import Worker

__all__ = ["header_lines", "server_lines"]


def header_lines(
    settings: Settings,
    worker: Worker | None,
    *,
    seed: int | None,
    ignored: tuple[str, ...],
    distributing: bool,
) -> list[str]:
    """Return servers with version, backend and reason; what is not default, with its source.

    The seed is followed by the option that gives it again.
    """
    lines = server_lines(worker) if worker is not None else []
    if not lines:
        lines = ["testkit: Postgres and Redis start when a test asks"]
    elif distributing and worker is not None and worker.run.redis is not None:
        lines[-1] += ", and one for each worker"
    shown = [
        f"{key} = {_shown(getattr(settings, key))} ({source})"
        for key, source in settings.sources.items()
        if key != "env"
    ]
    if settings.env:
        shown.append(f"env sets {', '.join(settings.env)} ({settings.sources['env']})")
    if shown:
        lines.append("testkit: " + ", ".join(shown))
    if seed is not None:
        lines.append(f"testkit: seed {seed}, {flag('seed')}={seed} draws the same values")
    if settings.isolation == "none":
        lines.append("testkit: isolation is none: nothing that a test does is undone")
    if ignored:
        lines.append(f"testkit: seen, not used: {', '.join(ignored)}")
    if settings.unknown_variables:
        names = ", ".join(settings.unknown_variables)
        lines.append(f"testkit: not known, not used: {names} (see `testkit explain TK001`)")
    return lines + ([f"testkit: {note}" for note in worker.notes] if worker else [])


def server_lines(worker: Worker) -> list[str]:
    """Return one line for each server that this process has started or found."""
    lines = []
    if (postgres := worker.run.postgres) is not None:
        lines.append(
            f"testkit: Postgres {postgres.version}, {postgres.backend} ({postgres.reason})"
        )
    if (redis := worker.run.redis) is not None:
        lines.append(f"testkit: {redis.name}, {redis.backend} ({redis.reason})")
    return lines


def _shown(value: object) -> str:
    if isinstance(value, str) and "://" in value:
        from testkit.core.addresses import without_password

        value = without_password(value)
    return repr(value)
