"""The classifier: a project's model classes and weights, and what they say of pictures."""
