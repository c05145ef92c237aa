"""Faults that a test asks for: of the network, of the protocol, of whole servers."""
