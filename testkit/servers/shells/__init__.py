"""A shell on a running server."""
