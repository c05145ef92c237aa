"""A real Postgres and a real Redis for every test.

The pytest plugin loads by itself (``testkit.pytest_plugin``); factories stand in
``testkit.factories``; the command line is ``testkit``. Importing this package loads nothing else.
"""
