"""Tracebacks as pytest and Python draw them, for readers of reports."""

from __future__ import annotations

from typing import Final

__all__ = ["GROUP", "LINE", "LONG", "LOOKUP", "NATIVE", "SHORT", "SQL"]

LONG: Final = """def test_wrap():
>       wrap(1)

tests/test_a.py:19:\x20
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

x = 1

    def wrap(x):
        try:
>           return deep(x)
                   ^^^^^^^
E           ValueError: bad x
E             second line

shop/core.py:3: ValueError

The above exception was the direct cause of the following exception:

    def test_wrap():
>       wrap(1)

tests/test_a.py:19:\x20
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _
/env/lib/python3.11/site-packages/library/core.py:1494: in call
    return meth(
shop/core.py:10: RuntimeError: in the text of a line, no place
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    async def wrap(x):
>           raise shop.WrappedError("wrapped") from error
E           shop.errors.WrappedError: wrapped

shop/core.py:10: WrappedError"""

SHORT: Final = """shop/core.py:14: in context
    return deep(x)
           ^^^^^^^
shop/core.py:3: in deep
    raise ValueError("bad x")
E   ValueError: bad x

During handling of the above exception, another exception occurred:
tests/test_a.py:21: in test_context
    context(1)
shop/core.py:16: in context
    return {}["k"]
E   KeyError: 'k'"""

NATIVE: Final = """Traceback (most recent call last):
  File "/env/lib/python3.11/site-packages/pluggy/_callers.py", line 103, in _multicall
    res = hook_impl.function(*hook_args)
  File "/env/lib/python3.11/site-packages/_pytest/python.py", line 187, in pytest_pyfunc_call
    result = testfunction(**testargs)
  File "/p/tests/test_a.py", line 4, in test_it
    call()
    ~~~~^^
  File "/p/shop/core.py", line 3, in deep
    raise ValueError("bad x")
ValueError: bad x
second line"""

LINE: Final = """E   ValueError: bad x
    second line

The above exception was the direct cause of the following exception:
E   RuntimeError: wrapped"""

GROUP: Final = """+ Exception Group Traceback (most recent call last):
  |   File "/p/tests/test_a.py", line 23, in test_group
  |     group()
  | ExceptionGroup: both (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "/p/shop/core.py", line 20, in inner
    |     raise ExceptionGroup("inner", errors)
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | Traceback (most recent call last):
      |   File "/p/shop/core.py", line 3, in deep
      |     raise ValueError("bad x")
      | ValueError: bad x
      +------------------------------------
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/p/shop/core.py", line 23, in group
    |     {}["kk"]
    | KeyError: 'kk'
    +------------------------------------"""

LOOKUP: Final = """file /p/tests/test_a.py, line 27
  def test_missing(nofixture): pass
E       fixture 'nofixture' not found
>       available fixtures: cache, capfd
>       use 'pytest --fixtures [testpath]' for help on them.

/p/tests/test_a.py:27"""

SQL: Final = """tests/test_a.py:32: in test_sql
    session.commit()
E   sqlalchemy.exc.IntegrityError: (psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "uq_shop_name"
E   DETAIL:  Key (name)=(a) already exists.
E   [SQL: INSERT INTO shop (name) VALUES (%(name)s)]
E   [parameters: {'name': 'a'}]
E   (Background on this error at: https://sqlalche.me/e/20/gkpj)"""
