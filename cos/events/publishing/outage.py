"""Telling of an outage once when it begins, and once when it is over."""

import logging

from cos.db.failures import reason

__all__ = ["Outage"]


class Outage:
    """Whether something is down just now, and what the log says of it.

    ``began`` is a message with one ``%s`` for the error, ``ended`` one without.
    """

    def __init__(self, logger: logging.Logger, *, began: str, ended: str) -> None:
        self._logger = logger
        self._began = began
        self._ended = ended
        self._lasts = False

    def failed(self, error: Exception) -> None:
        """Warn of ``error``, unless it is known already that it is down."""
        if not self._lasts:
            self._lasts = True
            self._logger.warning(self._began, reason(error))

    def over(self) -> None:
        """Say that it is up again, if it was down."""
        if self._lasts:
            self._lasts = False
            self._logger.info(self._ended)
