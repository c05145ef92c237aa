"""What a subscriber counts."""

from dataclasses import dataclass

__all__ = ["SubscriberFacts"]


@dataclass(slots=True)
class SubscriberFacts:
    """Counts of one subscriber since it was made; for metrics, read from the event loop's thread.

    ``handled`` events are committed, ``replayed`` ones of them came from the dead letters;
    ``dropped`` were done before; ``retried`` are failed attempts that are repeated; ``dead`` went
    to the dead letters; ``gaps`` are events that were read from the table before another one;
    ``passed_over`` were not there any more. ``in_flight`` are being handled, ``held`` are in
    memory. ``lag`` is how many events the group was behind when that was last looked at.
    """

    handled: int = 0
    replayed: int = 0
    dropped: int = 0
    retried: int = 0
    dead: int = 0
    gaps: int = 0
    passed_over: int = 0
    malformed: int = 0
    in_flight: int = 0
    held: int = 0
    lag: int = 0
