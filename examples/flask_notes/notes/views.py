"""The HTTP interface. Every view commits for itself."""

from typing import Any

from flask import Blueprint, abort, request
from sqlalchemy.exc import IntegrityError

from notes.models import Note, Notebook, db

blueprint = Blueprint("notes", __name__)


@blueprint.post("/notebooks")
def create_notebook() -> tuple[dict[str, Any], int]:
    notebook = Notebook(name=request.get_json()["name"])
    db.session.add(notebook)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        abort(409)
    return {"id": notebook.id, "name": notebook.name}, 201


@blueprint.get("/notebooks")
def list_notebooks() -> list[str]:
    return list(db.session.scalars(db.select(Notebook.name).order_by(Notebook.name)))


@blueprint.delete("/notebooks/<int:notebook_id>")
def delete_notebook(notebook_id: int) -> tuple[str, int]:
    db.session.delete(db.get_or_404(Notebook, notebook_id))
    db.session.commit()
    return "", 204


@blueprint.post("/notebooks/<int:notebook_id>/notes")
def write_note(notebook_id: int) -> tuple[dict[str, Any], int]:
    notebook = db.get_or_404(Notebook, notebook_id)
    note = Note(text=request.get_json()["text"], notebook=notebook)
    db.session.add(note)
    db.session.commit()
    return {"id": note.id, "text": note.text}, 201


@blueprint.get("/notebooks/<int:notebook_id>/notes")
def list_notes(notebook_id: int) -> list[str]:
    return [note.text for note in db.get_or_404(Notebook, notebook_id).notes]
