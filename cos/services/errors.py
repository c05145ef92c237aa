"""What can go wrong for reasons of the caller's making."""

from collections.abc import Sequence
from uuid import UUID

__all__ = [
    "DeadLetterInHandError",
    "InvalidCursorError",
    "NameTakenError",
    "ServiceError",
    "TokenNameTakenError",
    "UnknownDeadLetterError",
    "UnknownGroupError",
    "UnknownModuleError",
    "UnknownTokenError",
]


class ServiceError(Exception):
    """A request that the control center understood and cannot grant."""


class UnknownModuleError(ServiceError):
    """No module has this id; it was never there, or it was deleted."""

    def __init__(self, module_id: UUID) -> None:
        super().__init__(f"There is no module {module_id}. GET /cc/modules lists those there are.")


class NameTakenError(ServiceError):
    """Another module has this name. The transaction is over: roll it back."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A module named {name!r} is registered already."
            " Take another name, or change that module with PATCH."
        )


class UnknownDeadLetterError(ServiceError):
    """No dead letter has this id: it was replayed, dropped, or never there."""

    def __init__(self, letter_id: int) -> None:
        super().__init__(
            f"There is no dead letter {letter_id}; a replay that succeeds removes it, and so does"
            " dropping it. GET /cc/dead-letters lists those there are."
        )


class DeadLetterInHandError(ServiceError):
    """A subscriber replays the dead letter at this moment."""

    def __init__(self, letter_id: int) -> None:
        super().__init__(
            f"Dead letter {letter_id} is being replayed just now. Look again in a few seconds:"
            " it is gone then, or says why it failed once more."
        )


class UnknownGroupError(ServiceError):
    """No subscriber of this group ever started."""

    def __init__(self, group: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no group {group!r} of subscribers. "
            + (f"There are: {', '.join(known)}." if known else "None has started yet.")
        )


class InvalidCursorError(ServiceError):
    """The text is not a cursor that this service gave out."""

    def __init__(self) -> None:
        super().__init__("not a cursor; pass next_cursor of the page before, unchanged")


class TokenNameTakenError(ServiceError):
    """Another token has, or had, this name. The transaction is over: roll it back."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"A token named {name!r} was created already, and names are not used twice.\n"
            "  Usually: it was created before, and perhaps revoked since.\n"
            "  Run now: python -m cos token list, and take another name"
        )


class UnknownTokenError(ServiceError):
    """No token has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"There is no token named {name!r}.\n"
            "  Usually: a typing error; capital letters count.\n"
            "  Run now: python -m cos token list"
        )
