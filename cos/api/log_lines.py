"""How the service logs: one line a record on standard error, each with the id of its request."""

from typing import Any

from cos.api.request_id import RequestIdFilter

__all__ = ["log_config"]


def log_config(level: str) -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig` at ``level`` (lower case)."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"}
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "filters": ["request_id"],
                "formatter": "line",
            }
        },
        "root": {"handlers": ["stderr"], "level": level.upper()},
    }
