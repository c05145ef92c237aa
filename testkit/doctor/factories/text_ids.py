"""TD105: a text where a UUID belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.factories.trial import Failure, Trial

__all__ = ["RULE", "is_text_id", "reasons"]

RULE: Final = Rule(
    "TD105",
    "A factory gives a text where a UUID belongs",
    "error",
    "The database takes the text, and gives back a uuid.UUID: until the object is read again, "
    "it equals no other id, is found in no dictionary, and `==` in a test is false.",
    "Give a uuid.UUID: uuid.uuid4 without str() around it.",
)


def is_text_id(failure: Failure) -> bool:
    """Return whether a factory of testkit's refused to make such an object."""
    return failure.code == "TK403"


def reasons(trial: Trial) -> Iterator[str]:
    """Give the attribute and the text."""
    for failure in (trial.built, trial.created, trial.again):
        if failure is not None and is_text_id(failure):
            yield failure.text
    for name, text in trial.texts:
        yield f"{name} is the text {text!r}"
