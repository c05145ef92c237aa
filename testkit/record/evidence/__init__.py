"""What is caught when a test fails: facts, never the user's code."""
