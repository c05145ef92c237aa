"""Files that declare factories are found without an import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.doctor.factories.files import find_files

if TYPE_CHECKING:
    from pathlib import Path

FACTORY = "class ShopFactory(Factory[Shop]):\n    pass\n"


def write(root: Path, name: str, text: str = FACTORY) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(root: Path, *paths: Path) -> list[str]:
    return [str(each.path.relative_to(root)) for each in find_files(paths, root)]


@pytest.mark.parametrize(
    "name",
    [
        "factories.py",
        "app/shop_factories.py",
        "tests/conftest.py",
        "app/test_shop.py",
        "app/shop_test.py",
        "tests/data.py",
        "app/factories/shop.py",
    ],
)
def test_a_project_keeps_its_factories_in_such_files(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)

    assert names(tmp_path) == [name]


@pytest.mark.parametrize(
    "name",
    ["app/models.py", ".venv/tests/factories.py", "env/tests/factories.py", "tests/factories.txt"],
)
def test_others_are_looked_into_only_when_they_are_named(name: str, tmp_path: Path) -> None:
    write(tmp_path, "env/pyvenv.cfg", "")
    path = write(tmp_path, name)

    assert names(tmp_path) == []
    assert names(tmp_path, path) == [name]


def test_a_folder_is_looked_into_whole(tmp_path: Path) -> None:
    write(tmp_path, "app/models.py")
    write(tmp_path, "app/deep/more.py")
    write(tmp_path, "tests/factories.py")

    assert names(tmp_path, tmp_path / "app") == ["app/models.py", "app/deep/more.py"]


@pytest.mark.parametrize(
    ("text", "declares"),
    [
        ("class A(SQLAlchemyModelFactory): pass", True),
        ("class A(factory.alchemy.SQLAlchemyModelFactory): pass", True),
        ("class A(Base['Factory']): pass", False),
        ("FACTORIES = Factory", False),
        ("def make():\n    class A(Factory[B]): pass", False),
        ("class Factory(", True),  # its import will say what is wrong
        ("class A(SQLAlchemyModelFactory):\n    '\\d'", True),
    ],
)
def test_a_class_with_a_factory_among_its_bases_counts(
    text: str, *, declares: bool, tmp_path: Path
) -> None:
    write(tmp_path, "factories.py", text)

    assert names(tmp_path) == (["factories.py"] if declares else [])


def test_each_class_has_its_place(tmp_path: Path) -> None:
    write(tmp_path, "factories.py", "\nclass Outer:\n    class Inner(Factory[A]):\n        pass\n")
    [file] = find_files([], tmp_path)

    assert file.classes == {"Outer": (2, 1), "Outer.Inner": (3, 5)}


def test_a_link_that_leads_nowhere_is_left_to_the_import(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").symlink_to("nowhere.py")

    assert names(tmp_path) == ["conftest.py"]


def test_data_of_tests_that_is_no_python_is_nobodys_import(tmp_path: Path) -> None:
    broken = write(tmp_path, "tests/data/broken.py", "class AFactory(BFactory:")
    write(tmp_path, "tests/test_broken.py", "class AFactory(BFactory:")

    assert names(tmp_path) == ["tests/test_broken.py"]
    assert names(tmp_path, broken) == ["tests/data/broken.py"]
