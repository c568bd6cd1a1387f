"""Plain Flask, which does the work in the request: for Gunicorn, two processes of four threads."""

from __future__ import annotations

import base64

from flask import Flask, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.post("/size")
def size() -> ResponseReturnValue:
    """The job."""
    return {"bytes": len(base64.b64decode(request.get_json()["image"]))}
