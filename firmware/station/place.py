"""What stays of the site's configuration while the station serves: who and where this reader is, and its choices."""

from ticket.times import weekday


class NotReady(Exception):
    """Something that the station needs is missing or damaged; `blinks` tells which on the indicator."""

    def __init__(self, what, blinks, detail):
        super().__init__(what + ": " + detail)
        self.blinks = blinks


class Evse:
    def __init__(self, id, kind):
        self.id = id
        self.kind = kind


class Place:
    """Has the members that `config.Site` gives it."""

    def weekday(self, unix_ms):
        """Local day of the week at this place, Monday = 0; None when no offset is known for that time, as from the
        last entry on, whose minutes are null: who knows what the law will be then."""
        seconds, minutes = unix_ms // 1000, None
        for from_s, offset_min in self.offsets:
            if seconds >= from_s:
                minutes = offset_min
        return None if minutes is None else weekday(seconds + minutes * 60)
