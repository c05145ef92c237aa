"""Undoing what a test did: rows and sequences by the journal, keys by flush and restore."""
