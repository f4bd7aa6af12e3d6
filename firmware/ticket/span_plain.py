"""What is asked of every byte of a ticket: the twin of span_viper.py for interpreters without viper."""

_ALPHABET = b"0123456789EABCDFGHIJKLMNOPQRSTUVWXYZ"


def printable(data, size):
    """Whether all of `size` bytes are printable ASCII, 0x20 to 0x7E: UTF-8 without control characters, that is."""
    return not size or (min(data) >= 0x20 and max(data) < 0x7F)


def alphanumeric(data, size):
    """Whether all of `size` bytes are digits or capital letters of ASCII."""
    # `strip` leaves nothing exactly if every character is one of those given.
    return not data.strip(_ALPHABET)
