"""The page about all rules: ``python -m testkit.doctor.page > docs/doctor.md`` writes it anew."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

from testkit.doctor.groups import ALL_RULES, GROUPS
from testkit.doctor.rules import MODULES, REWRITTEN

if TYPE_CHECKING:
    from types import ModuleType

    from testkit.doctor.finding import Rule

__all__ = ["examples_of", "page"]

_HEAD: Final = """# What the doctor looks for

Made from the rules by `python -m testkit.doctor.page`; the examples are the tests of the rules.
How the command behaves stands in [commands](commands.md#testkit-doctor), how often a rule is right
in [precision](doctor-precision.md). Rules marked ✎ rewrite what they find.
"""
_MODULES: Final[dict[str, ModuleType]] = {
    module.RULE.code: module for modules in MODULES.values() for module in modules
}


def page() -> str:
    """Return the page in Markdown: a table, then a section for each rule."""
    table = [
        f"| [{rule.code}](#{rule.code.lower()}) | {group} | {rule.severity} |"
        f" {rule.title}{_mark(rule)} |"
        for group, rules in GROUPS.items()
        for rule in rules
    ]
    parts = [_HEAD, "\n".join(["| code | group | severity | finds |", "|---|---|---|---|", *table])]
    parts += [_section(rule) for rule in ALL_RULES.values()]
    return "\n".join(parts) + "\n"


def _section(rule: Rule) -> str:
    lines = [
        f"\n## {rule.code}",
        "",
        f"**{rule.title}** ({rule.severity}){_mark(rule)}",
        "",
        rule.why,
    ]
    lines += ["", f"**What to do.** {rule.fix}"]
    for heading, text in examples_of(rule.code):
        lines += ["", f"{heading}:", "", "```python", text, "```"]
    return "\n".join(lines)


def _mark(rule: Rule) -> str:
    return " ✎" if rule.code in REWRITTEN else ""


def examples_of(code: str) -> list[tuple[str, str]]:
    """Return a heading and a text for each example of a rule; none for rules that have none."""
    module = _MODULES.get(code)
    if module is None:
        return []
    found = [("Found at the lines marked `# here`", _shown(module.BAD[0]))]
    if code in REWRITTEN:
        found.append(("After `--fix`", _unmarked(_shown(module.FIXED[0]))))
    return [*found, ("Left alone", _shown(module.GOOD[0]))]


def _shown(text: str) -> str:
    return textwrap.dedent(text).strip("\n")


def _unmarked(text: str) -> str:
    return re.sub(r" +# here$", "", text, flags=re.MULTILINE)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - what it is for
