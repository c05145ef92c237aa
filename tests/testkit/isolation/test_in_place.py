"""The pieces of the one statement that puts rows back where foreign keys are checked."""

from __future__ import annotations

from testkit.isolation.in_place import pieces_of
from tests.support.tables import facts


def test_rows_that_nobody_refers_to_are_taken_out_and_put_in() -> None:
    pieces = pieces_of(facts())

    assert "DELETE FROM" in pieces.takes_out
    assert "INSERT INTO" in pieces.puts_in
    assert "UPDATE" not in pieces.does_both


def test_rows_that_others_refer_to_are_changed_back_and_never_away() -> None:
    pieces = pieces_of(facts(referenced=True))

    assert 'UPDATE "public"."people" AS t SET "id" = (r.x)."id", "name" = (r.x)."name"' in (
        pieces.does_both
    )


def test_an_identity_that_takes_no_update_is_left_as_it_is() -> None:
    pieces = pieces_of(facts(referenced=True, fixed=["id"]))

    assert 'SET "name" = (r.x)."name"' in pieces.does_both


def test_a_value_that_only_an_insert_can_give_does_not_take_the_row_away() -> None:
    pieces = pieces_of(facts(referenced=True, fixed=["name"]))

    assert 'SET "id" = (r.x)."id" FROM' in pieces.does_both


def test_a_table_without_columns_has_rows_all_the_same() -> None:
    pieces = pieces_of(facts(key=[], equals=[], stored=[], root_columns=None))

    assert 'INSERT INTO "public"."people" SELECT ' in pieces.puts_in
