"""The I2C and SPI framing around the virtual PN532, transaction by transaction."""

import pytest

from tools.virtual.cards import Ntag
from tools.virtual.pn532 import ACK, Chip, frame
from tools.virtual.pn532_bus import I2cPort, SpiPort
from tools.virtual.world import World

ASK_VERSION = frame(b"\xd4\x02")
VERSION = frame(b"\xd5\x03\x32\x01\x06\x07")


def mirrored(data: bytes) -> bytes:
    return bytes(int(f"{value:08b}"[::-1], 2) for value in data)


def i2c() -> tuple[World, I2cPort]:
    world = World()
    port = I2cPort(Chip(world))
    world.run(0.01)
    return world, port


def spi() -> tuple[World, SpiPort]:
    world = World()
    port = SpiPort(Chip(world))
    world.run(0.01)
    port.transfer(b"\x00")  # wakes it
    return world, port


def test_every_i2c_read_begins_with_the_ready_byte():
    world, port = i2c()
    port.write(ASK_VERSION)
    assert port.read(7)[0] == bytes(7), "busy"
    assert port.irq == 1
    world.run(0.0003)
    assert port.irq == 0
    assert port.read(7)[0] == b"\x01" + ACK
    assert port.irq == 1 and port.read(1)[0] == b"\x00"
    world.run(0.001)
    assert port.read(40)[0] == (b"\x01" + VERSION).ljust(40, b"\x00")


def test_an_i2c_frame_that_was_read_in_part_begins_again():
    world, port = i2c()
    port.write(ASK_VERSION)
    world.run(0.0003)
    assert port.read(1)[0] == b"\x01"
    assert port.read(4)[0] == b"\x01" + ACK[:3]
    assert port.read(7)[0] == b"\x01" + ACK
    world.run(0.001)
    assert port.read(len(VERSION))[0] == b"\x01" + VERSION[:-1], "the postamble may be left"
    assert port.read(1)[0] == b"\x00"


def test_i2c_wakes_by_its_address_and_a_reset_chip_does_not_answer():
    world, port = i2c()
    assert port.write(b"") > port.write(b"") >= 440
    port.chip.reset_pin(0)
    with pytest.raises(OSError, match="acknowledges"):
        port.write(ASK_VERSION)
    port.chip.reset_pin(1)
    world.run(0.01)
    assert port.write(ASK_VERSION) > 440


def test_a_new_command_takes_the_place_of_an_answer_that_nobody_fetched():
    world, port = i2c()
    port.write(frame(b"\xd4\x00\x00old"))
    world.run(0.01)
    port.write(ASK_VERSION)
    world.run(0.01)
    assert port.read(7)[0] == b"\x01" + ACK
    assert port.read(20)[0][1 : 1 + len(VERSION)] == VERSION


def test_spi_sends_the_lowest_bit_first_and_has_a_status():
    world, port = spi()
    port.transfer(mirrored(b"\x01" + ASK_VERSION))
    assert port.transfer(mirrored(b"\x02\x00")) == mirrored(b"\x00\x00")
    world.run(0.0003)
    assert port.transfer(mirrored(b"\x02\x00")) == mirrored(b"\x00\x01")
    assert port.transfer(mirrored(b"\x03" + bytes(6))) == mirrored(b"\x00" + ACK)
    assert port.transfer(mirrored(b"\x02\x00")) == mirrored(b"\x00\x00")
    world.run(0.001)
    assert port.transfer(mirrored(b"\x03" + bytes(len(VERSION)))) == mirrored(b"\x00" + VERSION)
    assert port.transfer(b"") == b""


def test_spi_bits_the_wrong_way_round_are_not_understood():
    world, port = spi()
    port.transfer(b"\x01" + ASK_VERSION)
    world.run(0.01)
    assert port.irq == 1


def test_a_sleeping_chip_hears_nothing_of_the_transaction_that_wakes_it():
    world = World()
    port = SpiPort(Chip(world))
    world.run(0.01)
    for waits in (1, 0):
        port.transfer(mirrored(b"\x01" + ASK_VERSION))
        world.run(0.01)
        assert port.irq == waits


@pytest.mark.parametrize("bus", [i2c, spi])
def test_a_card_is_read_over_either_bus(bus):
    world, port = bus()
    tag = Ntag(215, bytes(range(60)))
    port.chip.field.put(tag)

    def command(data: bytes) -> bytes:
        whole = frame(b"\xd4" + data)
        fetched = []
        if isinstance(port, I2cPort):
            port.write(whole)
        else:
            port.transfer(mirrored(b"\x01" + whole))
        while len(fetched) < 2:
            assert world.run_until(lambda: port.irq == 0, 1)
            if isinstance(port, I2cPort):
                fetched.append(port.read(64)[0][1:])
            else:
                fetched.append(mirrored(port.transfer(mirrored(b"\x03" + bytes(64))))[1:])
        assert fetched[0].startswith(ACK)
        response = fetched[1]
        return response[7 : 5 + response[3]]

    assert command(b"\x14\x01") == b""
    assert command(b"\x4a\x01\x00")[:1] == b"\x01"
    assert command(b"\x40\x01\x30\x04") == b"\x00" + tag.memory[16:32]
