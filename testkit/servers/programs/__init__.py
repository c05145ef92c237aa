"""Server programs: found, started under a keeper, stopped."""
