"""Running somebody else's command as if we were not there."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

__all__ = ["exit_like", "run_child"]

_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SHELL_SIGNAL_BASE: Final = 128
_PR_SET_PDEATHSIG: Final = 1


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the command to its end; answer its exit code, or minus the signal that ended it.

    SIGTERM, SIGHUP and SIGINT go on to it and do not end us: it decides. Each reaches it once: in
    the foreground of a terminal it is in our process group, which has Ctrl-C from the terminal;
    elsewhere in one of its own, so that who signals our group reaches it through us. When we are
    killed it gets SIGTERM (Linux). Raises TK501 where it cannot be started.
    """
    foreground = _in_foreground()
    child: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and foreground:
            return
        if child is None:
            early.append(number)
        else:
            child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        child = _started(command, environment, foreground=foreground)
        for number in early:
            child.send_signal(number)
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _started(
    command: Sequence[str], environment: Mapping[str, str], *, foreground: bool
) -> subprocess.Popen[bytes]:
    # Looked up before the fork: behind it nothing may be loaded.
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    parent = os.getpid()

    def end_with_us() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(_SHELL_SIGNAL_BASE + signal.SIGTERM)

    try:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            preexec_fn=end_with_us,  # noqa: PLW1509 - we have no other thread
            process_group=None if foreground else 0,
        )
    except OSError as error:
        raise TestkitError("TK501", command=command[0], reason=error.strerror) from error


def exit_like(status: int) -> NoReturn:
    """End this process as the command ended: with its exit code, or by its signal."""
    if status < 0 and -status in _FORWARDED:
        sys.stdout.flush()
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    # Other signals (a crash) would write a core dump of ours: say it as a shell does.
    raise SystemExit(_SHELL_SIGNAL_BASE - status if status < 0 else status)


def _in_foreground() -> bool:
    # Not standard input: that may be a file while the terminal still sends its signals.
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
