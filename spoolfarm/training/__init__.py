"""How the net in the package came to be: drawn scenes, samples, training and evaluation."""
