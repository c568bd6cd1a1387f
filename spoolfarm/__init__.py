"""A filesystem-spool worker farm: a request becomes a file, a worker takes it by renaming it, the answer is a file."""
