"""Experiments that show what is the cause."""
