"""Whose a process, a directory or a database is, and what may go."""
