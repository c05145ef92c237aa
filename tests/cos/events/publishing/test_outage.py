import logging

import pytest

from cos.events.publishing.outage import Outage


def test_an_outage_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger=__name__)
    outage = Outage(logging.getLogger(__name__), began="It is down: %s", ended="It is up again.")
    outage.over()
    for _ in range(2):
        outage.failed(OSError("unplugged"))
        outage.failed(OSError("still"))
        outage.over()
        outage.over()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "It is down: OSError: unplugged"),
        ("INFO", "It is up again."),
    ] * 2
