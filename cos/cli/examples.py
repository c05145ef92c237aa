"""Examples at the end of a command's help."""

__all__ = ["examples"]


def examples(*commands: str) -> str:
    """Return an ``epilog`` that shows these calls, each in a line of its own."""
    lines = "".join(f"\n  python -m cos {command}" for command in commands)
    # To click, a paragraph that begins so keeps its lines.
    return f"\b\nExamples:{lines}"
