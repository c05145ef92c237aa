"""What must not be told, and what differs from run to run, taken out of texts.

``without_secrets`` runs before anything is written, ``without_variables`` before texts are
compared.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MASK", "is_secret_name", "without_secrets", "without_variables"]

MASK: Final = "•••"
_TELLING: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"credential|authorization|auth[_-]?key|cookie|session[_-]?id|dsn|signature|salt|jwt|bearer"
)
_NAME: Final = re.compile(rf"(?:^|[^a-z])(?:{_TELLING})s?(?:$|[^a-z])", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)[^\s@'\"]+(?=@)", re.IGNORECASE
)
_ASSIGNED: Final = re.compile(
    # No more of the name than this, or a long word would be looked through again and again.
    rf"(?P<head>(?:{_TELLING})[\w.-]{{0,40}}['\"]?\]?\s{{0,8}}(?:=>|[:=])\s{{0,8}}"
    r"(?:(?:bearer|basic|token)\s+)?)"
    r"(?P<value>'[^'\n]*'|\"[^\"\n]*\"|[^\s,;&)}\]'\"]+)",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?P<head>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_KNOWN_TOKEN: Final = re.compile(
    r"\b(?:eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|sk-[\w-]{16,}|sk_(?:live|test)_\w{16,}"
    r"|pypi-[\w-]{16,}|AIza[\w-]{30,})"
)
_PEM: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable, key or header of this name holds what must not be told."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(_NAME.search(words.replace("_", "-")))


def without_secrets(text: str) -> str:
    """Replace passwords of URLs, tokens, and values of names that look secret, by ``MASK``.

    What stands is what a person recognises: the name, the user and host of a URL.
    """
    if "-----BEGIN" in text:
        text = _PEM.sub(MASK, text)
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
    text = _KNOWN_TOKEN.sub(MASK, text)
    text = _BEARER.sub(rf"\g<head>{MASK}", text)
    return _ASSIGNED.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    value = found["value"]
    if MASK in value or value in {"None", "null", "''", '""', "True", "False"}:
        return found[0]
    quote = value[0] if value[0] in "'\"" else ""
    return f"{found['head']}{quote}{MASK}{quote}"


_VARIABLE: Final = re.compile(
    r"(?P<uuid>\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b)"
    r"|(?P<address>\b0x[0-9a-f]+\b)"
    r"|(?P<path>(?:/[\w.@+-]+){2,}/?)"
    r"|(?P<hex>\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,}\b)"
    r"|(?P<n>(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])|(?<=[A-Za-z_-])\d+\b)",
    re.IGNORECASE,
)
_BEFORE_STATUS: Final = re.compile(r"(?:status|HTTP|code|==|!=|assert)\W{0,12}$", re.IGNORECASE)
_STATUS: Final = re.compile(r"[1-5]\d\d")


def without_variables(text: str) -> str:
    """Replace what differs between two failures of one cause: ids, times, addresses, numbers.

    The statuses of HTTP stay: 409 and 422 are not the same symptom.
    """
    return _VARIABLE.sub(_placeholder, text)


def _placeholder(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - 24) : found.start()]
    if _STATUS.fullmatch(found[0]) and _BEFORE_STATUS.search(before):
        return found[0]
    return f"<{found.lastgroup}>"
