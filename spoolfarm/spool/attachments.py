"""Attachments: the files of a result, in a directory of its own beside it.

    results/<id>/<name>    one file of the result of job <id>; the record names them all in "files"

The directory is made in `results/tmp/` and renamed to its place before the record appears. So a reader that sees the
record sees its files, complete. A directory without a record was left by a crash, and the next attempt replaces it.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

from spoolfarm.spool import files


class Attachments:
    """The directories beside the results."""

    def __init__(self, root: str, tmp: str) -> None:
        self._root = root
        self._tmp = tmp

    def place(self, job_id: str, attached: Mapping[str, bytes | Path], *, sync: bool) -> None:
        """Put the files of *job_id* beside where its record will be; a Path is linked, so it lies in `scratch`."""
        made = self.scratch(job_id)
        try:
            for name, content in attached.items():
                place = f"{made}/{name}"
                if isinstance(content, Path):
                    os.link(content, place)
                    if sync:
                        files.sync(place)
                else:
                    files.write_new(place, [content], sync=sync)
            if sync:
                files.sync_directory(str(made))
            self.remove(job_id)
            os.rename(made, self._path(job_id))
        except BaseException:
            files.remove_tree(str(made))
            raise

    def scratch(self, job_id: str) -> Path:
        """Make a directory on the same file system, in which files can be prepared."""
        made = Path(f"{self._tmp}/{job_id}.{random.getrandbits(32):08x}")
        made.mkdir(files.DIRECTORY_MODE)
        return made

    def path(self, job_id: str, name: str) -> Path:
        """Where the file called *name* lies."""
        return Path(self._path(job_id), name)

    def remove(self, job_id: str) -> None:
        """Forget the files of *job_id*, if there are any."""
        files.remove_tree(self._path(job_id))

    def _path(self, job_id: str) -> str:
        return f"{self._root}/{job_id}"
