"""The field machine's operations in viper code, unrolled. Written by tools/make_crypto.py: change that, not this file.

Part of field25519_viper.py; what each operation means stands at the twin, in field25519_plain.py.

A number is 20 limbs of 13 bits, least significant first, in 16 bits of memory each.
Invariant: every limb in memory is below 8200. LOAD writes at most 8191; beside each other operation stands why its
result keeps the invariant if its operands do, and why no sum on the way reaches 2^31.
"""
# ruff: noqa: E702, F821
# pyright: reportUndefinedVariable=false, reportArgumentType=false
# fmt: off

import micropython


@micropython.viper
def run(acc: int, p: ptr16, memory: ptr16, program: ptr8, length: int, data: ptr8, at: int):
    # acc and p are worked with and come first because viper keeps the first two parameters in registers.
    m = 8191
    base = int(memory)
    pc = int(program)
    end = pc + length
    while pc < end:
        i = ptr8(pc)
        pc += 4
        op = i[0]
        r = ptr16(i[1] * 40 + base)
        p = ptr16(i[2] * 40 + base)
        n = i[3]
        q = ptr16(n * 40 + base)
        if op == 0:  # MUL
            b0 = q[0]; b1 = q[1]; b2 = q[2]; b3 = q[3]; b4 = q[4]; b5 = q[5]; b6 = q[6]; b7 = q[7]; b8 = q[8]; b9 = q[9]
            b10 = q[10]; b11 = q[11]; b12 = q[12]; b13 = q[13]; b14 = q[14]; b15 = q[15]; b16 = q[16]; b17 = q[17]
            b18 = q[18]; b19 = q[19]
            # Columns 20 to 38, in units of 2^260, are carried into h0 to h19.
            # A column is at most 20 * 8199^2 = 1344472020, the carry into it below 2^18: less than 2^31.
            acc = 0
            acc = p[1] * b19 + acc; acc = p[2] * b18 + acc; acc = p[3] * b17 + acc; acc = p[4] * b16 + acc
            acc = p[5] * b15 + acc; acc = p[6] * b14 + acc; acc = p[7] * b13 + acc; acc = p[8] * b12 + acc
            acc = p[9] * b11 + acc; acc = p[10] * b10 + acc; acc = p[11] * b9 + acc; acc = p[12] * b8 + acc
            acc = p[13] * b7 + acc; acc = p[14] * b6 + acc; acc = p[15] * b5 + acc; acc = p[16] * b4 + acc
            acc = p[17] * b3 + acc; acc = p[18] * b2 + acc; acc = p[19] * b1 + acc; h0 = acc & m; acc = acc >> 13
            acc = p[2] * b19 + acc; acc = p[3] * b18 + acc; acc = p[4] * b17 + acc; acc = p[5] * b16 + acc
            acc = p[6] * b15 + acc; acc = p[7] * b14 + acc; acc = p[8] * b13 + acc; acc = p[9] * b12 + acc
            acc = p[10] * b11 + acc; acc = p[11] * b10 + acc; acc = p[12] * b9 + acc; acc = p[13] * b8 + acc
            acc = p[14] * b7 + acc; acc = p[15] * b6 + acc; acc = p[16] * b5 + acc; acc = p[17] * b4 + acc
            acc = p[18] * b3 + acc; acc = p[19] * b2 + acc; h1 = acc & m; acc = acc >> 13
            acc = p[3] * b19 + acc; acc = p[4] * b18 + acc; acc = p[5] * b17 + acc; acc = p[6] * b16 + acc
            acc = p[7] * b15 + acc; acc = p[8] * b14 + acc; acc = p[9] * b13 + acc; acc = p[10] * b12 + acc
            acc = p[11] * b11 + acc; acc = p[12] * b10 + acc; acc = p[13] * b9 + acc; acc = p[14] * b8 + acc
            acc = p[15] * b7 + acc; acc = p[16] * b6 + acc; acc = p[17] * b5 + acc; acc = p[18] * b4 + acc
            acc = p[19] * b3 + acc; h2 = acc & m; acc = acc >> 13
            acc = p[4] * b19 + acc; acc = p[5] * b18 + acc; acc = p[6] * b17 + acc; acc = p[7] * b16 + acc
            acc = p[8] * b15 + acc; acc = p[9] * b14 + acc; acc = p[10] * b13 + acc; acc = p[11] * b12 + acc
            acc = p[12] * b11 + acc; acc = p[13] * b10 + acc; acc = p[14] * b9 + acc; acc = p[15] * b8 + acc
            acc = p[16] * b7 + acc; acc = p[17] * b6 + acc; acc = p[18] * b5 + acc; acc = p[19] * b4 + acc; h3 = acc & m
            acc = acc >> 13
            acc = p[5] * b19 + acc; acc = p[6] * b18 + acc; acc = p[7] * b17 + acc; acc = p[8] * b16 + acc
            acc = p[9] * b15 + acc; acc = p[10] * b14 + acc; acc = p[11] * b13 + acc; acc = p[12] * b12 + acc
            acc = p[13] * b11 + acc; acc = p[14] * b10 + acc; acc = p[15] * b9 + acc; acc = p[16] * b8 + acc
            acc = p[17] * b7 + acc; acc = p[18] * b6 + acc; acc = p[19] * b5 + acc; h4 = acc & m; acc = acc >> 13
            acc = p[6] * b19 + acc; acc = p[7] * b18 + acc; acc = p[8] * b17 + acc; acc = p[9] * b16 + acc
            acc = p[10] * b15 + acc; acc = p[11] * b14 + acc; acc = p[12] * b13 + acc; acc = p[13] * b12 + acc
            acc = p[14] * b11 + acc; acc = p[15] * b10 + acc; acc = p[16] * b9 + acc; acc = p[17] * b8 + acc
            acc = p[18] * b7 + acc; acc = p[19] * b6 + acc; h5 = acc & m; acc = acc >> 13
            acc = p[7] * b19 + acc; acc = p[8] * b18 + acc; acc = p[9] * b17 + acc; acc = p[10] * b16 + acc
            acc = p[11] * b15 + acc; acc = p[12] * b14 + acc; acc = p[13] * b13 + acc; acc = p[14] * b12 + acc
            acc = p[15] * b11 + acc; acc = p[16] * b10 + acc; acc = p[17] * b9 + acc; acc = p[18] * b8 + acc
            acc = p[19] * b7 + acc; h6 = acc & m; acc = acc >> 13
            acc = p[8] * b19 + acc; acc = p[9] * b18 + acc; acc = p[10] * b17 + acc; acc = p[11] * b16 + acc
            acc = p[12] * b15 + acc; acc = p[13] * b14 + acc; acc = p[14] * b13 + acc; acc = p[15] * b12 + acc
            acc = p[16] * b11 + acc; acc = p[17] * b10 + acc; acc = p[18] * b9 + acc; acc = p[19] * b8 + acc
            h7 = acc & m; acc = acc >> 13
            acc = p[9] * b19 + acc; acc = p[10] * b18 + acc; acc = p[11] * b17 + acc; acc = p[12] * b16 + acc
            acc = p[13] * b15 + acc; acc = p[14] * b14 + acc; acc = p[15] * b13 + acc; acc = p[16] * b12 + acc
            acc = p[17] * b11 + acc; acc = p[18] * b10 + acc; acc = p[19] * b9 + acc; h8 = acc & m; acc = acc >> 13
            acc = p[10] * b19 + acc; acc = p[11] * b18 + acc; acc = p[12] * b17 + acc; acc = p[13] * b16 + acc
            acc = p[14] * b15 + acc; acc = p[15] * b14 + acc; acc = p[16] * b13 + acc; acc = p[17] * b12 + acc
            acc = p[18] * b11 + acc; acc = p[19] * b10 + acc; h9 = acc & m; acc = acc >> 13
            acc = p[11] * b19 + acc; acc = p[12] * b18 + acc; acc = p[13] * b17 + acc; acc = p[14] * b16 + acc
            acc = p[15] * b15 + acc; acc = p[16] * b14 + acc; acc = p[17] * b13 + acc; acc = p[18] * b12 + acc
            acc = p[19] * b11 + acc; h10 = acc & m; acc = acc >> 13
            acc = p[12] * b19 + acc; acc = p[13] * b18 + acc; acc = p[14] * b17 + acc; acc = p[15] * b16 + acc
            acc = p[16] * b15 + acc; acc = p[17] * b14 + acc; acc = p[18] * b13 + acc; acc = p[19] * b12 + acc
            h11 = acc & m; acc = acc >> 13
            acc = p[13] * b19 + acc; acc = p[14] * b18 + acc; acc = p[15] * b17 + acc; acc = p[16] * b16 + acc
            acc = p[17] * b15 + acc; acc = p[18] * b14 + acc; acc = p[19] * b13 + acc; h12 = acc & m; acc = acc >> 13
            acc = p[14] * b19 + acc; acc = p[15] * b18 + acc; acc = p[16] * b17 + acc; acc = p[17] * b16 + acc
            acc = p[18] * b15 + acc; acc = p[19] * b14 + acc; h13 = acc & m; acc = acc >> 13
            acc = p[15] * b19 + acc; acc = p[16] * b18 + acc; acc = p[17] * b17 + acc; acc = p[18] * b16 + acc
            acc = p[19] * b15 + acc; h14 = acc & m; acc = acc >> 13
            acc = p[16] * b19 + acc; acc = p[17] * b18 + acc; acc = p[18] * b17 + acc; acc = p[19] * b16 + acc
            h15 = acc & m; acc = acc >> 13
            acc = p[17] * b19 + acc; acc = p[18] * b18 + acc; acc = p[19] * b17 + acc; h16 = acc & m; acc = acc >> 13
            acc = p[18] * b19 + acc; acc = p[19] * b18 + acc; h17 = acc & m; acc = acc >> 13
            acc = p[19] * b19 + acc; h18 = acc & m; acc = acc >> 13
            h19 = acc
            # Columns 0 to 19, and 608 * h, since 2^260 = 608 (mod p).
            # A limb of h is below 2^14 and 608 times it below 2^24: the sum is still less than 2^31.
            acc = 0
            acc = h0 * 608 + acc; acc = p[0] * b0 + acc; h0 = acc & m; acc = acc >> 13
            acc = h1 * 608 + acc; acc = p[0] * b1 + acc; acc = p[1] * b0 + acc; h1 = acc & m; acc = acc >> 13
            acc = h2 * 608 + acc; acc = p[0] * b2 + acc; acc = p[1] * b1 + acc; acc = p[2] * b0 + acc; h2 = acc & m
            acc = acc >> 13
            acc = h3 * 608 + acc; acc = p[0] * b3 + acc; acc = p[1] * b2 + acc; acc = p[2] * b1 + acc
            acc = p[3] * b0 + acc; h3 = acc & m; acc = acc >> 13
            acc = h4 * 608 + acc; acc = p[0] * b4 + acc; acc = p[1] * b3 + acc; acc = p[2] * b2 + acc
            acc = p[3] * b1 + acc; acc = p[4] * b0 + acc; h4 = acc & m; acc = acc >> 13
            acc = h5 * 608 + acc; acc = p[0] * b5 + acc; acc = p[1] * b4 + acc; acc = p[2] * b3 + acc
            acc = p[3] * b2 + acc; acc = p[4] * b1 + acc; acc = p[5] * b0 + acc; h5 = acc & m; acc = acc >> 13
            acc = h6 * 608 + acc; acc = p[0] * b6 + acc; acc = p[1] * b5 + acc; acc = p[2] * b4 + acc
            acc = p[3] * b3 + acc; acc = p[4] * b2 + acc; acc = p[5] * b1 + acc; acc = p[6] * b0 + acc; h6 = acc & m
            acc = acc >> 13
            acc = h7 * 608 + acc; acc = p[0] * b7 + acc; acc = p[1] * b6 + acc; acc = p[2] * b5 + acc
            acc = p[3] * b4 + acc; acc = p[4] * b3 + acc; acc = p[5] * b2 + acc; acc = p[6] * b1 + acc
            acc = p[7] * b0 + acc; h7 = acc & m; acc = acc >> 13
            acc = h8 * 608 + acc; acc = p[0] * b8 + acc; acc = p[1] * b7 + acc; acc = p[2] * b6 + acc
            acc = p[3] * b5 + acc; acc = p[4] * b4 + acc; acc = p[5] * b3 + acc; acc = p[6] * b2 + acc
            acc = p[7] * b1 + acc; acc = p[8] * b0 + acc; h8 = acc & m; acc = acc >> 13
            acc = h9 * 608 + acc; acc = p[0] * b9 + acc; acc = p[1] * b8 + acc; acc = p[2] * b7 + acc
            acc = p[3] * b6 + acc; acc = p[4] * b5 + acc; acc = p[5] * b4 + acc; acc = p[6] * b3 + acc
            acc = p[7] * b2 + acc; acc = p[8] * b1 + acc; acc = p[9] * b0 + acc; h9 = acc & m; acc = acc >> 13
            acc = h10 * 608 + acc; acc = p[0] * b10 + acc; acc = p[1] * b9 + acc; acc = p[2] * b8 + acc
            acc = p[3] * b7 + acc; acc = p[4] * b6 + acc; acc = p[5] * b5 + acc; acc = p[6] * b4 + acc
            acc = p[7] * b3 + acc; acc = p[8] * b2 + acc; acc = p[9] * b1 + acc; acc = p[10] * b0 + acc; h10 = acc & m
            acc = acc >> 13
            acc = h11 * 608 + acc; acc = p[0] * b11 + acc; acc = p[1] * b10 + acc; acc = p[2] * b9 + acc
            acc = p[3] * b8 + acc; acc = p[4] * b7 + acc; acc = p[5] * b6 + acc; acc = p[6] * b5 + acc
            acc = p[7] * b4 + acc; acc = p[8] * b3 + acc; acc = p[9] * b2 + acc; acc = p[10] * b1 + acc
            acc = p[11] * b0 + acc; h11 = acc & m; acc = acc >> 13
            acc = h12 * 608 + acc; acc = p[0] * b12 + acc; acc = p[1] * b11 + acc; acc = p[2] * b10 + acc
            acc = p[3] * b9 + acc; acc = p[4] * b8 + acc; acc = p[5] * b7 + acc; acc = p[6] * b6 + acc
            acc = p[7] * b5 + acc; acc = p[8] * b4 + acc; acc = p[9] * b3 + acc; acc = p[10] * b2 + acc
            acc = p[11] * b1 + acc; acc = p[12] * b0 + acc; h12 = acc & m; acc = acc >> 13
            acc = h13 * 608 + acc; acc = p[0] * b13 + acc; acc = p[1] * b12 + acc; acc = p[2] * b11 + acc
            acc = p[3] * b10 + acc; acc = p[4] * b9 + acc; acc = p[5] * b8 + acc; acc = p[6] * b7 + acc
            acc = p[7] * b6 + acc; acc = p[8] * b5 + acc; acc = p[9] * b4 + acc; acc = p[10] * b3 + acc
            acc = p[11] * b2 + acc; acc = p[12] * b1 + acc; acc = p[13] * b0 + acc; h13 = acc & m; acc = acc >> 13
            acc = h14 * 608 + acc; acc = p[0] * b14 + acc; acc = p[1] * b13 + acc; acc = p[2] * b12 + acc
            acc = p[3] * b11 + acc; acc = p[4] * b10 + acc; acc = p[5] * b9 + acc; acc = p[6] * b8 + acc
            acc = p[7] * b7 + acc; acc = p[8] * b6 + acc; acc = p[9] * b5 + acc; acc = p[10] * b4 + acc
            acc = p[11] * b3 + acc; acc = p[12] * b2 + acc; acc = p[13] * b1 + acc; acc = p[14] * b0 + acc
            h14 = acc & m; acc = acc >> 13
            acc = h15 * 608 + acc; acc = p[0] * b15 + acc; acc = p[1] * b14 + acc; acc = p[2] * b13 + acc
            acc = p[3] * b12 + acc; acc = p[4] * b11 + acc; acc = p[5] * b10 + acc; acc = p[6] * b9 + acc
            acc = p[7] * b8 + acc; acc = p[8] * b7 + acc; acc = p[9] * b6 + acc; acc = p[10] * b5 + acc
            acc = p[11] * b4 + acc; acc = p[12] * b3 + acc; acc = p[13] * b2 + acc; acc = p[14] * b1 + acc
            acc = p[15] * b0 + acc; h15 = acc & m; acc = acc >> 13
            acc = h16 * 608 + acc; acc = p[0] * b16 + acc; acc = p[1] * b15 + acc; acc = p[2] * b14 + acc
            acc = p[3] * b13 + acc; acc = p[4] * b12 + acc; acc = p[5] * b11 + acc; acc = p[6] * b10 + acc
            acc = p[7] * b9 + acc; acc = p[8] * b8 + acc; acc = p[9] * b7 + acc; acc = p[10] * b6 + acc
            acc = p[11] * b5 + acc; acc = p[12] * b4 + acc; acc = p[13] * b3 + acc; acc = p[14] * b2 + acc
            acc = p[15] * b1 + acc; acc = p[16] * b0 + acc; h16 = acc & m; acc = acc >> 13
            acc = h17 * 608 + acc; acc = p[0] * b17 + acc; acc = p[1] * b16 + acc; acc = p[2] * b15 + acc
            acc = p[3] * b14 + acc; acc = p[4] * b13 + acc; acc = p[5] * b12 + acc; acc = p[6] * b11 + acc
            acc = p[7] * b10 + acc; acc = p[8] * b9 + acc; acc = p[9] * b8 + acc; acc = p[10] * b7 + acc
            acc = p[11] * b6 + acc; acc = p[12] * b5 + acc; acc = p[13] * b4 + acc; acc = p[14] * b3 + acc
            acc = p[15] * b2 + acc; acc = p[16] * b1 + acc; acc = p[17] * b0 + acc; h17 = acc & m; acc = acc >> 13
            acc = h18 * 608 + acc; acc = p[0] * b18 + acc; acc = p[1] * b17 + acc; acc = p[2] * b16 + acc
            acc = p[3] * b15 + acc; acc = p[4] * b14 + acc; acc = p[5] * b13 + acc; acc = p[6] * b12 + acc
            acc = p[7] * b11 + acc; acc = p[8] * b10 + acc; acc = p[9] * b9 + acc; acc = p[10] * b8 + acc
            acc = p[11] * b7 + acc; acc = p[12] * b6 + acc; acc = p[13] * b5 + acc; acc = p[14] * b4 + acc
            acc = p[15] * b3 + acc; acc = p[16] * b2 + acc; acc = p[17] * b1 + acc; acc = p[18] * b0 + acc
            h18 = acc & m; acc = acc >> 13
            acc = h19 * 608 + acc; acc = p[0] * b19 + acc; acc = p[1] * b18 + acc; acc = p[2] * b17 + acc
            acc = p[3] * b16 + acc; acc = p[4] * b15 + acc; acc = p[5] * b14 + acc; acc = p[6] * b13 + acc
            acc = p[7] * b12 + acc; acc = p[8] * b11 + acc; acc = p[9] * b10 + acc; acc = p[10] * b9 + acc
            acc = p[11] * b8 + acc; acc = p[12] * b7 + acc; acc = p[13] * b6 + acc; acc = p[14] * b5 + acc
            acc = p[15] * b4 + acc; acc = p[16] * b3 + acc; acc = p[17] * b2 + acc; acc = p[18] * b1 + acc
            acc = p[19] * b0 + acc; h19 = acc & m; acc = acc >> 13
            # The last carry is below 165000. 608 times it, over 2^13, plus h1 is below 3 * 2^13:
            # h2 gets 2 at most.
            acc = acc * 608 + h0; p = r; p[0] = acc & m; acc = (acc >> 13) + h1; p[1] = acc & m; p[2] = (acc >> 13) + h2
            p[3] = h3; p[4] = h4; p[5] = h5; p[6] = h6; p[7] = h7; p[8] = h8; p[9] = h9; p[10] = h10; p[11] = h11
            p[12] = h12; p[13] = h13; p[14] = h14; p[15] = h15; p[16] = h16; p[17] = h17; p[18] = h18; p[19] = h19
        elif op == 1:  # SQR
            while n > 0:
                # b is p doubled, at most 16398: a pair of limbs i < j counts twice.
                b1 = p[1] << 1; b2 = p[2] << 1; b3 = p[3] << 1; b4 = p[4] << 1; b5 = p[5] << 1; b6 = p[6] << 1
                b7 = p[7] << 1; b8 = p[8] << 1; b9 = p[9] << 1; b10 = p[10] << 1; b11 = p[11] << 1; b12 = p[12] << 1
                b13 = p[13] << 1; b14 = p[14] << 1; b15 = p[15] << 1; b16 = p[16] << 1; b17 = p[17] << 1
                b18 = p[18] << 1; b19 = p[19] << 1
                # Columns 20 to 38, in units of 2^260, are carried into h0 to h19.
                # A column is at most 20 * 8199^2 = 1344472020, the carry into it below 2^18: less than 2^31.
                acc = 0
                acc = p[1] * b19 + acc; acc = p[2] * b18 + acc; acc = p[3] * b17 + acc; acc = p[4] * b16 + acc
                acc = p[5] * b15 + acc; acc = p[6] * b14 + acc; acc = p[7] * b13 + acc; acc = p[8] * b12 + acc
                acc = p[9] * b11 + acc; acc = p[10] * p[10] + acc; h0 = acc & m; acc = acc >> 13
                acc = p[2] * b19 + acc; acc = p[3] * b18 + acc; acc = p[4] * b17 + acc; acc = p[5] * b16 + acc
                acc = p[6] * b15 + acc; acc = p[7] * b14 + acc; acc = p[8] * b13 + acc; acc = p[9] * b12 + acc
                acc = p[10] * b11 + acc; h1 = acc & m; acc = acc >> 13
                acc = p[3] * b19 + acc; acc = p[4] * b18 + acc; acc = p[5] * b17 + acc; acc = p[6] * b16 + acc
                acc = p[7] * b15 + acc; acc = p[8] * b14 + acc; acc = p[9] * b13 + acc; acc = p[10] * b12 + acc
                acc = p[11] * p[11] + acc; h2 = acc & m; acc = acc >> 13
                acc = p[4] * b19 + acc; acc = p[5] * b18 + acc; acc = p[6] * b17 + acc; acc = p[7] * b16 + acc
                acc = p[8] * b15 + acc; acc = p[9] * b14 + acc; acc = p[10] * b13 + acc; acc = p[11] * b12 + acc
                h3 = acc & m; acc = acc >> 13
                acc = p[5] * b19 + acc; acc = p[6] * b18 + acc; acc = p[7] * b17 + acc; acc = p[8] * b16 + acc
                acc = p[9] * b15 + acc; acc = p[10] * b14 + acc; acc = p[11] * b13 + acc; acc = p[12] * p[12] + acc
                h4 = acc & m; acc = acc >> 13
                acc = p[6] * b19 + acc; acc = p[7] * b18 + acc; acc = p[8] * b17 + acc; acc = p[9] * b16 + acc
                acc = p[10] * b15 + acc; acc = p[11] * b14 + acc; acc = p[12] * b13 + acc; h5 = acc & m; acc = acc >> 13
                acc = p[7] * b19 + acc; acc = p[8] * b18 + acc; acc = p[9] * b17 + acc; acc = p[10] * b16 + acc
                acc = p[11] * b15 + acc; acc = p[12] * b14 + acc; acc = p[13] * p[13] + acc; h6 = acc & m
                acc = acc >> 13
                acc = p[8] * b19 + acc; acc = p[9] * b18 + acc; acc = p[10] * b17 + acc; acc = p[11] * b16 + acc
                acc = p[12] * b15 + acc; acc = p[13] * b14 + acc; h7 = acc & m; acc = acc >> 13
                acc = p[9] * b19 + acc; acc = p[10] * b18 + acc; acc = p[11] * b17 + acc; acc = p[12] * b16 + acc
                acc = p[13] * b15 + acc; acc = p[14] * p[14] + acc; h8 = acc & m; acc = acc >> 13
                acc = p[10] * b19 + acc; acc = p[11] * b18 + acc; acc = p[12] * b17 + acc; acc = p[13] * b16 + acc
                acc = p[14] * b15 + acc; h9 = acc & m; acc = acc >> 13
                acc = p[11] * b19 + acc; acc = p[12] * b18 + acc; acc = p[13] * b17 + acc; acc = p[14] * b16 + acc
                acc = p[15] * p[15] + acc; h10 = acc & m; acc = acc >> 13
                acc = p[12] * b19 + acc; acc = p[13] * b18 + acc; acc = p[14] * b17 + acc; acc = p[15] * b16 + acc
                h11 = acc & m; acc = acc >> 13
                acc = p[13] * b19 + acc; acc = p[14] * b18 + acc; acc = p[15] * b17 + acc; acc = p[16] * p[16] + acc
                h12 = acc & m; acc = acc >> 13
                acc = p[14] * b19 + acc; acc = p[15] * b18 + acc; acc = p[16] * b17 + acc; h13 = acc & m
                acc = acc >> 13
                acc = p[15] * b19 + acc; acc = p[16] * b18 + acc; acc = p[17] * p[17] + acc; h14 = acc & m
                acc = acc >> 13
                acc = p[16] * b19 + acc; acc = p[17] * b18 + acc; h15 = acc & m; acc = acc >> 13
                acc = p[17] * b19 + acc; acc = p[18] * p[18] + acc; h16 = acc & m; acc = acc >> 13
                acc = p[18] * b19 + acc; h17 = acc & m; acc = acc >> 13
                acc = p[19] * p[19] + acc; h18 = acc & m; acc = acc >> 13
                h19 = acc
                # Columns 0 to 19, and 608 * h, since 2^260 = 608 (mod p).
                # A limb of h is below 2^14 and 608 times it below 2^24: the sum is still less than 2^31.
                acc = 0
                acc = h0 * 608 + acc; acc = p[0] * p[0] + acc; h0 = acc & m; acc = acc >> 13
                acc = h1 * 608 + acc; acc = p[0] * b1 + acc; h1 = acc & m; acc = acc >> 13
                acc = h2 * 608 + acc; acc = p[0] * b2 + acc; acc = p[1] * p[1] + acc; h2 = acc & m; acc = acc >> 13
                acc = h3 * 608 + acc; acc = p[0] * b3 + acc; acc = p[1] * b2 + acc; h3 = acc & m; acc = acc >> 13
                acc = h4 * 608 + acc; acc = p[0] * b4 + acc; acc = p[1] * b3 + acc; acc = p[2] * p[2] + acc
                h4 = acc & m; acc = acc >> 13
                acc = h5 * 608 + acc; acc = p[0] * b5 + acc; acc = p[1] * b4 + acc; acc = p[2] * b3 + acc; h5 = acc & m
                acc = acc >> 13
                acc = h6 * 608 + acc; acc = p[0] * b6 + acc; acc = p[1] * b5 + acc; acc = p[2] * b4 + acc
                acc = p[3] * p[3] + acc; h6 = acc & m; acc = acc >> 13
                acc = h7 * 608 + acc; acc = p[0] * b7 + acc; acc = p[1] * b6 + acc; acc = p[2] * b5 + acc
                acc = p[3] * b4 + acc; h7 = acc & m; acc = acc >> 13
                acc = h8 * 608 + acc; acc = p[0] * b8 + acc; acc = p[1] * b7 + acc; acc = p[2] * b6 + acc
                acc = p[3] * b5 + acc; acc = p[4] * p[4] + acc; h8 = acc & m; acc = acc >> 13
                acc = h9 * 608 + acc; acc = p[0] * b9 + acc; acc = p[1] * b8 + acc; acc = p[2] * b7 + acc
                acc = p[3] * b6 + acc; acc = p[4] * b5 + acc; h9 = acc & m; acc = acc >> 13
                acc = h10 * 608 + acc; acc = p[0] * b10 + acc; acc = p[1] * b9 + acc; acc = p[2] * b8 + acc
                acc = p[3] * b7 + acc; acc = p[4] * b6 + acc; acc = p[5] * p[5] + acc; h10 = acc & m; acc = acc >> 13
                acc = h11 * 608 + acc; acc = p[0] * b11 + acc; acc = p[1] * b10 + acc; acc = p[2] * b9 + acc
                acc = p[3] * b8 + acc; acc = p[4] * b7 + acc; acc = p[5] * b6 + acc; h11 = acc & m; acc = acc >> 13
                acc = h12 * 608 + acc; acc = p[0] * b12 + acc; acc = p[1] * b11 + acc; acc = p[2] * b10 + acc
                acc = p[3] * b9 + acc; acc = p[4] * b8 + acc; acc = p[5] * b7 + acc; acc = p[6] * p[6] + acc
                h12 = acc & m; acc = acc >> 13
                acc = h13 * 608 + acc; acc = p[0] * b13 + acc; acc = p[1] * b12 + acc; acc = p[2] * b11 + acc
                acc = p[3] * b10 + acc; acc = p[4] * b9 + acc; acc = p[5] * b8 + acc; acc = p[6] * b7 + acc
                h13 = acc & m; acc = acc >> 13
                acc = h14 * 608 + acc; acc = p[0] * b14 + acc; acc = p[1] * b13 + acc; acc = p[2] * b12 + acc
                acc = p[3] * b11 + acc; acc = p[4] * b10 + acc; acc = p[5] * b9 + acc; acc = p[6] * b8 + acc
                acc = p[7] * p[7] + acc; h14 = acc & m; acc = acc >> 13
                acc = h15 * 608 + acc; acc = p[0] * b15 + acc; acc = p[1] * b14 + acc; acc = p[2] * b13 + acc
                acc = p[3] * b12 + acc; acc = p[4] * b11 + acc; acc = p[5] * b10 + acc; acc = p[6] * b9 + acc
                acc = p[7] * b8 + acc; h15 = acc & m; acc = acc >> 13
                acc = h16 * 608 + acc; acc = p[0] * b16 + acc; acc = p[1] * b15 + acc; acc = p[2] * b14 + acc
                acc = p[3] * b13 + acc; acc = p[4] * b12 + acc; acc = p[5] * b11 + acc; acc = p[6] * b10 + acc
                acc = p[7] * b9 + acc; acc = p[8] * p[8] + acc; h16 = acc & m; acc = acc >> 13
                acc = h17 * 608 + acc; acc = p[0] * b17 + acc; acc = p[1] * b16 + acc; acc = p[2] * b15 + acc
                acc = p[3] * b14 + acc; acc = p[4] * b13 + acc; acc = p[5] * b12 + acc; acc = p[6] * b11 + acc
                acc = p[7] * b10 + acc; acc = p[8] * b9 + acc; h17 = acc & m; acc = acc >> 13
                acc = h18 * 608 + acc; acc = p[0] * b18 + acc; acc = p[1] * b17 + acc; acc = p[2] * b16 + acc
                acc = p[3] * b15 + acc; acc = p[4] * b14 + acc; acc = p[5] * b13 + acc; acc = p[6] * b12 + acc
                acc = p[7] * b11 + acc; acc = p[8] * b10 + acc; acc = p[9] * p[9] + acc; h18 = acc & m; acc = acc >> 13
                acc = h19 * 608 + acc; acc = p[0] * b19 + acc; acc = p[1] * b18 + acc; acc = p[2] * b17 + acc
                acc = p[3] * b16 + acc; acc = p[4] * b15 + acc; acc = p[5] * b14 + acc; acc = p[6] * b13 + acc
                acc = p[7] * b12 + acc; acc = p[8] * b11 + acc; acc = p[9] * b10 + acc; h19 = acc & m; acc = acc >> 13
                # The last carry is below 165000. 608 times it, over 2^13, plus h1 is below 3 * 2^13:
                # h2 gets 2 at most.
                acc = acc * 608 + h0; p = r; p[0] = acc & m; acc = (acc >> 13) + h1; p[1] = acc & m
                p[2] = (acc >> 13) + h2; p[3] = h3; p[4] = h4; p[5] = h5; p[6] = h6; p[7] = h7; p[8] = h8; p[9] = h9
                p[10] = h10; p[11] = h11; p[12] = h12; p[13] = h13; p[14] = h14; p[15] = h15; p[16] = h16; p[17] = h17
                p[18] = h18; p[19] = h19
                n -= 1
        elif op == 2:  # ADD
            # A sum of limbs is at most 16398 and a carry, the last carry at most 2.
            acc = 0; acc = p[0] + acc; acc = q[0] + acc; r[0] = acc & m; acc = acc >> 13; acc = p[1] + acc
            acc = q[1] + acc; r[1] = acc & m; acc = acc >> 13; acc = p[2] + acc; acc = q[2] + acc; r[2] = acc & m
            acc = acc >> 13; acc = p[3] + acc; acc = q[3] + acc; r[3] = acc & m; acc = acc >> 13; acc = p[4] + acc
            acc = q[4] + acc; r[4] = acc & m; acc = acc >> 13; acc = p[5] + acc; acc = q[5] + acc; r[5] = acc & m
            acc = acc >> 13; acc = p[6] + acc; acc = q[6] + acc; r[6] = acc & m; acc = acc >> 13; acc = p[7] + acc
            acc = q[7] + acc; r[7] = acc & m; acc = acc >> 13; acc = p[8] + acc; acc = q[8] + acc; r[8] = acc & m
            acc = acc >> 13; acc = p[9] + acc; acc = q[9] + acc; r[9] = acc & m; acc = acc >> 13; acc = p[10] + acc
            acc = q[10] + acc; r[10] = acc & m; acc = acc >> 13; acc = p[11] + acc; acc = q[11] + acc; r[11] = acc & m
            acc = acc >> 13; acc = p[12] + acc; acc = q[12] + acc; r[12] = acc & m; acc = acc >> 13; acc = p[13] + acc
            acc = q[13] + acc; r[13] = acc & m; acc = acc >> 13; acc = p[14] + acc; acc = q[14] + acc; r[14] = acc & m
            acc = acc >> 13; acc = p[15] + acc; acc = q[15] + acc; r[15] = acc & m; acc = acc >> 13; acc = p[16] + acc
            acc = q[16] + acc; r[16] = acc & m; acc = acc >> 13; acc = p[17] + acc; acc = q[17] + acc; r[17] = acc & m
            acc = acc >> 13; acc = p[18] + acc; acc = q[18] + acc; r[18] = acc & m; acc = acc >> 13; acc = p[19] + acc
            acc = q[19] + acc; r[19] = acc & m; acc = acc >> 13
            # At most 2 * 608 on limb 0, so 1 carried to limb 1.
            acc = acc * 608 + r[0]; r[0] = acc & m; r[1] = (acc >> 13) + r[1]
        elif op == 3:  # SUB
            # acc may be negative: >> rounds down and & keeps what is left. The last carry would be -2 at least, so what
            # is 0 (mod p), 2 * (2^260 - 608), is added: -1216 at the start, 2 on the last carry.
            acc = -1216; acc = p[0] + acc; acc = acc - q[0]; r[0] = acc & m; acc = acc >> 13; acc = p[1] + acc
            acc = acc - q[1]; r[1] = acc & m; acc = acc >> 13; acc = p[2] + acc; acc = acc - q[2]; r[2] = acc & m
            acc = acc >> 13; acc = p[3] + acc; acc = acc - q[3]; r[3] = acc & m; acc = acc >> 13; acc = p[4] + acc
            acc = acc - q[4]; r[4] = acc & m; acc = acc >> 13; acc = p[5] + acc; acc = acc - q[5]; r[5] = acc & m
            acc = acc >> 13; acc = p[6] + acc; acc = acc - q[6]; r[6] = acc & m; acc = acc >> 13; acc = p[7] + acc
            acc = acc - q[7]; r[7] = acc & m; acc = acc >> 13; acc = p[8] + acc; acc = acc - q[8]; r[8] = acc & m
            acc = acc >> 13; acc = p[9] + acc; acc = acc - q[9]; r[9] = acc & m; acc = acc >> 13; acc = p[10] + acc
            acc = acc - q[10]; r[10] = acc & m; acc = acc >> 13; acc = p[11] + acc; acc = acc - q[11]; r[11] = acc & m
            acc = acc >> 13; acc = p[12] + acc; acc = acc - q[12]; r[12] = acc & m; acc = acc >> 13; acc = p[13] + acc
            acc = acc - q[13]; r[13] = acc & m; acc = acc >> 13; acc = p[14] + acc; acc = acc - q[14]; r[14] = acc & m
            acc = acc >> 13; acc = p[15] + acc; acc = acc - q[15]; r[15] = acc & m; acc = acc >> 13; acc = p[16] + acc
            acc = acc - q[16]; r[16] = acc & m; acc = acc >> 13; acc = p[17] + acc; acc = acc - q[17]; r[17] = acc & m
            acc = acc >> 13; acc = p[18] + acc; acc = acc - q[18]; r[18] = acc & m; acc = acc >> 13; acc = p[19] + acc
            acc = acc - q[19]; r[19] = acc & m; acc = acc >> 13
            # 0 to 3 * 608 on limb 0, so 0 or 1 carried to limb 1.
            acc = (acc + 2) * 608 + r[0]; r[0] = acc & m; r[1] = (acc >> 13) + r[1]
        elif op == 4:  # LOAD
            # acc holds fewer than 13 + 8 bits.
            d = ptr8(int(data) + at + 32 * n); acc = 0; acc = d[0] + acc; acc = (d[1] << 8) + acc; r[0] = acc & m
            acc = acc >> 13; acc = (d[2] << 3) + acc; acc = (d[3] << 11) + acc; r[1] = acc & m; acc = acc >> 13
            acc = (d[4] << 6) + acc; r[2] = acc & m; acc = acc >> 13; acc = (d[5] << 1) + acc; acc = (d[6] << 9) + acc
            r[3] = acc & m; acc = acc >> 13; acc = (d[7] << 4) + acc; acc = (d[8] << 12) + acc; r[4] = acc & m
            acc = acc >> 13; acc = (d[9] << 7) + acc; r[5] = acc & m; acc = acc >> 13; acc = (d[10] << 2) + acc
            acc = (d[11] << 10) + acc; r[6] = acc & m; acc = acc >> 13; acc = (d[12] << 5) + acc; r[7] = acc & m
            acc = acc >> 13; acc = d[13] + acc; acc = (d[14] << 8) + acc; r[8] = acc & m; acc = acc >> 13
            acc = (d[15] << 3) + acc; acc = (d[16] << 11) + acc; r[9] = acc & m; acc = acc >> 13
            acc = (d[17] << 6) + acc; r[10] = acc & m; acc = acc >> 13; acc = (d[18] << 1) + acc
            acc = (d[19] << 9) + acc; r[11] = acc & m; acc = acc >> 13; acc = (d[20] << 4) + acc
            acc = (d[21] << 12) + acc; r[12] = acc & m; acc = acc >> 13; acc = (d[22] << 7) + acc; r[13] = acc & m
            acc = acc >> 13; acc = (d[23] << 2) + acc; acc = (d[24] << 10) + acc; r[14] = acc & m; acc = acc >> 13
            acc = (d[25] << 5) + acc; r[15] = acc & m; acc = acc >> 13; acc = d[26] + acc; acc = (d[27] << 8) + acc
            r[16] = acc & m; acc = acc >> 13; acc = (d[28] << 3) + acc; acc = (d[29] << 11) + acc; r[17] = acc & m
            acc = acc >> 13; acc = (d[30] << 6) + acc; r[18] = acc & m; acc = acc >> 13
            acc = ((d[31] & 127) << 1) + acc; r[19] = acc
        elif op == 5:  # SMALL
            # 8199 * 121666 + 2^18 is below 2^30. The last carry is below 2^17, 608 times it below 2^27:
            # at most 2^14 is carried to limb 1, so at most 2 to limb 2.
            acc = 0
            k = 0
            while k < 20:
                acc = p[k] * 121666 + acc
                r[k] = acc & m
                acc = acc >> 13
                k += 1
            acc = acc * 608 + r[0]; r[0] = acc & m; acc = (acc >> 13) + r[1]; r[1] = acc & m
            r[2] = (acc >> 13) + r[2]
        else:  # SWAP
            # n is 0 or 1, a bit of a secret: the mask is all zeros or all ones, and no branch depends on it.
            n = 0 - n
            k = 0
            while k < 20:
                acc = (p[k] ^ r[k]) & n
                p[k] = p[k] ^ acc
                r[k] = r[k] ^ acc
                k += 1
