"""Simulations: a start script in a session of its own, its output line by line, and the end of all its processes."""
