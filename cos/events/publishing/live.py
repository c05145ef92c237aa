"""How an event looks on the live channel."""

import json
from collections.abc import Mapping

__all__ = ["live_message"]


def live_message(fields: Mapping[str, str]) -> str:
    """Return the JSON object, in ASCII, of an event whose stream entry has ``fields``.

    It has the same names; version and sequence are numbers, the payload is an object.
    """
    head = {name: text for name, text in fields.items() if name != "payload"}
    numbers = {name: int(fields[name]) for name in ("version", "sequence")}
    # The payload is JSON already, and by far the longest part.
    return f'{json.dumps({**head, **numbers})[:-1]}, "payload": {fields["payload"]}}}'
