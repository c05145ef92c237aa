"""What triage reads: run records, JUnit XML, report logs; told apart by what is in the file."""
