"""A reader's journal, pulled piece by piece, checked and put into the site directory (OSDP.md section 5)."""

import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from store.journal import KEPT, REFUSED
from tools.controller.messages import Id, Piece
from tools.controller.store import Store
from tools.portable import chain
from tools.site.keys import write_private

SILENT_S = 30  # an export of which no piece comes for so long is given up
_LARGEST = 16 << 20  # bytes of an export
_MOST_BAD = 10  # exports that fail the check: one comes every minute for as long as a reader or its key is wrong


class Pull:
    """Fetches what is new in a reader's journal. What fails the check is kept as `….journal.bad`, up to ten times, and
    nothing of it is released; the next pull then begins at the first record.

    tell: as in `Sessions`; it returns the number that it gave the message. release: tell the reader that it may use
    the room of kept records again, once they are checked and on disk.
    """

    def __init__(
        self, folder: Path, reader: str, key: bytes, store: Store, tell: Callable[..., int],
        clock: Callable[[], float], say: Callable[[str], None], release: bool = False,
    ):  # fmt: skip
        self._folder, self._reader, self._key, self._store = folder, reader, key, store
        self._tell, self._clock, self._say, self.release = tell, clock, say, release
        self._name = f"journal {reader}"
        self._nonce = b""
        self._after: dict[int, tuple[int, bytes]] = {}
        self._export = b""
        self._number: int | None = None
        self._heard_at = 0.0

    @property
    def busy(self) -> bool:
        return self._number is not None and self._clock() - self._heard_at < SILENT_S

    def collected(self) -> dict[int, tuple[int, bytes]]:
        """(sequence, code) of the last record of each stream that is in the site directory."""
        note: dict[str, Any] = self._store.note(self._name) or {}
        return {int(stream): (last, bytes.fromhex(code)) for stream, (last, code) in note.items()}

    def is_new(self, status: dict[str, Any]) -> bool:
        """Whether a reader of that STATUS has records that are not here."""
        here = self.collected()
        last = {KEPT: status["last_kept"], REFUSED: status["last_refusal"]}
        return any(number != here.get(stream, (0, b""))[0] for stream, number in last.items())

    def begin(self, status: dict[str, Any]) -> None:
        self._after = self.collected()
        last = {KEPT: status["last_kept"], REFUSED: status["last_refusal"]}
        if any(number > last[stream] for stream, (number, _) in self._after.items()):
            self._after = {}  # another journal than the one that was read before: a reader that was set up anew
        first = {stream: self._after.get(stream, (0, b""))[0] + 1 for stream in (KEPT, REFUSED)}
        self._nonce, self._export, self._heard_at = secrets.token_bytes(16), b"", self._clock()
        self._number = self._tell(
            Id.JOURNAL_READ, None, first_kept=first[KEPT], first_refusal=first[REFUSED], nonce=self._nonce
        )

    def give_up(self) -> None:
        self._number = None

    def feed(self, piece: Piece) -> None:
        """One piece; the empty one brings it to an end."""
        if piece.number != self._number:
            return
        self._heard_at = self._clock()
        if piece.offset != len(self._export) or len(self._export) > _LARGEST:
            self._say(f"{self._reader}: the journal came in disorder; it is asked for again")
            self.give_up()
        elif piece.data:
            self._export += piece.data
        else:
            self.give_up()
            self._take(self._export)

    def _take(self, export: bytes) -> None:
        records, problems = chain.verify(export, self._key, self._nonce, self._after)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = self._folder / f"{self._reader}-{stamp}.journal"
        if problems:
            bad = len(list(self._folder.glob(f"{self._reader}-*.journal.bad")))
            kept = bad < _MOST_BAD and self._write(path.with_suffix(".journal.bad"), export)
            where = "kept beside the others" if kept else f"not kept, since {bad} such files are here"
            self._say(f"{self._reader}: the journal is not what the reader wrote: {problems[0]}; {where}")
            self._store.take_note(self._name, {})
            return
        if not records:
            return
        if not self._write(path, export):
            return
        last = dict(self._after)
        for stream, sequence, _, _, _, code, _ in records:
            last[stream] = (sequence, bytes(code))
        self._store.take_note(
            self._name, {str(stream): (number, code.hex()) for stream, (number, code) in last.items()}
        )
        self._say(f"{self._reader}: {len(records)} records of the journal in {path}")
        if self.release and KEPT in last:
            self._tell(Id.COLLECTED, None, last_kept=last[KEPT][0])

    def _write(self, path: Path, content: bytes) -> bool:
        """Whether it is on disk, its name too."""
        try:
            write_private(path, content)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            self._say(f"{self._reader}: cannot write {path}: {error.strerror or error}")
            return False
        return True
