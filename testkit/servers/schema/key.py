"""What a template database depends on, as one key."""

from __future__ import annotations

import ast
import configparser
import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testkit.core.options import Settings

__all__ = ["base_key", "needed_extensions", "schema_files", "schema_key"]

_CREATE_EXTENSION: Final = re.compile(
    rb"""CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?[\\"']*([A-Za-z_][\w-]*)""", re.IGNORECASE
)
_FORMAT: Final = "5"  # raise it when what testkit keeps in the cache changes shape


def schema_key(settings: Settings, root: Path, *, server: str, own: str, fingerprint: str) -> str:
    """Return 16 hex digits that change when the template must be built anew.

    ``server`` names server version and cluster settings, ``own`` the text of what testkit itself
    installs, ``fingerprint`` what the project's modules say of the schema. Raises TK203 where there
    is no Alembic configuration.
    """
    asked = (settings.schema or "", settings.baseline or "", *sorted(settings.extensions))
    parts = (_FORMAT, server, own, fingerprint, *asked)
    digest = hashlib.sha256("\0".join(parts).encode())
    for path in schema_files(settings, root):
        name = path.relative_to(root) if path.is_relative_to(root) else path
        digest.update(f"\0{name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def needed_extensions(settings: Settings, root: Path) -> frozenset[str]:
    """Return the extensions of the configuration and those that the migrations create."""
    found = set(settings.extensions)
    if settings.schema is not None:
        for path in schema_files(settings, root):
            found.update(name.decode() for name in _CREATE_EXTENSION.findall(path.read_bytes()))
    return frozenset(found)


def base_key(server: str) -> str:
    """Return the name of a cluster without a schema."""
    return "base-" + hashlib.sha256(f"{_FORMAT}\0{server}".encode()).hexdigest()[:16]


def schema_files(settings: Settings, root: Path) -> list[Path]:
    """Return the files that decide the schema, sorted.

    With ``alembic``: the ini file, everything under script_location and version_locations, and the
    project's modules that the version scripts import; not what env.py imports, so that an edit of a
    model alone rebuilds nothing. Plus the files that ``schema_inputs`` match.
    """
    files: set[Path] = set()
    for pattern in settings.schema_inputs:
        files.update(path for path in root.glob(pattern) if path.is_file())
    if settings.schema == "alembic":
        ini = root / settings.alembic_ini
        files.add(ini)
        for folder in _script_folders(ini, root, settings.schema):
            scripts = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
            files.update(scripts)
            versions = (p for p in scripts if p.suffix == ".py" and p.name != "env.py")
            files.update(_imported(versions, root))
    return sorted(files)


def _script_folders(ini: Path, root: Path, schema: str) -> Iterator[Path]:
    parser = configparser.ConfigParser(defaults={"here": str(ini.parent)})
    try:
        with ini.open(encoding="utf-8") as file:
            parser.read_file(file)
        section = parser["alembic"] if parser.has_section("alembic") else parser["DEFAULT"]
        location = section["script_location"]
        more = section.get("version_locations", "")
        word = section.get("path_separator", section.get("version_path_separator", ""))
    except OSError as error:
        reason = f"the file cannot be read ({error.strerror})"
        raise TestkitError("TK203", schema=schema, reason=reason, ini=ini) from error
    except (configparser.Error, KeyError) as error:
        reason = f"the file does not say where the scripts are ({error})"
        raise TestkitError("TK203", schema=schema, reason=reason, ini=ini) from error
    others = re.split(_SEPARATORS.get(word, r"[,\s]+"), more)
    for text in (location, *(other.strip() for other in others if other.strip())):
        folder = _script_folder(text, root)
        if not folder.is_dir():
            raise TestkitError("TK203", schema=schema, reason=f"{folder} is no folder", ini=ini)
        yield folder


_SEPARATORS: Final = {
    "os": re.escape(os.pathsep),
    "space": " ",
    "newline": "\n",
    ":": ":",
    ";": ";",
}


def _script_folder(text: str, root: Path) -> Path:
    """Return the folder as Alembic finds it when it runs in ``root``; ``package:folder`` too."""
    package, colon, rest = text.partition(":")
    if colon and not Path(text).is_absolute():
        return root.joinpath(*package.split("."), rest)
    return root / text


def _imported(scripts: Iterable[Path], root: Path) -> Iterator[Path]:
    """Yield the project's files that these scripts import, and what those import in turn."""
    waiting, seen = list(scripts), set[Path]()
    while waiting:
        try:
            tree = ast.parse(waiting.pop().read_bytes())
        except SyntaxError:
            continue  # Alembic will say so, with the line
        for name in _names(tree):
            path = _module_file(name, root)
            if path is not None and path not in seen:
                seen.add(path)
                waiting.append(path)
                yield path


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_file(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None
