"""The HTTP interface, under ``/cc``."""

from typing import Final

__all__ = ["ROOT"]

ROOT: Final = "/cc"
