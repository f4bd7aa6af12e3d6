"""The compression of SHA-512 (FIPS 180-4 section 6.4.2) in viper code. The interface is that of sha512_plain.py.

A 64-bit word is two 32-bit halves in memory, high half first; locals ending in h and l are the halves of one word.
Everything is unsigned, and meant modulo 2^32. Where machine words have 32 bits, sums and left shifts drop what leaves
them; where they have 64, `& m` and the stores do, and nothing is shifted right or compared before. The carry out of
a low half is 1 when the masked sum is less than a (masked) summand.
"""
# pyright: reportUndefinedVariable=false, reportArgumentType=false
# ruff: noqa: F821

import micropython

NATIVE = True


def new(words):
    """A state, or a table of round constants, from big-endian 64-bit words."""
    state = bytearray(len(words))
    _halves(state, words, 0, len(words) >> 2)
    return state


def digest(state):
    """The big-endian bytes of a state."""
    out = bytearray(len(state))
    _bytes(out, state, len(state) >> 2)
    return bytes(out)


def workspace():
    """Scratch memory for `compress`: the message schedule."""
    return bytearray(640)


def compress(state, block, at, constants, schedule):
    """Mixes the 128 bytes at `block[at]` into the state."""
    _halves(schedule, block, at, 32)
    _expand(0, 0, schedule, 0xFFFFFFFF)
    _rounds(0, 0, schedule, constants, state, 0xFFFFFFFF)


@micropython.viper
def _halves(out: ptr32, data: ptr8, at: int, count: int):
    i = 0
    while i < count:
        out[i] = uint(data[at]) << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]
        at += 4
        i += 1


@micropython.viper
def _bytes(out: ptr8, halves: ptr32, count: int):
    i = 0
    while i < count:
        half = uint(halves[i])
        out[4 * i] = half >> 24
        out[4 * i + 1] = half >> 16
        out[4 * i + 2] = half >> 8
        out[4 * i + 3] = half
        i += 1


@micropython.viper
def _expand(hi: uint, lo: uint, schedule: ptr32, mask: uint):
    # hi and lo, the sum at work, come first because viper keeps the first two parameters in registers.
    m = uint(mask)
    w = ptr32(schedule)
    t = 16
    while t < 80:
        xh = uint(w[2])  # w[t - 15]
        xl = uint(w[3])
        hi = xh >> 1  # sigma 0: rotated right by 1 and by 8, shifted right by 7
        hi = (xl << 31) ^ hi
        hi = (xh >> 8) ^ hi
        hi = (xl << 24) ^ hi
        hi = (xh >> 7) ^ hi
        lo = xl >> 1
        lo = (xh << 31) ^ lo
        lo = (xl >> 8) ^ lo
        lo = (xh << 24) ^ lo
        lo = (xl >> 7) ^ lo
        lo = (xh << 25) ^ lo
        yl = uint(w[1])  # + w[t - 16]
        lo = (yl + lo) & m
        hi = uint(w[0]) + hi
        hi = uint(lo < yl) + hi
        yl = uint(w[19])  # + w[t - 7]
        lo = (yl + lo) & m
        hi = uint(w[18]) + hi
        hi = uint(lo < yl) + hi
        sh = hi
        sl = lo
        xh = uint(w[28])  # w[t - 2]
        xl = uint(w[29])
        hi = xh >> 19  # sigma 1: rotated right by 19 and by 61, shifted right by 6
        hi = (xl << 13) ^ hi
        hi = (xl >> 29) ^ hi
        hi = (xh << 3) ^ hi
        hi = (xh >> 6) ^ hi
        lo = xl >> 19
        lo = (xh << 13) ^ lo
        lo = (xh >> 29) ^ lo
        lo = (xl << 3) ^ lo
        lo = (xl >> 6) ^ lo
        lo = (xh << 26) ^ lo
        lo = (sl + lo) & m
        w[32] = sh + hi + uint(lo < sl)
        w[33] = lo
        w = ptr32(int(w) + 8)
        t += 1


@micropython.viper
def _rounds(hi: uint, lo: uint, schedule: ptr32, constants: ptr32, state: ptr32, mask: uint):
    # hi and lo, the sum at work, come first because viper keeps the first two parameters in registers.
    m = uint(mask)
    w = ptr32(schedule)
    k = ptr32(constants)
    ah = uint(state[0])
    al = uint(state[1])
    bh = uint(state[2])
    bl = uint(state[3])
    ch = uint(state[4])
    cl = uint(state[5])
    dh = uint(state[6])
    dl = uint(state[7])
    eh = uint(state[8])
    el = uint(state[9])
    fh = uint(state[10])
    fl = uint(state[11])
    gh = uint(state[12])
    gl = uint(state[13])
    hh = uint(state[14])
    hl = uint(state[15])
    ph = bh ^ ch  # a ^ b of the round before
    pl = bl ^ cl
    t = 0
    while t < 80:
        hi = eh >> 14  # Sigma 1: rotated right by 14, 18 and 41
        hi = (el << 18) ^ hi
        hi = (eh >> 18) ^ hi
        hi = (el << 14) ^ hi
        hi = (el >> 9) ^ hi
        hi = (eh << 23) ^ hi
        lo = el >> 14
        lo = (eh << 18) ^ lo
        lo = (el >> 18) ^ lo
        lo = (eh << 14) ^ lo
        lo = (eh >> 9) ^ lo
        lo = (el << 23) ^ lo
        lo = (hl + lo) & m  # + hi
        hi = hh + hi
        hi = uint(lo < hl) + hi
        xl = uint(w[1])  # + w[t]
        lo = (xl + lo) & m
        hi = uint(w[0]) + hi
        hi = uint(lo < xl) + hi
        xl = uint(k[1])  # + the round constant
        lo = (xl + lo) & m
        hi = uint(k[0]) + hi
        hi = uint(lo < xl) + hi
        xh = fh ^ gh  # + Ch(e, f, g) = g ^ (e & (f ^ g))
        xh = eh & xh
        hi = (gh ^ xh) + hi
        xl = fl ^ gl
        xl = el & xl
        xl = gl ^ xl
        lo = (xl + lo) & m
        hi = uint(lo < xl) + hi
        hh = gh
        hl = gl
        gh = fh
        gl = fl
        fh = eh
        fl = el
        el = (dl + lo) & m  # e = d + this sum, T1
        eh = dh + hi + uint(el < dl) & m
        dh = ch
        dl = cl
        ch = bh
        cl = bl
        xh = ah ^ bh  # + Maj(a, b, c) = b ^ ((a ^ b) & (b ^ c))
        ph = xh & ph
        hi = (bh ^ ph) + hi
        ph = xh
        xl = al ^ bl
        pl = xl & pl
        pl = bl ^ pl
        lo = (pl + lo) & m
        hi = uint(lo < pl) + hi
        pl = xl
        bh = ah
        bl = al
        xh = hi
        xl = lo
        hi = ah >> 28  # Sigma 0: rotated right by 28, 34 and 39
        hi = (al << 4) ^ hi
        hi = (al >> 2) ^ hi
        hi = (ah << 30) ^ hi
        hi = (al >> 7) ^ hi
        hi = (ah << 25) ^ hi
        lo = al >> 28
        lo = (ah << 4) ^ lo
        lo = (ah >> 2) ^ lo
        lo = (al << 30) ^ lo
        lo = (ah >> 7) ^ lo
        lo = (al << 25) ^ lo
        al = (xl + lo) & m  # a = T1 + T2
        ah = xh + hi + uint(al < xl) & m
        w = ptr32(int(w) + 8)
        k = ptr32(int(k) + 8)
        t += 1
    w = ptr32(schedule)
    w[0] = ah
    w[1] = al
    w[2] = bh
    w[3] = bl
    w[4] = ch
    w[5] = cl
    w[6] = dh
    w[7] = dl
    w[8] = eh
    w[9] = el
    w[10] = fh
    w[11] = fl
    w[12] = gh
    w[13] = gl
    w[14] = hh
    w[15] = hl
    t = 0
    while t < 16:
        xl = uint(w[t + 1])
        lo = (xl + uint(state[t + 1])) & m
        hi = uint(w[t]) + uint(state[t])
        state[t] = hi + uint(lo < xl)
        state[t + 1] = lo
        t += 2
