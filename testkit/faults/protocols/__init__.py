"""What a relay must understand of a protocol, pure: bytes come in, steps come out."""
