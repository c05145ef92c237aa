"""Teams and their heroes."""
