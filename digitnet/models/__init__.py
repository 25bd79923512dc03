"""A network in use: with what its input means, saved, loaded, and reading pictures."""
