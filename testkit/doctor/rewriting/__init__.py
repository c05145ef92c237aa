"""Rewriting what rules found: edits of a text, and files that stay as they were where one fails."""
