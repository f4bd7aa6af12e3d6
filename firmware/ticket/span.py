"""What is asked of every byte of a ticket: viper code where there is room for it, else its plain twin."""

import sys


def _pick():
    if sys.implementation.name == "micropython":
        try:
            from ticket import span_viper

            return span_viper
        except (ImportError, MemoryError, SyntaxError, ValueError):
            # Not deployed, no memory for native code, no viper in this interpreter, or code of another processor.
            pass
    from ticket import span_plain

    return span_plain


_engine = _pick()
valid = getattr(_engine, "valid")  # noqa: B009 (viper's names of types are none of Python's)
base64url = getattr(_engine, "base64url")  # noqa: B009
