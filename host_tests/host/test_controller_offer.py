"""How the controller brings a reader a new firmware: what it sends next, and when it stops."""

import pytest

from tools.controller.offer import PATIENCE_S, Offer
from tools.readers.update import signed_update
from tools.site.keys import new_key


class Desk:
    """A reader that takes files, one at a time, unless it is `deaf`."""

    def __init__(self):
        self.now, self.deaf = 0.0, False
        self.sent: list[bytes] = []
        self.said: list[str] = []
        self.update = signed_update(bytes(range(256)) * 48, 2, 2822, {**new_key(), "kid": "root"})
        self.offer = Offer(self.update, self.take, self.said.append, lambda: self.now)

    def take(self, document):
        if not self.deaf:
            self.sent.append(document)
        return not self.deaf

    def answers(self, *outcomes):
        for outcome in outcomes:
            self.offer.tick()
            assert self.offer.busy and self.offer.heard(outcome)
        self.offer.tick()


@pytest.fixture
def desk():
    made = Desk()
    made.offer.begin()
    return made


def test_a_reader_gets_what_it_asks_for_until_it_is_installed(desk):
    desk.answers("NEEDS 2", "NEEDS 1", "NEEDS 0", "INSTALLED")
    assert desk.sent == [desk.update.manifest, *(desk.update.block(number) for number in (2, 1, 0))]
    assert desk.said == ["offers firmware version 2", "firmware: 1 blocks to go", "firmware version 2: INSTALLED"]
    desk.offer.begin()
    desk.offer.tick()
    assert len(desk.sent) == 4 and not desk.offer.busy and not desk.offer.heard("ACCEPTED")


@pytest.mark.parametrize(
    "outcome", ["SAME", "OLD_VERSION", "TOO_LARGE", "NEEDS 3", "NEEDS -1", "NEEDS", "", "NEEDS \x1b"]
)
def test_any_other_word_is_its_last(desk, outcome):
    desk.answers(outcome)
    desk.offer.begin()
    desk.offer.tick()
    assert desk.sent == [desk.update.manifest] and "\x1b" not in "".join(desk.said)


def test_a_block_that_does_not_stay_is_not_sent_for_ever(desk):
    desk.answers("NEEDS 2", "NEEDS 2", "NEEDS 2", "NEEDS 2")
    assert len(desk.sent) == 4 and desk.said[-1] == "firmware version 2: block 2 does not stay in its flash"


def test_a_lost_channel_or_answer_begins_with_the_manifest_again(desk):
    desk.answers("NEEDS 2")
    desk.offer.lost()
    desk.offer.begin()
    desk.deaf = True
    desk.offer.tick()
    assert desk.offer.busy
    desk.deaf = False
    desk.offer.tick()
    desk.now += PATIENCE_S + 1
    desk.offer.tick()
    desk.answers("NEEDS 2")
    assert desk.sent.count(desk.update.manifest) == 3 and desk.sent[-1] == desk.update.block(2)
