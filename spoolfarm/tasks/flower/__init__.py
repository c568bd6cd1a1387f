"""Federated learning by a Flower project: simulations, and classification by the models they make."""
