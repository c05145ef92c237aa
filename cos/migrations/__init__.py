"""The migrations of the control center's schema."""
