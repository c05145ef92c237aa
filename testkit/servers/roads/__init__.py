"""The ways to a server: which one is taken, and how what it leads to is started."""
