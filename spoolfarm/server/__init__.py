"""The HTTP front: application, guard, endpoints, views, OpenAPI, Socket.IO, uploads and static pages."""

from spoolfarm.server.app import create_app

__all__ = ["create_app"]
