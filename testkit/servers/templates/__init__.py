"""Database clusters and databases that are made once and copied after that."""
