"""Databases of failed tests, kept as dumps below the project's root, and restored from there."""
