"""The control center of the Creative Operating System: modules register, report and are watched."""
