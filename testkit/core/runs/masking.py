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
#: Values that are none.
_SAY_NOTHING: Final = frozenset(("None", "null", "''", '""', "True", "False", "[]", "{}"))
_NAME: Final = re.compile(rf"(?:^|[^a-z])(?:{_TELLING})s?(?:$|[^a-z])", re.IGNORECASE)
# Each repetition has a bound: texts of a run may be long words without an end, and hostile.
# The last @ ends the password: many are written as they are, with an @ in them.
_URL_PASSWORD: Final = re.compile(
    r"(?P<head>\b[a-z][a-z0-9+.-]{0,40}://[^\s/:@'\"]{0,200}:)(?P<value>[^\s/'\"]{1,1000})(?=@)",
    re.IGNORECASE,
)
# In quotes, escaped or not, of one line or three; to the end of the line where they do not end.
_QUOTED: Final = (
    r"[bru]{0,2}(?:\"{3}[\s\S]{0,2000}?\"{3}|\\+\"(?:(?!\\+\").){0,2000}\\+\""
    r"|\"(?:\\.|[^\"\\]){0,2000}(?:\"|\Z)|'(?:\\.|[^'\\]){0,1000}(?:'|\Z)|\\?[\"'][^\n]{0,1000})"
)
_BARE: Final = r"[^\s,;&)}\]'\"=][^\s,;&)}\]]*"
_SIGN: Final = r"\s{0,8}(?:=>|[=!]?=|:|%3D)\s{0,8}"
_ASSIGNED: Final = re.compile(
    rf"(?P<head>(?:{_TELLING})[\w.-]{{0,40}}\\{{0,4}}['\"]?\]?{_SIGN}"
    r"(?:(?:bearer|basic|token)\s+)?)"
    rf"(?P<value>{_QUOTED}|[\[{{][^\]}}\n]{{0,1000}}[\]}}]|{_BARE})",
    re.IGNORECASE,
)
# ('password', 'x') as headers and parameters are written; PASSWORD 'x' as SQL is.
_BESIDE: Final = re.compile(
    rf"(?P<head>(?:(?:{_TELLING})[\w.-]{{0,40}}(?:['\"]\s{{0,8}},|\s)|identified\s+by\s)\s{{0,8}})"
    rf"(?P<value>{_QUOTED})",
    re.IGNORECASE,
)
_ARGUMENT: Final = re.compile(
    rf"(?P<head>(?<!\S)--?[\w-]{{0,40}}(?:{_TELLING})[\w-]{{0,40}}\s+)(?P<value>[^\s-]\S*)",
    re.IGNORECASE,
)
_COOKIES: Final = re.compile(
    r"(?P<head>\bcookie['\"]?\s{0,4}:\s{0,4}b?['\"]?)(?P<value>[^\n'\"]{1,4000})", re.IGNORECASE
)
_COMPARED: Final = re.compile(
    r"(?P<value>'[^'\n]{1,500}'|\"[^\"\n]{1,500}\")"
    rf"(?P<tail>\s{{0,4}}[=!]=\s{{0,4}}[\w.]{{0,80}}(?:{_TELLING})\b)",
    re.IGNORECASE,
)
# What pydantic says of a field whose name is on the line above.
_VALIDATED: Final = re.compile(
    rf"(?P<head>^[^\n]{{0,200}}(?:{_TELLING})[^\n]{{0,80}}\n[^\n]{{0,400}}?input_value=)"
    r"(?P<value>'[^'\n]*'?|\"[^\"\n]*\"?|[^,\]\n]+)",
    re.IGNORECASE | re.MULTILINE,
)
_BEARER: Final = re.compile(r"(?P<head>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_KNOWN_TOKEN: Final = re.compile(
    r"\b(?:eyJ[\w-]{8,2000}\.[\w-]{1,9000}\.[\w-]*|gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|sk-[\w-]{16,}|sk_(?:live|test)_\w{16,}"
    r"|pypi-[\w-]{16,}|AIza[\w-]{30,})"
)
# One of these is part of each text that the two patterns above can match.
_TOKENS_BEGIN: Final = (
    *("eyJ", "ghp_", "gho_", "ghu_", "ghr_", "ghs_", "github_pat_", "glpat-", "xox"),
    *("AKIA", "sk-", "sk_", "pypi-", "AIza"),
)
_TELLING_PARTS: Final = (
    *("pass", "pwd", "secret", "token", "credential", "authorization", "cookie", "dsn"),
    *(
        f"{word}{sign}key"
        for word in ("api", "access", "private", "auth")
        for sign in ("", "_", "-")
    ),
    *("sessionid", "session_id", "session-id", "signature", "salt", "jwt", "bearer", "identified"),
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
    signs = _signs_in(text)
    if not signs:
        return text
    if signs & _URL:
        text = _URL_PASSWORD.sub(_masked, text)
    if signs & _TOKEN:
        text = _KNOWN_TOKEN.sub(MASK, text)
    if signs & _BEARS:
        text = _BEARER.sub(rf"\g<head>{MASK}", text)
    return _without_named(text) if signs & _TELLS else text


def _without_named(text: str) -> str:
    lowered = text.lower()
    if "cookie" in lowered:
        text = _COOKIES.sub(_masked, text)
    if "input_value=" in lowered:
        text = _VALIDATED.sub(_masked, text)
    if "==" in text or "!=" in text:
        text = _COMPARED.sub(_masked, text)
    for pattern in (_ASSIGNED, _BESIDE, _ARGUMENT):
        text = pattern.sub(_masked, text)
    return text


_URL, _TOKEN, _BEARS, _TELLS = 1, 2, 4, 8
_LONG_LINE: Final = 400
_MOST_SEEN: Final = 4_000
#: By line which of these it has: not whether it has a secret, which the patterns find.
_SEEN: Final[dict[str, int]] = {}


def _signs_in(text: str) -> int:
    """Return the signs of all lines; which have none of them have no secret.

    Looking for fixed words costs a hundredth of the patterns, and the lines of a traceback are
    those of the one before. None of the words has an end of a line in it.
    """
    lines = text.split("\n")
    told = {*map(_SEEN.get, lines)}
    if None in told:
        told = {_SEEN[line] if line in _SEEN else _signs(line) for line in lines}
    signs = 0
    for each in told:
        signs |= each or 0
    return signs


def _signs(line: str) -> int:
    lowered = line.lower()
    signs = (
        _URL * ("://" in line)
        | _TOKEN * _has(line, _TOKENS_BEGIN)
        | _BEARS * ("bearer" in lowered or "basic" in lowered)
        | _TELLS * _has(lowered, _TELLING_PARTS)
    )
    if len(line) < _LONG_LINE:
        if len(_SEEN) > _MOST_SEEN:
            _SEEN.clear()
        _SEEN[line] = signs
    return signs


def _has(text: str, parts: tuple[str, ...]) -> bool:
    # A pattern of all of them would take three times as long, and so would a generator.
    for part in parts:  # noqa: SIM110
        if part in text:
            return True
    return False


def _masked(found: re.Match[str]) -> str:
    value = found["value"]
    parts = found.groupdict()
    if MASK in value or value in _SAY_NOTHING:
        return found[0]
    quote = value[0] if value[0] in "'\"" else ""
    return f"{parts.get('head') or ''}{quote}{MASK}{quote}{parts.get('tail') or ''}"


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
