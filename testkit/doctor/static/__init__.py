"""Reading a project without running it: which files, what a file says, what is to be left alone."""
