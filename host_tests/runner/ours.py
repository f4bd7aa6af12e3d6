"""Makes the firmware's folders the packages of their names, where others of that name are installed (nfcpy's `nfc`).

On the device the folders are packages without `__init__.py`, and there is nothing else. CPython prefers any installed
package that has one, wherever it stands on the path.
"""

import os
import sys
import types


def claim(firmware: str) -> None:
    """Registers every folder of `firmware` as the top-level package of its name."""
    for entry in os.scandir(firmware):
        if entry.is_dir() and entry.name.isidentifier() and not entry.name.startswith("__"):
            package = types.ModuleType(entry.name)
            package.__path__ = [entry.path]
            sys.modules[entry.name] = package
