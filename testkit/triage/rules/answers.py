"""Rules about answers over HTTP that are not those that the test expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables
from testkit.triage.facts import text_of
from testkit.triage.rule import Found, Rule, found

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["CONFLICT", "LACKS_FIELD", "RULES", "without_values"]

CONFLICT: Final = "conflict"
LACKS_FIELD: Final = "answer-lacks-field"
_STATUS: Final = re.compile(r"status|<Response|code|HTTP|\bresp|\br\b", re.IGNORECASE)
_WHERE: Final = re.compile(r"where (?P<status>[1-5]\d\d) = [^\n]*(?:status|code|Response)")
_WORD: Final = re.compile(r"[A-Za-z_][\w.]{3,}")
_RAISED: Final = re.compile(r"(?:error|Error) '(?P<status>[45]\d\d) |^(?P<other>[45]\d\d): ")
_LOC: Final = re.compile(r"['\"]?loc['\"]?: ?\[?(?P<loc>[^\]}]+?)(?:\]|; )")
_ON_BODIES: Final = frozenset(("IndexError", "JSONDecodeError", "KeyError", "TypeError", ""))
_READS_ANSWER: Final = re.compile(
    r"json\(|\.(?:text|content|body)\b|\b(?:resp|answer|reply|result|res|r)\w*\b"
    r"|\.(?:delete|get|patch|post|put|request)\("
)
_SENT: Final = re.compile(
    r"\b(?P<method>delete|get|patch|post|put)\(\s*f?['\"](?P<path>/[^'\"]*)['\"]"
)
_BODY_OF_422: Final = re.compile(r"['\"]loc['\"]: ?\[['\"](?:body|query|path|header)['\"]")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_VALUE: Final = re.compile(r"('[^']*'|\"[^\"]*\")(\s*:)?")
_DETAIL: Final = re.compile(r"['\"]detail['\"]: ?(?P<quote>['\"])(?P<detail>.*?)(?P=quote)[,}]")


def without_values(text: str) -> str:
    """Mask what differs, and what stands in quotes."""
    return without_variables(_QUOTED.sub("'…'", text))


def _literals(text: str) -> frozenset[str]:
    """Return what stands in quotes and is a value, no key."""
    return frozenset(told[1:-1] for told, key in _VALUE.findall(text) if not key) - {"", "id"}


def _shown(sent: frozenset[str]) -> str:
    """Return the path that a line sends to, or a mark where it sends something else."""
    return min((one for one in sent if one.startswith("/")), default="…" if sent else "")


def _status(facts: Facts, said: Said) -> int:
    """Return the status of the answer that the test did not want, 0 where none is told."""
    if facts.status is None:
        facts.status = _looked_at(facts, said)
    return facts.status


def _looked_at(facts: Facts, said: Said) -> int:
    if said.type in {"AssertionError", ""} and _BODY_OF_422.search(said.text):
        return 422
    line = facts.test.text if facts.test else ""
    status = (facts.answer or {}).get("status")
    answered = status if isinstance(status, int) else 0
    if told := _compared_status(facts, said, answered, line):
        return told
    hit = _RAISED.search(said.text) if said.type in {"HTTPStatusError", "HTTPError"} else None
    if hit:
        return int(hit["status"] or hit["other"])
    return answered if said.type in _ON_BODIES or _READS_ANSWER.search(line) else 0


def _compared_status(facts: Facts, said: Said, answered: int, line: str) -> int:
    compared = facts.compared
    if compared is None or compared.operator not in {"==", "in", "is"}:
        return 0
    hit = _WHERE.search(said.text)
    if hit:
        return int(hit["status"])
    sides = [
        int(side)
        for side in (compared.left.strip(), compared.right.strip())
        if re.fullmatch(r"[1-5]\d\d", side)
    ]
    if answered in sides:
        return answered
    if sides and _STATUS.search(f"{said.text} {line}"):
        return next((side for side in sides if side >= 400), sides[0])  # noqa: PLR2004
    return 0


def _detail(facts: Facts, said: Said) -> str:
    answer = facts.answer
    if answer:
        problem = answer.get("problem")
        if isinstance(problem, dict):
            return text_of(problem.get("detail")) or text_of(problem.get("title"))
        return text_of(problem) or text_of(answer.get("body"))[:200]
    hit = _DETAIL.search(said.text)
    return hit["detail"] if hit else ""


def _route(facts: Facts) -> str:
    """Return method and path of the request, as the answer tells them or the test's line shows."""
    answer = facts.answer or {}
    method, url = text_of(answer.get("method")), text_of(answer.get("url"))
    if not url:
        line = facts.test.text if facts.test else ""
        hit = _SENT.search(line) or _SENT.search(facts.own.text[:1_000])
        method, url = (hit["method"].upper(), hit["path"]) if hit else ("", "")
    url = re.sub(r"^\w+://[^/]+|\?.*", "", url)
    # Ids of single things stand at the end or between words; what is left is the route.
    url = re.sub(r"(?<=/)[^/]*\d[^/]*", "{id}", url)
    return f"{method} {url}".strip()


def _unauthorized(facts: Facts, said: Said) -> Found | None:
    status = _status(facts, said)
    if status not in {401, 403}:
        return None
    detail = _detail(facts, said)
    told = f": {detail[:120]}" if detail else ""
    return found(str(status), without_values(detail)[:120], status=str(status), told=told)


def _unprocessable(facts: Facts, said: Said) -> Found | None:
    if _status(facts, said) != 422:  # noqa: PLR2004
        return None
    answer = facts.answer or {}
    text = text_of(answer.get("problem")) + text_of(answer.get("body")) or said.text
    places = sorted({re.sub(r"['\" ]", "", hit["loc"]) for hit in _LOC.finditer(text)})
    for one in facts.evidence.get("validation", ()) if not places else ():
        errors = one.get("errors")
        places = sorted(
            {text_of(each.get("loc")) for each in errors if isinstance(each, dict)}
            if isinstance(errors, list)
            else ()
        )
    fields = ", ".join(place.replace(",", ".") for place in places)
    route = _route(facts)
    # Routes of one resource share the model: POST /things and PUT /things/{id}.
    resource = route.partition("/")[2].partition("/{")[0]
    if not fields:
        detail = without_values(_detail(facts, said))[:120]
        file = "" if resource else facts.failure.file
        return found(resource, "", detail, file, what=route or "a request")
    return found(resource, fields, what=f"{fields}" + (f" of {route}" if route else ""))


def _conflict(facts: Facts, said: Said) -> Found | None:
    if _status(facts, said) != 409:  # noqa: PLR2004
        return None
    detail = _detail(facts, said)
    if detail:
        told = f": {detail[:120]}"
        given = text_of((facts.answer or {}).get("request_body"))
        also = _literals(detail) | _literals(given) | frozenset(_WORD.findall(detail))
        return Found((without_values(detail)[:160], ""), {"told": told}, also=also)
    # Nothing tells of the body; the test's own line may show what was sent.
    line = facts.test.text if facts.test else ""
    sent = _literals(line)
    also = sent | frozenset(_WORD.findall(line)) if sent else frozenset[str]()
    route = _route(facts)
    key = ("", "", route) if route else ("", facts.failure.file, _shown(sent))
    return Found(key, {"told": f" to {route}" if route else ""}, also=also)


def _server_error(facts: Facts, said: Said) -> Found | None:
    status = _status(facts, said)
    if status < 500:  # noqa: PLR2004
        return None
    route, detail = _route(facts), _detail(facts, said)
    logs = [
        text_of(one.get("exception")) or text_of(one.get("message"))
        for one in facts.evidence.get("log", ())
    ]
    told = logs[-1] if logs else detail
    where = "" if logs else (route or facts.failure.file)
    shown = f": {told[:120]}" if told else (f" by {route}" if route else "")
    return found(str(status), without_values(told)[:160], where, status=str(status), told=shown)


def _refused(facts: Facts, said: Said) -> Found | None:
    status = _status(facts, said)
    if status < 400:  # noqa: PLR2004
        return None
    route, detail = _route(facts), _detail(facts, said)
    what = (f" by {route}" if route else "") + (f": {detail[:120]}" if detail else "")
    return found(
        str(status),
        route,
        without_values(detail)[:120],
        "" if route or detail else facts.failure.file,
        status=str(status),
        what=what,
    )


def _lacks_field(facts: Facts, said: Said) -> Found | None:
    if said.type != "KeyError":
        return None
    line = facts.root.frames[-1].text if facts.root and facts.root.frames else ""
    if not re.search(r"json\(\)|\.json\b|\bbody\b|\bdata\b|\bpayload\b|\bresp", line):
        return None
    name = said.text.strip("'\" ")
    file = facts.failure.file
    sent = _literals(line) - {name}
    return Found((name, file, _shown(sent)), {"name": name, "file": file}, also=sent)


_KINDS: Final = ("http", "validation", "log")

RULES: Final = (
    Rule(
        "unprocessable",
        "422 for {what}",
        "The body or the query that the test sends no longer fits what the route declares.",
        "Compare the fields with the model of the route.",
        _unprocessable,
        kinds=_KINDS,
    ),
    Rule(
        "unauthorized",
        "The answer is {status}{told}",
        "The request carries no credentials, those of another role, or a token that has ended.",
        "Send credentials in the client fixture; look what the route asks for.",
        _unauthorized,
        kinds=_KINDS,
    ),
    Rule(
        CONFLICT,
        "The answer is 409{told}",
        "A value is taken, or the code turns another exception into a conflict: the body says which.",
        "Read the body, not the status. Draw values that must be unique.",
        _conflict,
        mend="test",
        kinds=_KINDS,
    ),
    Rule(
        "server-error",
        "The answer is {status}{told}",
        "The application raised an exception that nothing handled.",
        "Look into its log; a client with `raise_server_exceptions=True` shows it in the test.",
        _server_error,
        kinds=("log", "http"),
    ),
    Rule(
        "refused-answer",
        "The answer is {status}{what}",
        "The route is another, what it looks for is not there, or the request is not allowed.",
        "Look at the request in the evidence.",
        _refused,
        kinds=_KINDS,
    ),
    Rule(
        LACKS_FIELD,
        "Answers lack the field {name}, in {file}",
        "The body is that of an error, and its status was not looked at; or the field was renamed.",
        "Assert the status with the body first.",
        _lacks_field,
        types=frozenset(("KeyError",)),
        mend="test",
        kinds=_KINDS,
    ),
)
