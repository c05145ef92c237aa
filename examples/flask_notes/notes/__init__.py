"""Notebooks and their notes."""

import os

from flask import Flask

from notes import views
from notes.models import db


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    db.init_app(app)
    app.register_blueprint(views.blueprint)
    return app
