"""Whether this installation works on this machine, and what it has to work with."""
