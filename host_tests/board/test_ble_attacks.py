"""Attackers with a radio: what a code, a session or a place can be talked out of. One site that asks for its code."""

import asyncio

import cbor2
import pytest

from host_tests.board.ble_site import Site
from tools.virtual.ble_phone import LOST, Lost, frames
from tools.virtual.phone import READER_EPHEMERAL


@pytest.fixture(scope="module")
def site(provisioned, tmp_path_factory):
    made = Site(provisioned, tmp_path_factory.mktemp("attacks") / "flash.img", ble={"presence": "code"})
    with made.bench, made.air:
        yield made.start()


def code(site):
    return site.said().rpartition("code: ")[2].split()[0]


async def greeted(phone):
    """Connected, with a HELLO: all that is left is to present."""
    await phone.connect()
    phone.wallet.begin()
    await phone.send(phone.wallet.opening() if phone.wallet.encrypt else b"")
    phone.hello = cbor2.loads(await phone.receive())
    return phone


async def answered(phone, *messages):
    """The reason in clear that these messages get, the connection's last word."""
    try:
        for message in messages:
            await phone.send(message)
        return cbor2.loads(await phone.receive())[10]
    except Lost:
        return LOST
    finally:
        await phone.leave()


async def presented(phone):
    await phone.send(phone.wallet.present(phone.hello))
    phone.wallet.told(await phone.receive())
    await phone.leave()
    return phone.wallet.reason


def test_a_code_serves_no_second_grant_for_a_phone_that_was_greeted_before_it_served(site):
    first, second = (site.phone(site.wallet(code=code(site))) for _ in range(2))

    async def both():
        await greeted(first)
        await greeted(second)
        reason = await presented(first)
        await asyncio.sleep(0.25)
        site.plug(0)
        await asyncio.sleep(1.3)
        return reason, await presented(second)

    assert site.air.run(both()) == ("GRANTED", "PRESENCE_REQUIRED")
    site.plug(1)


def test_wrong_codes_of_strangers_without_a_genuine_ticket_cost_nobody_anything(site):
    for _ in range(6):
        wallet = site.wallet(code="000000")
        wallet.ticket = wallet.ticket[:-8] + b"AAAAAAAA"
        assert site.present(wallet) == "BAD_SIGNATURE"
    assert site.present(site.wallet(code=code(site))) == "GRANTED"
    site.end_session()


def test_what_follows_an_opening_is_a_record_or_nothing(site):
    """PRESENT in clear, a second OPENING, an OPENING after PRESENT, a record and a PRESENT of another session."""

    async def clear_after_opening():
        phone = await greeted(site.phone(site.wallet(code=code(site))))
        phone.wallet.encrypt = False
        return await sealed(phone, phone.wallet.present(phone.hello))

    async def second_opening():
        phone = await greeted(site.phone())
        return await sealed(phone, phone.wallet.opening())

    async def replayed():
        old, new = await greeted(site.phone(site.wallet(code=code(site)))), await greeted(site.phone())
        record = old.wallet.present(old.hello)
        await old.leave()
        return await sealed(new, record)

    async def sealed(phone, message):
        hello = phone.hello
        phone.wallet.encrypt = True
        phone.wallet.present(hello)  # agrees on the keys
        try:
            await phone.send(message)
            phone.wallet.told(await phone.receive())
        finally:
            await phone.leave()
        return phone.wallet.reason

    for attack in (clear_after_opening, second_opening, replayed):
        assert site.air.run(attack()) == "MALFORMED", attack.__name__

    async def replayed_in_clear():
        old, new = [await greeted(site.phone(site.wallet(encrypt=False, code=code(site)))) for _ in range(2)]
        message = old.wallet.present(old.hello)
        await old.leave()
        return await answered(new, message)

    async def opening_after_present():
        phone = await greeted(site.phone(site.wallet(encrypt=False)))
        return await answered(phone, phone.wallet.present(phone.hello), phone.wallet.opening())

    assert site.air.run(replayed_in_clear()) == "HOLDER_PROOF_FAILED"
    assert site.air.run(opening_after_present()) == "PRESENCE_REQUIRED"
    assert not site.bench.relay_on


def test_no_key_or_nonce_of_the_reader_comes_twice_whatever_became_of_the_session(site):
    async def some():
        seen = []
        for _ in range(4):
            phone = await greeted(site.phone())
            seen += [phone.hello[3], phone.hello[READER_EPHEMERAL]]
            await phone.leave()
        return seen

    seen = site.air.run(some())
    site.radio.off()
    site.bench.world.run(3)
    seen += site.air.run(some())
    assert len(set(seen)) == 16


def test_who_goes_on_talking_after_the_verdict_is_dropped_all_the_same(site):
    async def talk():
        phone = await greeted(site.phone(site.wallet(encrypt=False, validEVSEIds=["DE*ABC*E9*9"])))
        await phone.send(phone.wallet.present(phone.hello))
        phone.wallet.told(await phone.receive())
        assert phone.wallet.reason == "WRONG_PLACE"
        since = site.bench.world.now_us
        try:
            for frame in frames(bytes(5000), phone._sent, 100):
                await phone.write(frame)
                await phone._while_there(asyncio.sleep(0.3))
        except Lost:
            pass
        return (site.bench.world.now_us - since) / 1e6

    assert 1.9 < site.air.run(talk()) < 2.4


def test_refusals_are_two_a_second_however_many_phones_ask_for_them(site):
    async def refused():
        phone = site.phone(site.wallet(encrypt=False, validEVSEIds=["DE*ABC*E9*9"]))
        while True:
            try:
                await greeted(phone)
                await presented(phone)
            except Lost:
                await phone.leave()

    tasks = [site.air.start(refused()) for _ in range(4)]
    since = len(site.said())
    site.bench.world.run(10)
    for task in tasks:
        task.cancel()
    assert 10 <= site.said(since).count("WRONG_PLACE") <= 25
    site.bench.world.run(5)


def test_after_five_wrong_codes_not_even_the_right_one_is_right_for_a_minute(site):
    right = code(site)
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(5):
        assert site.present(site.wallet(code=wrong)) == "HOLDER_PROOF_FAILED"
    assert site.present(site.wallet(code=right)) == "HOLDER_PROOF_FAILED"
    assert site.present(site.wallet()) == "PRESENCE_REQUIRED"
    assert not site.bench.relay_on and code(site) == right
