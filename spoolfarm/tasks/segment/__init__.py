"""Objects in a picture: the net and the classical way to find them, and how the net is trained."""
