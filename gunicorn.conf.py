"""Gunicorn's settings: `gunicorn server:app`, started here, runs the front as launcher.py does, on FARM_BIND.

Flags win over this file: `gunicorn server:app --access-logfile - --daemon`.
"""

from spoolfarm.config import load
from spoolfarm.server import upstream
from spoolfarm.server.front import options

upstream.check()
globals().update(options(load()))
