"""The ocr task."""
from spoolfarm.tasks import Task


class Ocr(Task):
    """Reads text."""
