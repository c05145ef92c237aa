"""The kinds of evidence, one module each; the table of them stands in ``catch``."""
