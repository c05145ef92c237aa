"""Processes, files and ports of this machine."""
