"""Executors: where a batch runs."""
