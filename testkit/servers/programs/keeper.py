"""The parent of one server: stops it, and removes its directories, when an owner is gone.

Runs as a process of its own (``python -I -S keeper.py``, in a session of its own, so that Ctrl-C in
a terminal does not reach the server) and reads what to do from standard input. It survives
``kill -9`` of the process that started it. When the keeper itself is killed, the kernel ends the
server (Linux) or, where no kernel does such a thing, a second process does (``watched``).

It imports as little as it can: an interpreter starts in 9 ms, and json, shutil, signal and
contextlib would add 40. Hence marshal between two processes of one interpreter, and ``_signal``.

Fields of the order: ``owners`` (list of [pid, start time]), ``command``, ``environment``,
``directory`` (where it runs), ``log``, ``user`` (user id to run as, or None), ``stop`` (signal
number that ends the server at once) and ``patience`` (seconds until SIGKILL), ``remove``
(directories removed in the end, each with the name that it gets before, or None; ``tidy`` names
their common parent, removed when no directory is left in it, unless the server ended by itself
while its owners live), ``keep`` (do not remove when told to stop, only when an owner is gone).

SIGTERM ends the server. SIGUSR1 makes it stay: the owners are forgotten, and the file ``stays``
beside the log says so. SIGUSR2: the file ``told`` beside the log holds a word to obey; it goes when
that is done. ``pause`` stops the server and its children, but for those whose pids follow,
``resume`` lets them go on, ``kill`` ends all by SIGKILL, ``start`` runs the command again.
"""

import _signal as signal
import marshal
import os
import select
import sys
import time

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
_NOTED = (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)
_STATE_SECONDS = 5.0  # that the kernel gets to stop or to end a process
_TIDY = """parent=$1; shift; rm -rf -- "$@"
for other in "$parent"/*/; do [ ! -d "$other" ] || exit 0; done
rm -rf -- "$parent"
"""


def main() -> None:
    """Start the server, wait for an owner's end, SIGTERM or the server's own end, clean up."""
    libc = None
    if _LINUX:
        # Loaded before the change of user: the interpreter may lie where the other cannot read.
        import ctypes  # noqa: PLC0415 - not needed elsewhere

        libc = ctypes.CDLL(None)
    order = marshal.loads(sys.stdin.buffer.read() or marshal.dumps(None))  # noqa: S302 - our parent
    if order is None:
        return  # the starter gave up
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in _NOTED:
        signal.signal(number, _note)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _write(order, "ended", "")  # takes the room now: a server may end for want of it
    server = _Server(order, libc)
    sys.stdout.write("started\n")
    sys.stdout.flush()
    watch = _Owners(order["owners"])
    status = _wait(watch, server, wake_read, order)
    if status is None:
        server.stop()
    # The starter reads this; the directory stays until the owner asks or is gone, so that the
    # log can be shown.
    if status is not None and _write(order, "ended", str(os.waitstatus_to_exitcode(status))):
        _wait(watch, None, wake_read, order)
    server.dismiss()  # we end as we should: nothing is left for the watcher to do
    if watch.gone or not order["keep"]:
        # A server that did not start says nothing of the others, which may be starting just now:
        # then the directory that they share is theirs, and their end's.
        _remove(order["remove"], order["tidy"] if status is None or watch.gone else None)


def _note(*_: object) -> None:
    """Do nothing: the wake-up descriptor tells."""


def _start(order: dict, libc: object) -> int:  # type: ignore[type-arg]  # plain data
    keeper = os.getpid()
    # A stop that arrives between fork and exec must not meet our handler in the child.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (*_NOTED, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # A group of its own: where we are killed, the kernel lets one go on that is stopped.
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if order["user"] is not None:
            os.fchown(log, order["user"], order["user"])
            os.setgroups([])
            os.setgid(order["user"])
            os.setuid(order["user"])
        if libc is not None:
            # After the change of user, which would clear it.
            libc.prctl(_PR_SET_PDEATHSIG, order["stop"], 0, 0, 0)  # type: ignore[attr-defined]
            if os.getppid() != keeper:
                os._exit(127)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 256)
        os.chdir(order["directory"])
        os.execve(order["command"][0], order["command"], order["environment"])  # noqa: S606 - no shell
    except OSError as error:
        os.write(2, f"cannot run {order['command'][0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _watcher(order: dict, server: int) -> int:  # type: ignore[type-arg]  # plain data
    """Start the process that ends the server when we are killed; answer where it listens."""
    started = _started(server)
    read, write = os.pipe()
    if os.fork():
        os.close(read)
        return write
    try:
        os.close(write)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # Our output must not keep the starter waiting.
        null = os.open(os.devnull, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        if not os.read(read, 1):
            if _started(server) == started:
                _send([server], order["stop"])
                family = [pid for pid, _, above in _processes() if server in (pid, above)]
                _send(family, signal.SIGCONT)
            _remove(order["remove"], order["tidy"])
    finally:
        os._exit(0)


class _Server:
    """The server's process, which may be another one after a ``kill`` and a ``start``."""

    def __init__(self, order: dict, libc: object) -> None:  # type: ignore[type-arg]  # plain data
        self._order, self._libc = order, libc
        self._paused: list[int] = []
        self._watcher: int | None = None
        self._start()

    def obey(self) -> None:
        """Do what the file ``told`` says, and remove it."""
        path = f"{self._order['directory']}/told"
        if not os.path.exists(path):  # noqa: PTH110
            return
        with open(path) as file:  # noqa: PTH123
            word, *pids = file.read().split()
        if self.pid is None:
            if word == "start":
                self._start()
        elif word == "pause":
            self._pause(self.pid, {int(pid) for pid in pids})
        elif word == "resume":
            self._resume()
        elif word == "kill":
            self._kill(self.pid)
        os.unlink(path)  # noqa: PTH108

    def ended(self) -> int | None:
        """Return the wait status of a server that ended by itself."""
        if self.pid is None:
            return None
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        return self._gone(status) if ended else None

    def stop(self) -> None:
        """End it, also where it is paused."""
        if self.pid is not None:
            _stop(self.pid, self._order["stop"], self._order["patience"], self._resume)
            self._gone(0)

    def dismiss(self) -> None:
        """Let the watcher go."""
        if self._watcher is not None:
            os.write(self._watcher, b".")
            os.close(self._watcher)
        self._watcher = None

    def _start(self) -> None:
        watched = self._order["watched"]
        self.pid: int | None = _start(self._order, None if watched else self._libc)
        if watched:
            self.dismiss()
            self._watcher = _watcher(self._order, self.pid)

    def _gone(self, status: int) -> int:
        if self.pid is not None and self._libc is not None:
            _free(self.pid, self._libc)
        self.pid = None
        self._paused.clear()
        return status

    def _pause(self, server: int, but: set) -> None:  # type: ignore[type-arg]
        # Itself first: then it can have no more children.
        _send([server], signal.SIGSTOP)
        _await([server], "T")
        children = {pid for pid, _, above in _processes() if above == server}
        self._paused = [*(children - but), server]
        _send(self._paused, signal.SIGSTOP)
        _await(self._paused, "T")

    def _resume(self) -> None:
        paused, self._paused = self._paused, []
        _send(paused, signal.SIGCONT)

    def _kill(self, server: int) -> None:
        self._pause(server, set())
        _send(self._paused, signal.SIGKILL)
        os.waitpid(server, 0)
        _await(self._paused, "")
        self._gone(0)


def _send(pids: list, number: int) -> None:  # type: ignore[type-arg]
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _await(pids: list, state: str) -> None:  # type: ignore[type-arg]
    """Wait until each of these is in that state, or has ended."""
    deadline = time.monotonic() + _STATE_SECONDS
    while time.monotonic() < deadline:
        states = {pid: now for pid, now, _ in _processes(pids)}
        if all(states.get(pid, "Z") in (state, "Z", "X") for pid in pids):
            return
        time.sleep(0.0002)


def _processes(only: list | None = None) -> list:  # type: ignore[type-arg]
    """Return pid, state (a letter) and parent of every process, or of these at least."""
    if _LINUX:
        names = [n for n in os.listdir("/proc") if n.isdigit()] if only is None else only  # noqa: PTH208
        found = [(int(name), _facts(name)) for name in names]
        return [(pid, facts[0], int(facts[1])) for pid, facts in found if facts]
    with os.popen("/bin/ps -A -o pid=,state=,ppid=") as table:  # noqa: S605 - a constant
        rows = [line.split() for line in table]
    return [(int(pid), state[0], int(parent)) for pid, state, parent in rows]


def _wait(watch: "_Owners", server: _Server | None, wake: int, order: dict) -> int | None:  # type: ignore[type-arg]  # plain data
    """Return the server's wait status, or None where it must be stopped."""
    while watch.alive():
        watch.wait(wake)
        told = os.read(wake, 64) if wake in watch.ready else b""
        if signal.SIGTERM in told:
            return None
        if signal.SIGUSR1 in told:
            watch.forget()
            _write(order, "stays", "yes")
        if server is not None:
            if signal.SIGUSR2 in told:
                server.obey()
            if (status := server.ended()) is not None:
                return status
    return None


class _Owners:
    """The processes whose end ends the server; each is checked by its start time first."""

    def __init__(self, owners: list) -> None:  # type: ignore[type-arg]
        self.handles: list[int] = []
        self.ready: list[int] = []
        self.gone = False
        self.pids = [pid for pid, _ in owners]
        for pid, started in owners:
            try:
                if hasattr(os, "pidfd_open"):
                    self.handles.append(os.pidfd_open(pid))
            except ProcessLookupError:
                self.gone = True
            except OSError:
                pass  # an old kernel or a sandbox without pidfd: alive() asks each half second
            if _LINUX and _started(pid) != started:
                self.gone = True

    def alive(self) -> bool:
        if any(handle in self.ready for handle in self.handles):
            self.gone = True
        if len(self.handles) < len(self.pids):
            try:
                for pid in self.pids:
                    os.kill(pid, 0)
            except ProcessLookupError:
                self.gone = True
        return not self.gone

    def forget(self) -> None:
        self.handles, self.pids, self.ready = [], [], []

    def wait(self, wake: int) -> None:
        everything = len(self.handles) == len(self.pids)
        self.ready = select.select([wake, *self.handles], [], [], None if everything else 0.5)[0]


def _started(pid: int) -> str:
    facts = _facts(pid)
    return facts[19] if facts else ""


def _facts(pid: object) -> list:  # type: ignore[type-arg]
    """Return what the kernel says of a process, from its state on; nothing where there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - pathlib costs start-up time
            stat = file.read()
    except OSError:
        return []
    return stat[stat.rindex(")") + 2 :].split()


def _stop(server: int, number: int, patience: float, resume: object) -> None:
    """End the server; after some seconds without success, the hard way."""
    signal.signal(signal.SIGALRM, _give_up)
    for attempt in (number, signal.SIGKILL):
        try:
            os.kill(server, attempt)
            resume()  # type: ignore[operator]  # it hears nothing while it is stopped
            signal.setitimer(signal.ITIMER_REAL, patience)
            os.waitpid(server, 0)
        except (ProcessLookupError, ChildProcessError):
            return
        except TimeoutError:
            continue
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return


def _give_up(*_: object) -> None:
    raise TimeoutError


def _free(server: int, libc: object) -> None:
    """Remove the shared memory of a Postgres that was killed: only it itself would have done so.

    Called as soon as the server has ended: nobody else can have its pid yet.
    """
    try:
        with open("/proc/sysvipc/shm") as file:  # noqa: PTH123
            rows = [line.split() for line in file]
    except OSError:
        return
    for row in rows:
        if row[4] == str(server):  # who made it
            libc.shmctl(int(row[1]), 0, None)  # type: ignore[attr-defined]  # 0: IPC_RMID


def _write(order: dict, name: str, text: str) -> bool:  # type: ignore[type-arg]
    """Write a file beside the log; an empty text prepares one, and takes the room for it."""
    path = f"{order['directory']}/{name}"
    prepared = os.path.exists(path + ".new")  # noqa: PTH110
    try:
        with open(path + ".new", "r+" if prepared else "w") as file:  # noqa: PTH123
            file.write(text.ljust(8))
        if text:
            os.rename(path + ".new", path)  # noqa: PTH104
    except OSError:
        return False
    return True


def _remove(doomed: list, parent: str | None) -> None:  # type: ignore[type-arg]  # plain data
    """Remove the directories, and their parent when no other directory is left in it.

    A new name comes first: who still writes there by the old one must not leave parts behind, and
    what a kill leaves says in its name that it may go.
    """
    directories = []
    for path, name in doomed:
        try:
            if name is not None:
                os.rename(path, name)  # noqa: PTH104
            directories.append(name or path)
        except OSError:
            directories.append(path)
    # The last act: rm takes a third of the time that Python takes for 1,600 files. The parent is
    # looked at behind that: of keepers that end together the last one finds no other directory.
    command = ["/bin/rm", "-rf", "--", *directories]
    if parent is not None:
        command = ["/bin/sh", "-c", _TIDY, "sh", parent, *directories]
    os.execve(command[0], command, {"PATH": os.defpath})  # noqa: S606 - nothing in it is split


if __name__ == "__main__":
    main()
