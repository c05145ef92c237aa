"""The parts of the relay: what is pending, how it is published, and the breaker around Redis."""
