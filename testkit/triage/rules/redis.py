"""Rules about what Redis answers."""

from __future__ import annotations

from typing import Final

from testkit.triage.rule import Rule, says

__all__ = ["RULES"]

RULES: Final = (
    Rule(
        "redis-wrong-type",
        "A Redis key holds another type than the command wants",
        "Two parts of the code, or an earlier test, use one key for different things.",
        "Give each use its own prefix; let testkit undo what tests write.",
        says(r"WRONGTYPE"),
        cues=("WRONGTYPE",),
    ),
    Rule(
        "redis-auth",
        "Redis wants another password",
        "The URL in use has no password or a wrong one: it is not that of this run's Redis.",
        "Use the address that testkit gives (`{redis.url}` in `env`).",
        says(r"NOAUTH|WRONGPASS|AUTH.*called without any password|invalid username-password"),
        cues=("NOAUTH", "WRONGPASS", "AUTH", "username-password", "Authentication required"),
    ),
    Rule(
        "redis-refuses",
        "Redis refuses the command: {code}",
        "The server is loading, full, read-only, lacks the script, or does not allow the command.",
        "Its answer says which; the settings of the server decide.",
        says(
            r"\b(?P<code>READONLY|OOM command|LOADING|NOSCRIPT|MISCONF|BUSYGROUP|NOGROUP|CROSSSLOT"
            r"|MOVED|NOPERM|EXECABORT|unknown command)\b",
            "code",
        ),
        cues=(
            "READONLY",
            "OOM command",
            "LOADING",
            "NOSCRIPT",
            "MISCONF",
            "BUSYGROUP",
            "NOGROUP",
            "CROSSSLOT",
            "MOVED",
            "NOPERM",
            "EXECABORT",
            "unknown command",
        ),
    ),
)
