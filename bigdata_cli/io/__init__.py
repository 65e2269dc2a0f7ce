"""Where bytes are: files, archives, pipes, character sets, locks."""
