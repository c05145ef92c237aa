"""Decisions and facts that two features use: no pytest, driver, file, socket or clock here."""
