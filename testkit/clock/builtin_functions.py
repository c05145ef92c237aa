"""A function of the module time, replaced in the object that everybody holds.

``from time import monotonic`` and ``timer=time.monotonic`` keep the object of the built-in
function, not its name, so replacing ``time.monotonic`` would reach neither. The object itself holds
two pointers: to the definition that is called and to what is passed to it. They are exchanged,
both at once under the interpreter's lock, for ``PyObject_CallObject`` or ``PyObject_CallOneArg``
and a callable of ours.
"""

from __future__ import annotations

import ctypes
import sys
import time
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BuiltinFunction", "builtin_function"]

_NO_ARGUMENTS: Final = 0x0004  # METH_NOARGS
_ONE_ARGUMENT: Final = 0x0008  # METH_O
_CALLS: Final = {_NO_ARGUMENTS: "PyObject_CallObject", _ONE_ARGUMENT: "PyObject_CallOneArg"}


class _Definition(ctypes.Structure):
    """The interpreter's ``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


class _Stand(ModuleType):
    """What is called instead; a module, because ``pickle`` and ``inspect`` expect one there."""

    call: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)


class BuiltinFunction:
    """A built-in function of the module ``time``; ``real`` calls what it was, always.

    Raises TK662 where the interpreter lays its objects out in another way than CPython with its
    lock does.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._pointers = (ctypes.c_void_p * 2).from_address(
            id(getattr(time, name)) + object.__basicsize__
        )
        if not self._is_known():
            raise TestkitError("TK662", name=name, interpreter=sys.version.partition("\n")[0])
        self._original: Final = tuple(self._pointers)
        definition = _Definition.from_address(self._original[0])
        self.real: Final = _copy_of(self._original[0])
        call = ctypes.cast(getattr(ctypes.pythonapi, _CALLS[definition.flags]), ctypes.c_void_p)
        self._stand: Final = _Stand("time")
        self._definition: Final = _Definition(definition.name, call.value, definition.flags, None)

    def replace(self, call: Callable[..., Any]) -> None:
        """Have everybody who calls the function call this instead; the caller is two frames up."""
        self._stand.call = call
        self._pointers[:] = [ctypes.addressof(self._definition), id(self._stand)]

    def restore(self) -> None:
        """Put the original back; without effect where it is there."""
        self._pointers[:] = list(self._original)

    def _is_known(self) -> bool:
        has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
        if sys.implementation.name != "cpython" or not has_lock or self._pointers[1] != id(time):
            return False
        definition = _Definition.from_address(self._pointers[0] or 0)
        return bool(definition.name == self.name.encode() and definition.flags in _CALLS)


@cache
def builtin_function(name: str) -> BuiltinFunction:
    """Return the one object for this function: another thread may be in a call when a test ends."""
    return BuiltinFunction(name)


def _copy_of(definition: int) -> Callable[..., Any]:
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    function: Callable[..., Any] = make(definition, time, "time")
    return function
