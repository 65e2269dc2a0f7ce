"""The command line: a group whose commands are imported only when they are called."""
