"""What triage reads: run records, JUnit XML, pytest's report logs."""
