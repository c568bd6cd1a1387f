"""System files: what other programs leave in people's folders, which is nobody's picture."""

from __future__ import annotations

import re

#: Names of files and folders, in lower case.
WINDOWS = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler"}
WINDOWS |= {"system volume information"}
MACOS = {".ds_store", ".localized", "__macosx", ".spotlight-v100", ".trashes", ".fseventsd", ".appledouble", "icon\r"}
MACOS |= {"network trash folder", "temporary items"}
STORAGE = {"@eadir", "#recycle", "#snapshot", "@recycle", ".@__thumb", "@recently-snapshot", "lost+found"}
NAMES = frozenset(WINDOWS | MACOS | STORAGE)
#: Lock files of Microsoft's and LibreOffice's programs, macOS's forks, Synology's streams.
PATTERNS = re.compile(r"~\$.*|\.~lock\..*#|\._.*|.*@syno(eastream|resource)", re.IGNORECASE | re.DOTALL)


def is_system_file(name: str) -> bool:
    """Whether a file or folder called *name* is one of them."""
    return name.lower() in NAMES or PATTERNS.fullmatch(name) is not None
