"""Measurements of spoolfarm beside other systems; README.md says how to run and read them."""
