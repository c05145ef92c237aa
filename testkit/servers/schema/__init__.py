"""A project's schema: what a template of it depends on, and how it is applied."""
