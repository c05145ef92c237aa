"""What a run leaves behind: its record, the evidence of its failures, its history."""
