"""The front by the name that WSGI servers are often told: ``gunicorn wsgi:app``; ``python wsgi.py`` runs it alone."""

import sys

if __name__ == "__main__":
    from spoolfarm.server.front import main

    sys.exit(main())
else:
    from spoolfarm.server.app import create_app

    app = create_app()
