"""How long triage takes: 1,000 and 100,000 failures of fifty causes, each with chain and evidence.

    python benchmarks/triage.py [FAILURES …]

Failures are made one at a time while they are read, as a record gives them; what that alone takes
is told apart. Times are of the processor, for a busy machine too; memory is the peak of this
process.
"""

from __future__ import annotations

import resource
import sys
import time
from random import Random
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence, Failure, Frame, Raised
from testkit.triage.triage import triage

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT: Final = "    session.commit()\n" * 40
# Type of the exception around it, type, message, kind of the evidence, its facts.
_FORMS: Final = (
    (
        "sqlalchemy.exc.IntegrityError",
        "sqlite3.IntegrityError",
        "UNIQUE constraint failed: t{k}.name",
    ),
    ("sqlalchemy.exc.OperationalError", "sqlite3.OperationalError", "no such table: audit_{k}"),
    ("", "AssertionError", "assert {n} == {m}\n +  where {n} = total(<app.Cart object at 0x{n}>)"),
    ("", "AssertionError", "assert 409 == 201\n +  where 409 = <Response [409]>.status_code"),
    ("", "ValueError", "order {n} of customer 'c{m}' has no line {k}"),
    ("", "KeyError", "'id'"),
    ("", "TypeError", "'<' not supported between instances of 'NoneType' and 'int'"),
    ("", "ConnectionRefusedError", "[Errno 111] Connect call failed ('127.0.0.1', {k})"),
    ("", "AttributeError", "'Cart' object has no attribute 'total_{k}'"),
    ("", "RuntimeError", "job {n} was not done after {m} s in queue q{k}"),
)


def failures(count: int) -> Iterator[Failure]:
    """Give so many failures, the same for the same count."""
    draw = Random(count)
    for n in range(count):
        around, kind, form = draw.choice(_FORMS)
        k, m = draw.randrange(5), draw.randrange(10_000)
        message = form.format(n=n, m=m, k=k)
        file = f"tests/shop/test_{n % 300}.py"
        frames = (
            Frame(file, n % 400, f"test_{n}", f"assert app.done(Cart(n={n}).tries)", "test"),
            Frame(f"app/part_{k}.py", 40 + k, f"step_{k}", "return cart.tries < limit", "project"),
            Frame("/venv/site-packages/lib/x.py", 800, "execute", "cursor.execute(sql)", "library"),
        )
        chain = [Raised(kind, message, "raised", frames)]
        if around:
            text = f"({kind}) {message}\n[SQL: INSERT INTO t{k} (id, name) VALUES (?, ?)]\n"
            text += f"[parameters: ('{n:032x}', 'name {m % 50}')]\n(Background on this error at: x)"
            chain = [Raised(around, text, "raised", frames), Raised(kind, message, "cause")]
        seen = [
            Evidence("before", {"tests": [f"{file}::test_{n - 1}"], "count": n}),
            Evidence("locals", {"values": {"n": str(n), "cart": "<app.Cart>"}}),
        ]
        if "409" in message or kind == "KeyError":
            detail = f"cart 'name {m % 50}' exists"
            seen.append(
                Evidence("http", {"status": 409, "url": "/carts", "problem": {"detail": detail}})
            )
        yield Failure(
            nodeid=f"{file}::test_{n}",
            file=file,
            message=chain[0].message,
            chain=tuple(chain),
            evidence=tuple(seen),
            text=f"{n}\n{_TEXT}",
            order=n,
        )


def main() -> None:
    """Print a row for each count."""
    print("| failures | made, s | triage, s | each, µs | causes | peak, MB |")
    print("|---|---|---|---|---|---|")
    for count in [int(word) for word in sys.argv[1:]] or [1_000, 100_000]:
        began = time.process_time()
        for _ in failures(count):
            pass
        made = time.process_time() - began
        began = time.process_time()
        found = triage(failures(count))
        took = time.process_time() - began - made
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = took / count * 1e6
        cells = (f"{made:.2f}", f"{took:.2f}", f"{each:.0f}", len(found.causes), f"{peak:.0f}")
        print(f"| {count:,} | " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
