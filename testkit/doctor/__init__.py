"""Rules that look for defects of a test suite; a group of rules is a package of its own."""
