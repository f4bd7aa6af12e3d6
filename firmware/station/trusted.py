"""The trust bundle that this reader goes by, kept in a slot, and the taking of a new one."""

import os

from crypto import ed25519
from store.files import Fault, Full
from ticket.verdict import BAD_SIGNATURE, Refused

SLOT = "trust"
_HORIZON_MS = 400 * 86_400_000  # how long after its making a bundle vouches for times, if it does not end before
SAME = "SAME"  # it is the one that is stored


class NoTrust(Exception):
    """There is no bundle that this reader may believe; the text says why."""


class Trust:
    """slots: store.slots.Slots; roots: {kid: public key}; now: () -> (unix_ms, clock state); ignore_end: the site has
    opted out of the bundle's own end.

    Raises NoTrust when no believable bundle is stored; `take` may bring one first.
    """

    def __init__(self, slots, roots, now, ignore_end=False):
        self.slots = slots
        self._roots = roots
        self._now = now
        self._ignore_end = ignore_end
        self._bundle = None
        self._storing = False
        self.problem = "no trust bundle: provision this board"
        self._load()

    def _load(self):
        from trust import bundle

        try:
            stored = self.slots.read(SLOT)
            if stored is not None:
                self._bundle = bundle.read(stored, self._roots)
        except Fault as fault:
            self.problem = str(fault)
        except Refused as refusal:
            self.problem = "stored bundle: " + refusal.reason + " " + refusal.detail

    def _time_ms(self):
        now_ms, state = self._now()
        return None if state == "UNKNOWN" else now_ms

    def take_steps(self, offered):
        """Generator: judges an offered bundle and, if it may replace the present one, stores it: old or new, never
        neither.

        Yields None between pieces of work, then "ACCEPTED" or why not (SAME, trust.bundle's words, or a reason code).
        Whoever brought it needs no trust.
        """
        from trust import bundle, signed

        try:
            if self._bundle is not None and self.slots.read(SLOT) == offered:
                yield SAME
                return
            envelope = signed.envelope(offered, signed.BUNDLE, self._roots)
            good = None
            for good in ed25519.verify_steps(self._roots[envelope.kid], envelope.signed, envelope.signature):
                yield None
            if good is not True:
                raise Refused(BAD_SIGNATURE, envelope.kid)
            candidate = yield from bundle.parse_steps(envelope)
            while self._storing:  # another one, which this one must then be newer than
                yield None
            answer = bundle.judge(self._bundle, candidate, self._roots, self._time_ms(), self._ignore_end)
            if answer == bundle.ACCEPTED:
                self._storing = True
                try:
                    for _ in self.slots.write_steps(SLOT, offered):
                        yield None
                    self._bundle = candidate
                finally:
                    self._storing = False
            yield answer
        except Refused as refusal:
            yield refusal.reason
        except (Full, Fault):
            yield "STORE_FAULT"

    def take(self, offered):
        """`take_steps` at one go."""
        word = ""
        for word in self.take_steps(offered):
            pass
        return word or ""

    def require(self):
        """Raises NoTrust unless there is a bundle to go by."""
        if self._bundle is None:
            raise NoTrust(self.problem)

    @property
    def issuers(self):
        """The Issuers of the present bundle."""
        return list(self._bundle.issuers.values()) if self._bundle else []

    @property
    def version(self):
        return self._bundle.version if self._bundle else 0

    @property
    def live_roots(self):
        """{kid: public key} of the roots that the bundle does not retire."""
        retired = self._bundle.retired_roots if self._bundle else ()
        return {kid: key for kid, key in self._roots.items() if kid not in retired}

    @property
    def horizon_s(self):
        """Unix time up to which this bundle vouches that a clock may be: its end, or 400 days after it was made."""
        if self._bundle is None:
            return 0
        end_ms = self._bundle.created_ms + _HORIZON_MS
        if self._bundle.not_after_ms is not None and not self._ignore_end:
            end_ms = min(end_ms, self._bundle.not_after_ms)
        return end_ms // 1000

    def find(self, kid):
        """The Issuer of that key id, valid now and in a bundle that has not ended. Raises Refused(UNKNOWN_ISSUER)."""
        self.require()
        return self._bundle.issuer(kid, self._time_ms(), self._ignore_end)

    def revoked(self, kid, claims):
        return self._bundle.revokes(kid, claims)


def take_file(trust, path):
    """Takes the bundle that provisioning left at `path` and removes the file; what became of it, None without one."""
    try:
        if os.stat(path)[6] > 65536:
            return "TOO_LARGE"
        with open(path, "rb") as file:
            offered = file.read()
    except OSError:
        return None
    answer = trust.take(offered)
    if answer != "STORE_FAULT":
        os.remove(path)
    return answer
