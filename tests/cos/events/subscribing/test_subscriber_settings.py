from typing import Any

import pytest

from cos.events.subscribing.subscriber_settings import SubscriberSettings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"concurrency": 0}, "at least 1"),
        ({"depth": 0}, "at least 1"),
        ({"max_attempts": 0}, "at least 1"),
        ({"capacity": 7}, "capacity is at least 8"),
        ({"timeout": 0.0}, "more than 0"),
        ({"block": 0.0}, "more than 0"),
        ({"timeout": 30.0, "min_idle": 59.0}, "min_idle is at least 2 times"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SubscriberSettings(**given)


def test_what_is_not_given_works() -> None:
    settings = SubscriberSettings()

    assert settings.min_idle > settings.timeout * 2
    # The connections of the service end a transaction that is idle for 30 seconds.
    assert settings.timeout < 30
