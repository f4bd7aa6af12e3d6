"""Brings one reader a new firmware, a piece whenever it asks for one (firmware/UPDATE.md, OSDP.md section 4)."""

from collections.abc import Callable

from tools.readers.update import BLOCK, Update
from tools.terminal import printable

PATIENCE_S = 120  # for the answer to a piece: at 9600 baud one takes 7 s
_TRIES = 3
_EACH = 10  # blocks between two words about it


class Offer:
    """send_file: begins a file transfer, False while one is under way; say, clock: as of Reader."""

    def __init__(
        self, update: Update, send_file: Callable[[bytes], bool], say: Callable[[str], None], clock: Callable[[], float]
    ):
        self._update, self._send_file, self._say, self._clock = update, send_file, say, clock
        self._piece: bytes | None = None  # waits for its transfer
        self._sent_at: float | None = None  # since when its answer is due
        self._asked, self._times = "", 0
        self._over = False  # taken or refused

    @property
    def busy(self) -> bool:
        """Whether a piece is under way: no other document can go then."""
        return self._piece is not None or self._sent_at is not None

    def begin(self) -> None:
        """Offers it, from the manifest on, unless this reader has taken or refused it."""
        if not self._over and not self.busy:
            self._piece = self._update.manifest
            self._say(f"offers firmware version {self._update.content['version']}")

    def lost(self) -> None:
        """The channel is over; the next one begins with the manifest."""
        self._piece = self._sent_at = None

    def tick(self) -> None:
        if self._piece is not None and self._send_file(self._piece):
            self._piece, self._sent_at = None, self._clock()
        elif self._sent_at is not None and self._clock() - self._sent_at > PATIENCE_S:
            self._sent_at, self._piece = None, self._update.manifest

    def heard(self, outcome: str) -> bool:
        """Takes what became of a document; whether it was a piece of this one."""
        if self._sent_at is None:
            return False
        self._sent_at = None
        word, _, number = outcome.partition(" ")
        self._times = self._times + 1 if outcome == self._asked else 1
        self._asked = outcome
        if word == "NEEDS" and number.isdecimal() and int(number) * BLOCK < len(self._update.image):
            if self._times <= _TRIES:
                self._piece = self._update.block(int(number))
                if int(number) % _EACH == 0:
                    self._say(f"firmware: {int(number) + 1} blocks to go")
                return True
            word = f"block {number} does not stay in its flash"
        self._over = True
        self._say(f"firmware version {self._update.content['version']}: {printable(word)}")
        return True
