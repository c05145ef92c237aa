"""Faults of commands and statements: TK620 to TK639."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["PROTOCOL_FAULTS"]

PROTOCOL_FAULTS: Final[dict[str, Message]] = {
    "TK620": Message(
        "No request or reply can be chosen like this",
        "{call}: {reason}.",
        "the declaration of a fault",
        "A name was misspelt, or the arguments are those of the other protocol.",
        "testkit explain TK620",
        'Redis: request("PUBLISH"), request("CLIENT KILL"), request("SET", key="k"), and where=, a function of\n'
        'the command\'s words as bytes. Postgres: request("COMMIT"), request("INSERT", table="outbox"),\n'
        'request(sql=r"UPDATE outbox SET sent"). reply(…) takes the same.',
    ),
    "TK621": Message(
        "There is no such number",
        "{call}: the first one is number 1.",
        "the declaration of a fault",
        "A number was counted from 0, or is no whole number.",
        "testkit explain TK621",
        "nth(3) strikes the third request or reply that matches, counted from the declaration; without it\n"
        "the next one is struck; every() strikes all until the fault ends.",
    ),
    "TK622": Message(
        "This cannot happen to a request or reply",
        "{call}: {reason}.",
        "the declaration of a fault",
        "An argument has another form, or what is to happen belongs to requests only, or to replies only.",
        "testkit explain TK622",
        "Requests: dropped(), delayed(seconds), answered(…), reset(). Replies: lost(), delayed(seconds),\n"
        'reset(), cut(after=bytes). Redis answers answered("READONLY You can\'t write"), Postgres\n'
        'answered(sqlstate="40001", message="…").',
    ),
    "TK629": Message(
        "The function of a fault raised",
        "{rule}\n  Its function where= raised {error}. The fault struck nothing from there on.",
        "the function that was given as where=",
        "It was called with the words of every command of that name; not all of them have as many words, or\n"
        "words of that form.",
        "testkit explain TK629",
        "It gets a list of bytes, the command's name first. The request that it was called for passed.",
    ),
}
