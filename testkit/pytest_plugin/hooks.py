"""Every pytest hook of testkit.

Loading this module loads nothing but a few modules of testkit: servers, drivers and SQLAlchemy
come when a test or the configuration asks for them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.core.current import current
from testkit.core.messages import TestkitError
from testkit.core.options import MARKERS, OPTIONS, flag
from testkit.pytest_plugin.fixtures import *  # noqa: F403 - pytest finds fixtures in plugin modules
from testkit.pytest_plugin.invocation import only_looks
from testkit.pytest_plugin.session import PluginSession, extras_named, key

if TYPE_CHECKING:
    from collections.abc import Generator

    from _pytest.fixtures import FixtureDef, SubRequest

_RECORDING: Final = "testkit-recording"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare one option for each row of the configuration table."""
    group = parser.getgroup("testkit", "testkit: real Postgres and Redis for every test")
    for option in OPTIONS:
        # A flag may stand alone: --testkit-profile-factories is --testkit-profile-factories=true.
        name = f"testkit_{option.key}"
        group.addoption(flag(option.key), dest=name, help=option.help, **option.bare)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Read the configuration; fix addresses and set ``env`` before any conftest is imported."""
    session = early_config.stash[key] = PluginSession(early_config, args)
    if not session.settings.profile_factories:
        session.begin()
        return
    try:
        with extras_named():
            from testkit.pytest_plugin import profiling
    except TestkitError as error:
        raise pytest.UsageError(str(error)) from error
    session.begin()
    profiling.begin(early_config, session)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers; add what closes asynchronous clients under pytest-asyncio."""
    if key not in config.stash:
        # Loaded by a conftest: too late for the hook above, early enough for the tests.
        pytest_load_initial_conftests(config, [])
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if "pytest_asyncio" in sys.modules:
        from testkit.pytest_plugin import asyncio_fixtures

        config.pluginmanager.register(asyncio_fixtures, "testkit-asyncio")
    session = config.stash[key]
    blocked = config.pluginmanager.is_blocked(_RECORDING)  # by -p no:testkit-recording
    if session.settings.records and not blocked and not only_looks(config.option):
        from testkit.pytest_plugin.recording_hooks import RecordingHooks

        hooks = RecordingHooks(
            config,
            session.settings,
            run=session.token,
            seed=current.seed,
            backends=lambda: _backends(session),
        )
        config.pluginmanager.register(hooks, _RECORDING)


def _backends(session: PluginSession) -> list[str]:
    if not (session.isolates or session.bills):
        return []
    from testkit.pytest_plugin.billing import backends_of

    return backends_of(session.worker if session.isolates else None, session.bills)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Wait for the servers that ``env`` named; end the run where they could not be started."""
    try:
        session.config.stash[key].wait()
    except TestkitError as error:
        # pytest would print the message of an exit twice.
        session.config.stash[key].tell(error)
        pytest.exit("testkit could not start the servers", returncode=3)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what the tests run on, and why."""
    return config.stash[key].header()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note which isolation each test asked for."""
    try:
        config.stash[key].choose_modes(items)
    except TestkitError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the collected tests will ask for."""
    session.config.stash[key].collected(session.items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End what an interrupted test did to servers: its fixtures are torn down next."""
    try:
        return (yield)
    except BaseException:
        if (session := item.config.stash[key]).isolates:
            session.worker.end_faults()
        raise


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Prepare the undoing of this test, whether it asked for a fixture of ours or not."""
    item.config.stash[key].begin_test(item)
    if current.profile is not None:
        from testkit.pytest_plugin import profiling

        profiling.of(item.config).begin_test()


def _draw_fast(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    if call.excinfo is not None and item.config.stash[key].settings.draws_fast:
        from testkit.pytest_plugin import fast_tracebacks

        fast_tracebacks.begin(item.config, call.excinfo)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test got to its end; end what it did to servers."""
    session = item.config.stash[key]
    if session.isolates and (call.when != "setup" or call.excinfo is not None):
        session.worker.end_faults()
    _draw_fast(item, call)
    report = yield
    faulting = session.worker.faulting if session.isolates else None
    if faulting is not None and report.skipped:
        faulting.excuse()
    if faulting is not None and report.failed and (passed := faulting.told()):
        report.sections.append(("testkit", passed))
    if report.failed or hasattr(report, "wasxfail"):
        if call.excinfo is not None:
            notes = session.failed_by(call.excinfo.value)
            if call.when == "setup" and "ScopeMismatch" in str(call.excinfo.value):
                from testkit.pytest_plugin.scopes import wider_one

                notes += wider_one(str(call.excinfo.value), item.nodeid)
            report.sections += [("testkit", note) for note in notes]
        # An expected failure leaves as much behind as any other; so does one of a subtest.
        session.failed_in(item)
        if report.failed and call.when != "teardown" and session.isolates:
            from testkit.pytest_plugin import keeping

            told = keeping.told_of(item, session, call.when)
            report.sections += [("testkit", told)] if told else []
    elif call.when == "call" or report.skipped:
        session.cut_short = session.failed
    budget = session.settings.budget
    if budget is not None and call.when == "call":
        # Behind the lines above: such a test got to its end, and closed what it opened.
        from testkit.pytest_plugin.budget import hold_to_budget

        hold_to_budget(item, report, seconds=call.duration, budget=budget)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """With a budget: time the statements of the test."""
    session = item.config.stash[key]
    if session.settings.budget is None:
        return (yield)
    from testkit.pytest_plugin.budget import statements_timed

    database = session.worker.database if session.isolates else None
    with statements_timed(item, database):
        return (yield)


def pytest_enter_pdb(config: pytest.Config) -> None:
    """With a budget: do not hold a test to it that a person looks into."""
    session = config.stash[key]
    if session.settings.budget is not None:
        from testkit.pytest_plugin.budget import note_debugger

        note_debugger(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Fail the test for connections that were refused, where its code kept that to itself."""
    with item.config.stash[key].refusals_told(item):
        result = yield
    if current.profile is not None:
        from testkit.pytest_plugin import profiling

        profiling.of(item.config).finish_test(item)
    return result


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]
) -> None:
    """Note by what the import of a test module failed."""
    if call.excinfo is not None:
        node.config.stash[key].failed_by(call.excinfo.value)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: FixtureDef[Any], request: SubRequest
) -> Generator[None, object, object]:
    """Let what a wider-scoped fixture commits stay until that fixture ends."""
    if current.profile is not None:
        from testkit.pytest_plugin import profiling

        with current.profile.apart():
            result = yield from _set_up(fixturedef, request)
        profiling.of(request.config).look_for_database()
        return result
    return (yield from _set_up(fixturedef, request))


def _set_up(fixturedef: FixtureDef[Any], request: SubRequest) -> Generator[None, object, object]:
    if fixturedef.scope == "function":
        return (yield)
    session = request.config.stash[key]
    # A fixture may start the server itself: then everything there is its own.
    before = session.worker.isolation.before_fixture() if session.isolates else (None, 0)
    doing = f"{fixturedef.scope} fixture {fixturedef.argname} of {request.node.nodeid}"
    with session.outside_the_test(fixturedef, doing.removesuffix(" of ")):
        result = yield
    if session.isolates:
        session.worker.isolation.after_fixture(
            fixturedef, f"{fixturedef.scope} fixture {fixturedef.argname}", before
        )
        if session.worker.further is not None:
            session.worker.further.claim(fixturedef)
    return result


def pytest_fixture_post_finalizer(fixturedef: FixtureDef[Any], request: SubRequest) -> None:
    """Undo what a wider-scoped fixture did, now that it ended."""
    current.end(fixturedef)
    session = request.config.stash[key]
    if session.isolates:
        session.end_fixture(fixturedef, request.node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a worker of xdist why it ended."""
    node.config.stash[key].heard(node)
    if "testkit_fast_tracebacks" in getattr(node, "workeroutput", {}):
        from testkit.pytest_plugin import fast_tracebacks

        fast_tracebacks.told_by_worker(node)
    if bill := getattr(node, "workeroutput", {}).get("testkit_bill"):
        node.config.stash[key].bills.append(bill)
    if current.profile is not None:
        from testkit.pytest_plugin import profiling

        profiling.of(node.config).heard(node)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Give a run whose server is gone its exit code, before the summary is written."""
    try:
        return (yield)
    finally:
        plugin = session.config.stash[key]
        plugin.finished(session)
        if plugin.isolates and hasattr(session.config, "workeroutput"):
            from testkit.pytest_plugin.billing import bill_of

            session.config.workeroutput["testkit_bill"] = bill_of(plugin.worker, plugin.began)
        if session.testsfailed and plugin.settings.draws_fast:
            from testkit.pytest_plugin import fast_tracebacks

            fast_tracebacks.hand_over(session.config)
        if current.profile is not None:
            from testkit.pytest_plugin import profiling

            profiling.of(session.config).finished()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say that a server is gone; say what ran where no configuration made the header say it."""
    session = config.stash[key]
    lines = session.summary()
    if session.isolates or session.bills:
        from testkit.pytest_plugin.billing import bill_lines, bill_of

        own = bill_of(session.worker, session.began) if session.isolates else None
        lines += bill_lines(own, session.bills, verbose=config.get_verbosity() > 0)
    if current.profile is not None:
        from testkit.pytest_plugin import profiling

        lines += profiling.of(config).lines()
    if "testkit.pytest_plugin.fast_tracebacks" in sys.modules:
        from testkit.pytest_plugin import fast_tracebacks

        lines += fast_tracebacks.told(config)
    for line in lines:
        terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers and take ``env`` back."""
    if current.profile is not None:
        from testkit.pytest_plugin import profiling

        profiling.of(config).end()  # before the guard: what was put on first goes last
    if "testkit.pytest_plugin.fast_tracebacks" in sys.modules:
        from testkit.pytest_plugin import fast_tracebacks

        fast_tracebacks.end(config)
    config.stash[key].end()
