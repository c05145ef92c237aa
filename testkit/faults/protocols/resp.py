"""RESP2 and RESP3, read: where commands and replies begin and end."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["GARBAGE", "LONGEST", "LongCommand", "ReplyReader", "arguments", "first_word", "scan"]

#: Frames that are longer are not kept whole.
LONGEST: Final = 1024 * 1024
#: What ``scan`` needs where bytes are no RESP.
GARBAGE: Final = -1
#: A line with a length or a count is never longer.
_HEADER: Final = 32
_LONGEST_INLINE: Final = 64 * 1024
_INLINE: Final = re.compile(rb"[ \t]*([A-Za-z][\w.:|-]*)(?:[ \t][^\r\n]*)?\r?\n|[ \t]*\r?\n")
#: The count of words and the length of the first.
_BEGIN: Final = re.compile(rb"\*([1-9]\d{0,8})\r\n\$(\d{1,10})\r\n")
_TOO_SHORT: Final = -2
#: + - : _ # , ( and the end of what is streamed: nothing but a line.
_LINES: Final = frozenset(b"+-:_#,(")
_BULKS: Final = frozenset(b"$=!")
_AGGREGATES: Final = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2, ord("|"): 2}
_ATTRIBUTE: Final = ord("|")
_STREAMED: Final = -1


# The hot loop: with calls in it, each command would cost half as much again.
def scan(  # noqa: C901, PLR0911
    data: bytes, found: list[tuple[bytes, int, int]]
) -> tuple[int, int]:
    """Append each whole command to ``found``: its first word, its begin, its end.

    Return where the first command begins that is not whole, and how many bytes from there are
    needed at least to go on: 0 at the end of the data, ``GARBAGE`` where there is no command. An
    empty command, which is not answered, has no first word (b"").
    """
    position, end, find = 0, len(data), data.find
    append, begin = found.append, _BEGIN.match
    while position < end:
        start = position
        if data[position] != 42:  # noqa: PLR2004  # *
            line = _INLINE.match(data, position)
            if line is None:
                return start, _need_of_line(data, start)
            position = line.end()
            append((line[1] or b"", start, position))
            continue
        head = begin(data, position)
        if head is None:
            position, count, word = _begun(data, position)
            if count < 0:
                return start, count if count == GARBAGE else end - start + 1
        else:
            number, size = head.groups()
            position = head.end()
            count, after = int(number) - 1, position + int(size)
            word = data[position:after]
            position = after + 2
            if position > end:
                return start, position - start
        while count:
            eol = find(b"\r\n", position, position + 32)
            if eol < 0:
                wrong = end - position >= _HEADER or data[position : position + 1] not in b"$"
                return start, GARBAGE if wrong else end - start + 1
            size = data[position + 1 : eol]
            if data[position] != 36 or not size.isdigit():  # noqa: PLR2004  # $
                return start, GARBAGE
            position = eol + 4 + int(size)
            if position > end:
                return start, position - start
            count -= 1
        append((word, start, position))
    return position, 0


def _begun(data: bytes, position: int) -> tuple[int, int, bytes]:
    """Return what comes behind a count that no word follows, and 0 words.

    A negative count of words: ``GARBAGE``, or it is not whole.
    """
    eol = data.find(b"\r\n", position, position + _HEADER)
    rest = len(data) - position
    if eol < 0:
        return position, GARBAGE if rest >= _HEADER else _TOO_SHORT, b""
    number = data[position + 1 : eol]
    negative = number[:1] == b"-" and number[1:].isdigit()
    if negative or (number.isdigit() and not int(number)):
        return eol + 2, 0, b""
    following = data[eol + 2 : eol + 2 + _HEADER]
    digits = following[1:].rstrip(b"\r\n")
    good = number.isdigit() and following[:1] in b"$" and (not digits or digits.isdigit())
    return position, _TOO_SHORT if good and len(following) < _HEADER else GARBAGE, b""


def _need_of_line(data: bytes, start: int) -> int:
    begun = data[start : start + _HEADER].lstrip(b" \t\r")
    proper = not begun or begun[:1].isalpha()
    whole = data.find(b"\n", start, start + _LONGEST_INLINE) >= 0
    rest = len(data) - start
    return rest + 1 if proper and not whole and rest < _LONGEST_INLINE else GARBAGE


def arguments(data: bytes, start: int = 0) -> list[bytes]:
    """Return the words of the command that begins there, of one that is cut those in it."""
    if data[start : start + 1] != b"*":
        return data[start:].partition(b"\n")[0].split()
    words: list[bytes] = []
    eol = data.find(b"\r\n", start)
    left, position = int(data[start + 1 : eol]), eol + 2
    while left > 0 and (eol := data.find(b"\r\n", position, position + _HEADER)) >= 0:
        size = int(data[position + 1 : eol])
        words.append(data[eol + 2 : eol + 2 + size])
        position = eol + 4 + size
        left -= 1
    return words


class LongCommand:
    """A command that is not kept: it is followed to its end by the lengths in it."""

    __slots__ = ("_begun", "_left", "_skip", "garbage")

    def __init__(self) -> None:
        self._begun = b""
        self._left = self._skip = -1
        self.garbage = False

    def feed(self, data: bytes) -> int:
        """Return how many of these bytes belong to it; fewer than there are: it has ended.

        One that ended with the data returns all of them, and ``ended`` says so.
        """
        position, end = 0, len(data)
        while not self.garbage:
            if self._skip > 0:
                step = min(self._skip, end - position)
                self._skip -= step
                position += step
            if self.ended or position == end:
                break
            begun = self._begun + data[position : position + _HEADER - len(self._begun)]
            eol = begun.find(b"\r\n")
            if eol < 0:
                self.garbage = len(begun) >= _HEADER
                position += len(begun) - len(self._begun)
                self._begun = begun
                continue
            position += eol + 2 - len(self._begun)
            self._begun = b""
            self._header(begun[:eol])
        return end if self.garbage else position

    def _header(self, line: bytes) -> None:
        number = line[1:]
        if line[:1] != (b"*" if self._left < 0 else b"$") or not number.isdigit():
            self.garbage = True
        elif self._left < 0:
            self._left, self._skip = int(number), 0
        else:
            self._left -= 1
            self._skip = int(number) + 2

    @property
    def ended(self) -> bool:
        """Return whether all of it was there."""
        return self._left == 0 and self._skip == 0


class ReplyReader:
    """Follows one reply of any depth to its end; each byte is looked at once at most."""

    __slots__ = ("_left", "_line", "_outer", "_skip", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._left = self._skip = 0
        self._line = False
        self._outer: list[int] = []

    def advance(self, data: bytes, position: int) -> int:
        """Return the end of the reply, or how far it is known: then ``busy`` stays True.

        Bytes behind that, at most 31, begin a header and must be given again with what follows.
        Returns -1 where bytes are no RESP.
        """
        if not self.busy:
            self.busy, self._left = True, 1
        while True:
            position = self._go_on(data, position)
            if self._skip or self._line:
                return position
            if self._left == 0:
                self.busy = False
                return position
            if position >= len(data):
                return position
            kind = data[position]
            if kind in _LINES:
                self._line = True
                self._one_less()
                continue
            eol = data.find(b"\r\n", position, position + _HEADER)
            if eol < 0:
                wrong = len(data) - position >= _HEADER or not _begins(kind)
                return -1 if wrong else position
            if not self._header(kind, data[position + 1 : eol]):
                return -1
            position = eol + 2

    def _go_on(self, data: bytes, position: int) -> int:
        """Go to the end of the text or line that has begun, or as far as there is something."""
        if self._skip:
            step = min(self._skip, len(data) - position)
            self._skip -= step
            return position + step
        if self._line:
            eol = data.find(b"\n", position)
            self._line = eol < 0
            return len(data) if eol < 0 else eol + 1
        return position

    def _one_less(self) -> None:
        if self._left > 0:
            self._left -= 1

    def _header(self, kind: int, number: bytes) -> bool:
        streamed = number == b"?"
        if kind == ord(".") and not number and self._outer:
            self._left = self._outer.pop()
        elif kind == ord(";") and number.isdigit() and self._outer:
            self._skip = int(number) + 2 if int(number) else 0
            if not self._skip:
                self._left = self._outer.pop()
        elif streamed and (kind in _AGGREGATES or kind == ord("$")):
            self._one_less()
            # Behind an attribute stands the element that it describes.
            again = kind == _ATTRIBUTE and self._left >= 0
            self._outer.append(self._left + again)
            self._left = _STREAMED
        elif kind in _BULKS and _is_length(number):
            self._one_less()
            self._skip = int(number) + 2 if number[:1] != b"-" else 0
        elif kind in _AGGREGATES and _is_length(number):
            if self._left > 0:
                self._left += max(int(number), 0) * _AGGREGATES[kind] - (kind != _ATTRIBUTE)
        else:
            return False
        return True


def _is_length(number: bytes) -> bool:
    return number.isdigit() or number == b"-1"


def _begins(kind: int) -> bool:
    return kind in _BULKS or kind in _AGGREGATES or kind in b".;"


def first_word(data: bytes, position: int) -> bytes | None:
    """Return the first element of an array or push that begins there, in lower case.

    None: more bytes are needed. Empty: it is no text.
    """
    eol = data.find(b"\r\n", position, position + _HEADER)
    if eol < 0:
        return None if len(data) - position < _HEADER else b""
    if data[position + 1 : eol] in {b"0", b"-1"}:
        return b""
    position = eol + 2
    eol = data.find(b"\r\n", position, position + _HEADER)
    if eol < 0:
        return None if len(data) - position < _HEADER else b""
    line = data[position:eol]
    if line[:1] == b"+":
        return line[1:].lower()
    if line[:1] != b"$" or not line[1:].isdigit() or int(line[1:]) > _HEADER:
        return b""
    word = data[eol + 2 : eol + 2 + int(line[1:])]
    return word.lower() if len(word) == int(line[1:]) else None
