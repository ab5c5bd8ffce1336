"""Guards taken away, one by one, from a copy of the code: each time the named test must turn red."""
