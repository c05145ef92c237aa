"""The rows that foreign keys lead to: made, found, shared, or left to whoever gave the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from factory.declarations import SKIP, BaseDeclaration, Maybe, SelfAttribute, SubFactory

from testkit.core.messages import TestkitError
from testkit.factories.derived import Derived
from testkit.factories.registry import default_of, factory_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.factories.shape import ParentLink

__all__ = ["Parent", "ParentKey", "ParentOrKey"]


class Rival(NamedTuple):
    """Another parent whose key shares a column with this one; ``earlier`` is made before it."""

    link: ParentLink
    earlier: bool


class Parent(BaseDeclaration):
    """The row that a foreign key leads to, made by the factory of its model.

    Skipped where the call gave the key itself; the default parent stands in where there is one. It
    agrees with its rivals on what they share, be they made before, given or defaults.
    """

    UNROLL_CONTEXT_BEFORE_EVALUATION = False

    def __init__(self, link: ParentLink, root: Any, rivals: Sequence[Rival] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # factory-boy's
        self.link, self._root, self._rivals = link, root, rivals
        self._keys = tuple(local for local, _ in link.pairs)

    def evaluate(self, instance: Any, step: Any, extra: dict[str, Any]) -> Any:
        """Make it, or say what stands in for it."""
        link = self.link
        drop_idle_traits(instance, extra)
        if not extra:
            given = step.builder.extras
            if given and any(key in given for key in self._keys):
                return SKIP
            found = default_of(link.target)
            if found is not None:
                return found
            held = _ancestor(step, link.target)
            if held is not None:
                return _key_of_ancestor(link, held, step)
        factory = self.factory_beside(step.builder.factory_meta.factory)
        for rival in self._rivals:
            row = _row_of(rival, instance, step)
            theirs = dict(rival.link.pairs)
            shared = {
                remote: _value((row, theirs[local]), rival, local, instance, step)
                for local, remote in link.pairs
                if local in theirs
            }
            decided = row is not None or None not in shared.values()
            complete = decided and len(shared) == len(link.pairs)
            if complete and _leads_to(rival.link.target, link, factory):
                return _among_parents_of(row, link, shared)
            for remote, value in shared.items():
                if by_row := _link_to(factory, row, remote):
                    extra.setdefault(by_row, row)
                elif value is not None:
                    extra.setdefault(remote, value)
        return step.recurse(factory, extra)

    def factory_beside(self, child: Any) -> Any:
        """Return what makes the parent; a later declaration may bring another factory."""
        return factory_for(self.link.target, self._root, child)


def _row_of(rival: Rival, instance: Any, step: Any) -> Any:
    name = rival.link.name
    if name is None:
        return None
    given = step.builder.extras.get(name)
    if given is not None and not isinstance(given, BaseDeclaration):
        return given
    found = default_of(rival.link.target)
    if found is None and rival.earlier:
        found = getattr(instance, name, None)
    return None if found is SKIP else found


def _value(place: tuple[Any, str], rival: Rival, local: str, instance: Any, step: Any) -> Any:
    """Return what the rival's row says of a column that it shares, None while nobody knows."""
    row, remote = place
    if row is None:
        found = getattr(instance, local, None) if rival.earlier and not rival.link.name else None
        return None if found is SKIP else found
    value = getattr(row, remote, None)
    if value is None and step.builder.strategy == "create":
        step.builder.factory_meta.write_first(row)
        value = getattr(row, remote, None)
    return value


def _leads_to(target: type, link: ParentLink, factory: Any) -> bool:
    """Return whether rows of that model have a row of the link's as their own parent."""
    shape = factory_for(target, factory.root_class(), factory)._meta.shape  # noqa: SLF001 - factory-boy's
    return any(issubclass(link.target, each.target) for each in shape.parents)


def _among_parents_of(row: Any, link: ParentLink, key: dict[str, Any]) -> Any:
    for each in vars(row).values() if row is not None else ():
        if isinstance(each, link.target) and all(getattr(each, k) == v for k, v in key.items()):
            return each
    return SKIP  # the rival's key brings it along


def _link_to(factory: Any, row: Any, local: str) -> str | None:
    """Return the relationship by which the parent itself refers to that row, if it has one."""
    for link in factory._meta.shape.parents if row is not None else ():  # noqa: SLF001 - factory-boy's
        alone = [mine for mine, _ in link.pairs] == [local]
        if link.name is not None and alone and isinstance(row, link.target):
            return str(link.name)
    return None


def drop_idle_traits(instance: Any, extra: dict[str, Any]) -> None:
    """Forget what traits would give a nested factory that are not asked for.

    factory-boy hands it a declaration that says to skip the field, also where that has a value of
    its own.
    """
    for name, each in list(extra.items()):
        if (
            isinstance(each, Maybe)
            and each.no is SKIP
            and isinstance(each.decider, SelfAttribute)
            and not getattr(instance, each.decider.attribute_name, each.decider.default)
        ):
            del extra[name]


def _ancestor(step: Any, target: type) -> Any:
    above = step
    while above is not None:
        model = above.builder.factory_meta.model
        made = getattr(above, "is_made", False)  # then this is a hook of its, not a part of it
        if not made and isinstance(model, type) and issubclass(model, target):
            return above
        above = above.parent_step
    return None


def _key_of_ancestor(link: ParentLink, held: Any, step: Any) -> Any:
    """Let the row refer to the one that is being made for its sake, by a key drawn in advance."""
    keys = {local: getattr(held.stub, remote, None) for local, remote in link.pairs}
    if any(value is None or value is SKIP for value in keys.values()):
        raise TestkitError(
            "TK407",
            factory=step.builder.factory_meta.factory.__name__,
            parent=link.target.__name__,
            key=", ".join(remote for _, remote in link.pairs),
        )
    step.drawn_keys = keys
    return SKIP


class ParentKey(Derived):
    """The key of a parent that no relationship leads to; the columns of one key share the row."""

    def __init__(self, parent: Parent, local: str) -> None:
        super().__init__()
        self.parent = parent
        self._local = local
        self._remote = dict(parent.link.pairs)[local]

    def value(self, instance: Any, step: Any) -> Any:
        """Return the parent's key, and make the parent for the first column that asks."""
        made = step.__dict__.setdefault("key_parents", {})
        if self.parent not in made:
            made[self.parent] = self.parent.evaluate(instance, step, {})
        found = made[self.parent]
        if found is SKIP:
            return getattr(step, "drawn_keys", {}).get(self._local, SKIP)
        value = getattr(found, self._remote, None)
        if step.builder.strategy == "create":
            # No relationship tells the session which row must come first.
            step.builder.factory_meta.write_first(found)
            value = getattr(found, self._remote, None)
        return value


class ParentOrKey(SubFactory):
    """A SubFactory that somebody declared, skipped where the call gave the key itself."""

    def __init__(self, declared: SubFactory, keys: Sequence[str]) -> None:
        super().__init__("not.used")  # type: ignore[no-untyped-call]  # factory-boy's
        self.__dict__.update(vars(declared))
        self._keys = keys

    def evaluate(self, instance: Any, step: Any, extra: Any) -> Any:
        """Make the parent, or skip it."""
        drop_idle_traits(instance, extra)
        given = step.builder.extras
        if given and any(key in given for key in self._keys):
            return SKIP
        return super().evaluate(instance, step, extra)  # type: ignore[no-untyped-call]  # factory-boy's
