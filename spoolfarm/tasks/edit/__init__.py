"""Edits: what the edit tasks do to pictures, and where they may read and write."""
