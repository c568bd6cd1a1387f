"""The Flask front alone: ``python server.py``, or ``server:app`` for any WSGI server."""

import sys

if __name__ == "__main__":
    from spoolfarm.server.front import main

    sys.exit(main())
else:
    from spoolfarm.server.app import create_app

    app = create_app()
