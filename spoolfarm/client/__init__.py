"""The farm's verbs over HTTP, by the standard library alone."""

from spoolfarm.client.client import Client, ClientJob

__all__ = ["Client", "ClientJob"]
