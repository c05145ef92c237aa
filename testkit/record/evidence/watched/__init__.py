"""What is noted while tests run, bounded, and read only where one fails."""
