"""Tracebacks drawn as pytest draws them, without parsing files anew."""
