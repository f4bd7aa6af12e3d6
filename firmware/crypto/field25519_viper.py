"""Numbers modulo p = 2^255 - 19 in viper code. The interface is that of field25519_plain.py, and documented there.

A number takes 20 limbs of 13 bits, least significant first, each in 16 bits of memory; see field25519_unrolled.py.
Before slot 0 lies what `run` uses while it multiplies, the room of 7 slots.
"""
# pyright: reportUndefinedVariable=false, reportArgumentType=false
# ruff: noqa: F821

import micropython

from crypto.field25519_unrolled import run

NATIVE = True

_P = (1 << 255) - 19


def new(count):
    return bytearray(40 * (7 + count))


def put(memory, slot, number):
    run(0, memory, memory, bytes((4, slot, 0, 0)), 4, number.to_bytes(32, "little"), 0)  # LOAD


def get(memory, slot):
    packed = bytearray(33)
    _pack(memory, slot, packed)
    return int.from_bytes(packed, "little") % _P


@micropython.viper
def _pack(memory: ptr16, slot: int, out: ptr8):
    p = ptr16(int(memory) + 40 * (7 + slot))
    acc = 0  # fewer than 8 bits; then a limb, 14 bits at most, is added above them
    bits = 0
    i = 0
    at = 0
    while i < 20:
        acc += p[i] << bits
        bits += 13
        while bits >= 8:
            out[at] = acc
            acc = acc >> 8
            bits -= 8
            at += 1
        i += 1
    out[at] = acc


@micropython.viper
def teeth(bits: ptr8, out: ptr8):
    column = 0
    while column < 17:
        word = 0
        n = column + 17 * 14
        while n >= 0:
            word = word << 1 | (bits[n >> 3] >> (n & 7)) & 1
            n -= 17
        negative = (word >> 7 & 1) ^ 1
        out[4 * column] = (word ^ (0 - negative)) & 127
        out[4 * column + 1] = negative
        negative = (word >> 14 & 1) ^ 1
        out[4 * column + 2] = (word >> 8 ^ (0 - negative)) & 63 | 128
        out[4 * column + 3] = negative
        column += 1


@micropython.viper
def digits(bits: ptr8, out: ptr8):
    carry = 0
    i = 0
    while i < 254:
        five = ((bits[i >> 3] | bits[(i >> 3) + 1] << 8) >> (i & 7) & 31) + carry
        if five & 1:
            # Taken as five, or from 16 on as five - 32 with a carry into bit i + 5.
            carry = five >> 4
            out[i] = (five >> 1) + 1 + carry * (24 - five)
            i += 5
        else:
            # Bit i and the carry are equal: with digit 0 the carry stays what it is.
            i += 1
