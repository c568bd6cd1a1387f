"""The operator's command line, and what it shows of a farm."""
