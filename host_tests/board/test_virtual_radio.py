"""The virtual board's `bluetooth` against what NimBLE does under MicroPython; bumble is at its other end."""

import asyncio

import pytest
from bumble.core import UUID
from bumble.device import Peer

from host_tests.board.desk import board_with, said
from tools.virtual.radio import Air, Radio

SERVICE = "b02b0001-8bd3-431f-9ede-7dc389a5640a"
PROGRAM = """
import bluetooth, time
from micropython import const
log = []
ble = bluetooth.BLE()
def raises(call):
    try:
        call()
    except OSError as error:
        return error.errno
print(bluetooth.BLE() is ble, ble.active(), raises(lambda: ble.gap_advertise(100000)))
def irq(event, data):
    told = [bytes(part) if isinstance(part, memoryview) else part for part in data]
    if event == 3:
        told.append(len(ble.gatts_read(data[1])))
    print(event, *told[1:])
    if event == 3 and told[-1] == 4:
        print([raises(lambda: ble.gatts_notify(data[0], outbox, b"n" * 100)) for _ in range(8)])
    if event == 3 and told[-1] == 5:
        print(ble.gap_disconnect(data[0]), raises(lambda: ble.gap_disconnect(99)), end=" ")
        print(raises(lambda: ble.gatts_notify(99, outbox, b"")))
ble.active(True)
ble.config(mtu=300, gap_name="desk")
print(raises(lambda: ble.config(mtu=600)))
ble.irq(irq)
U = bluetooth.UUID
service = U(SERVICE), ((U(0x2A00), 2), (U(0x2A01), 8), (U(0x2A02), 16))
((info, inbox, outbox),) = ble.gatts_register_services((service,))
ble.gatts_write(info, b"i" * 100)
ble.gatts_set_buffer(inbox, 30)
print(info < inbox < outbox, raises(lambda: ble.gap_advertise(100000, bytes(32))))
ble.gap_advertise(100000, b"\\x02\\x01\\x06", resp_data=b"\\x05\\x09desk")
while ble.active():
    time.sleep_ms(10)
print("inactive", raises(lambda: ble.gatts_write(info, b"x")))
""".replace("SERVICE", repr(SERVICE))


@pytest.fixture
def desk(tmp_path):
    board = board_with(tmp_path, PROGRAM)
    with Air(board.world) as air:
        radio = Radio(board, air, pool=3)
        board.power_on()
        board.world.run(1)
        yield board, air, radio
    board.close()


async def connected(air, mtu):
    phone = air.device("phone", "C0:00:00:00:00:01")
    await phone.power_on()
    connection = await phone.connect(Radio.ADDRESS, timeout=5)
    peer = Peer(connection)
    if mtu:
        await peer.request_mtu(mtu)
    await peer.discover_service(SERVICE)
    await peer.discover_characteristics()
    info, inbox, outbox = (
        peer.get_characteristics_by_uuid(UUID.from_16_bits(one))[0] for one in (0x2A00, 0x2A01, 0x2A02)
    )
    return connection, info, inbox, outbox


def test_what_the_firmware_asks_for_is_what_a_phone_finds(desk):
    board, air, radio = desk
    heard = []

    async def talk():
        connection, info, inbox, outbox = await connected(air, 517)
        value = await info.read_value()
        await inbox.write_value(bytes(30), with_response=True)
        await inbox.write_value(bytes(31), with_response=True)  # cut, and nobody is told
        await outbox.subscribe(heard.append)
        await inbox.write_value(bytes(4), with_response=True)
        await asyncio.sleep(0.5)
        await inbox.write_value(bytes(5), with_response=True)
        await asyncio.sleep(0.5)
        return value, connection.att_mtu

    assert air.run(talk()) == (b"i" * 100, 300)
    lines = said(board)
    assert lines[:3] == ["True False 19", "22", "True 22"]
    assert lines[3:5] == [f"1 1 {bytes.fromhex('C00000000001')}", "21 300"]
    inbox = lines[6].split()[1]
    assert lines[5].startswith("4 ") and lines[6:9] == [f"3 {inbox} 30", f"3 {inbox} 30", f"3 {inbox} 4"]
    assert lines[9] == "[None, None, None, 12, 12, 12, 12, 12]"  # as many as it can hold, then ENOMEM
    assert heard == [b"n" * 100] * 3
    assert lines[10:12] == [f"3 {inbox} 5", "True 107 107"] and lines[12].startswith("2 ")
    assert [what.split()[0] for _, what in radio.log] == ["connected", "left"]


def test_long_writes_are_taken_and_what_is_over_the_mtu_is_cut(desk):
    board, air, _ = desk
    heard = []

    async def talk():
        _, info, inbox, outbox = await connected(air, None)
        value = await info.read_value()
        await inbox.client.write_long_value(inbox.handle, bytes(30))
        await outbox.subscribe(heard.append)
        await inbox.write_value(bytes(4), with_response=True)
        await asyncio.sleep(0.5)
        return value

    assert air.run(talk()) == b"i" * 100
    assert any(line.startswith("3 ") and line.endswith(" 30") for line in said(board))
    assert heard == [b"n" * 20] * 3


def test_a_reset_of_the_radio_cuts_everybody_off_and_only_active_shows_it(desk):
    board, air, radio = desk
    connection, *_ = air.run(connected(air, 100))
    gone = []
    connection.on("disconnection", gone.append)
    radio.off()
    board.world.run(1)
    assert gone and said(board)[-1] == "inactive 19"
    assert not any(line.startswith("2 ") for line in said(board))
