"""Faults on the way to a server: a relay in front of it, and what may happen to its bytes."""
