"""What is on this machine, what was left, and its removal."""
