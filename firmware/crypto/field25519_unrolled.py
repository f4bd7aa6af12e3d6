"""The field machine's operations in viper code, unrolled. Written by tools/make_crypto.py: change that, not this file.

Part of field25519_viper.py; what each operation means stands at the twin, in field25519_plain.py.

A number is 20 limbs of 13 bits, least significant first, in 16 bits of memory each.
Invariant: every limb in memory is below 8200. LOAD writes at most 8191; beside each other operation stands why its
result keeps the invariant if its operands do, and why no sum on the way reaches 2^32, nor 2^31 if it is an int.

MUL is one step of Karatsuba's method. With x = 2^130 and numbers cut into halves, A + B * x and C + D * x:
    (A + B * x) * (C + D * x) = A * C + ((A + B) * (C + D) - A * C - B * D) * x + B * D * x^2
That is three products of 10 by 10 limbs instead of four, and the same lines of code do all three. SQR has its
own lines for the three and shares the rest. The products' columns, not yet carried, are in the room of 7 slots
before slot 0.
"""
# ruff: noqa: E702, F821
# pyright: reportUndefinedVariable=false, reportArgumentType=false, reportPossiblyUnboundVariable=false
# fmt: off

import micropython


@micropython.viper
def run(acc: uint, p: ptr16, memory: ptr16, program: ptr8, length: int, data: ptr8, at: int):
    # acc and p are worked with and come first because viper keeps the first two parameters in registers.
    m = 8191
    sums = int(memory) + 240
    base = int(memory) + 280
    pc = int(program)
    end = pc + length
    while pc < end:
        p = ptr16(pc)
        pc += 4
        op = ptr8(p)[0]
        r = ptr16(ptr8(p)[1] * 40 + base)
        n = ptr8(p)[3]
        q = ptr32(n * 40 + base)
        p = ptr16(ptr8(p)[2] * 40 + base)
        if op < 2:  # MUL, SQR
            if not op:
                n = 1
            while n:
                # Limbs of the sums of halves are at most 16398: words add up as their limbs do.
                a = int(p); t = ptr32(sums)
                acc = uint(ptr32(p)[0]); t[0] = ptr32(p)[5] + acc; acc = uint(ptr32(p)[1]); t[1] = ptr32(p)[6] + acc
                acc = uint(ptr32(p)[2]); t[2] = ptr32(p)[7] + acc; acc = uint(ptr32(p)[3]); t[3] = ptr32(p)[8] + acc
                acc = uint(ptr32(p)[4]); t[4] = ptr32(p)[9] + acc
                if not op:
                    b = int(q); p = ptr16(q)
                    acc = uint(ptr32(p)[0]); t[5] = ptr32(p)[5] + acc; acc = uint(ptr32(p)[1]); t[6] = ptr32(p)[6] + acc
                    acc = uint(ptr32(p)[2]); t[7] = ptr32(p)[7] + acc; acc = uint(ptr32(p)[3]); t[8] = ptr32(p)[8] + acc
                    acc = uint(ptr32(p)[4]); t[9] = ptr32(p)[9] + acc
                # In three rounds x and y are the halves to multiply, and z is the place for the product.
                # A column is at most 10 * 8199^2 = 672236010, and of sums four times that, 2688944040: below 2^32.
                x = sums; y = sums + 20; z = ptr32(memory)
                while int(z) < sums:
                    if not op:
                        p = ptr16(y); b0 = p[0]; b1 = p[1]; b2 = p[2]; b3 = p[3]; b4 = p[4]; b5 = p[5]; b6 = p[6]
                        b7 = p[7]; b8 = p[8]; b9 = p[9]; p = ptr16(x)
                        acc = uint(p[0] * b0); z[0] = acc; acc = uint(p[0] * b1); acc = uint(p[1] * b0) + acc
                        z[1] = acc; acc = uint(p[0] * b2); acc = uint(p[1] * b1) + acc; acc = uint(p[2] * b0) + acc
                        z[2] = acc; acc = uint(p[0] * b3); acc = uint(p[1] * b2) + acc; acc = uint(p[2] * b1) + acc
                        acc = uint(p[3] * b0) + acc; z[3] = acc; acc = uint(p[0] * b4); acc = uint(p[1] * b3) + acc
                        acc = uint(p[2] * b2) + acc; acc = uint(p[3] * b1) + acc; acc = uint(p[4] * b0) + acc
                        z[4] = acc; acc = uint(p[0] * b5); acc = uint(p[1] * b4) + acc; acc = uint(p[2] * b3) + acc
                        acc = uint(p[3] * b2) + acc; acc = uint(p[4] * b1) + acc; acc = uint(p[5] * b0) + acc
                        z[5] = acc; acc = uint(p[0] * b6); acc = uint(p[1] * b5) + acc; acc = uint(p[2] * b4) + acc
                        acc = uint(p[3] * b3) + acc; acc = uint(p[4] * b2) + acc; acc = uint(p[5] * b1) + acc
                        acc = uint(p[6] * b0) + acc; z[6] = acc; acc = uint(p[0] * b7); acc = uint(p[1] * b6) + acc
                        acc = uint(p[2] * b5) + acc; acc = uint(p[3] * b4) + acc; acc = uint(p[4] * b3) + acc
                        acc = uint(p[5] * b2) + acc; acc = uint(p[6] * b1) + acc; acc = uint(p[7] * b0) + acc
                        z[7] = acc; acc = uint(p[0] * b8); acc = uint(p[1] * b7) + acc; acc = uint(p[2] * b6) + acc
                        acc = uint(p[3] * b5) + acc; acc = uint(p[4] * b4) + acc; acc = uint(p[5] * b3) + acc
                        acc = uint(p[6] * b2) + acc; acc = uint(p[7] * b1) + acc; acc = uint(p[8] * b0) + acc
                        z[8] = acc; acc = uint(p[0] * b9); acc = uint(p[1] * b8) + acc; acc = uint(p[2] * b7) + acc
                        acc = uint(p[3] * b6) + acc; acc = uint(p[4] * b5) + acc; acc = uint(p[5] * b4) + acc
                        acc = uint(p[6] * b3) + acc; acc = uint(p[7] * b2) + acc; acc = uint(p[8] * b1) + acc
                        acc = uint(p[9] * b0) + acc; z[9] = acc; acc = uint(p[1] * b9); acc = uint(p[2] * b8) + acc
                        acc = uint(p[3] * b7) + acc; acc = uint(p[4] * b6) + acc; acc = uint(p[5] * b5) + acc
                        acc = uint(p[6] * b4) + acc; acc = uint(p[7] * b3) + acc; acc = uint(p[8] * b2) + acc
                        acc = uint(p[9] * b1) + acc; z[10] = acc; acc = uint(p[2] * b9); acc = uint(p[3] * b8) + acc
                        acc = uint(p[4] * b7) + acc; acc = uint(p[5] * b6) + acc; acc = uint(p[6] * b5) + acc
                        acc = uint(p[7] * b4) + acc; acc = uint(p[8] * b3) + acc; acc = uint(p[9] * b2) + acc
                        z[11] = acc; acc = uint(p[3] * b9); acc = uint(p[4] * b8) + acc; acc = uint(p[5] * b7) + acc
                        acc = uint(p[6] * b6) + acc; acc = uint(p[7] * b5) + acc; acc = uint(p[8] * b4) + acc
                        acc = uint(p[9] * b3) + acc; z[12] = acc; acc = uint(p[4] * b9); acc = uint(p[5] * b8) + acc
                        acc = uint(p[6] * b7) + acc; acc = uint(p[7] * b6) + acc; acc = uint(p[8] * b5) + acc
                        acc = uint(p[9] * b4) + acc; z[13] = acc; acc = uint(p[5] * b9); acc = uint(p[6] * b8) + acc
                        acc = uint(p[7] * b7) + acc; acc = uint(p[8] * b6) + acc; acc = uint(p[9] * b5) + acc
                        z[14] = acc; acc = uint(p[6] * b9); acc = uint(p[7] * b8) + acc; acc = uint(p[8] * b7) + acc
                        acc = uint(p[9] * b6) + acc; z[15] = acc; acc = uint(p[7] * b9); acc = uint(p[8] * b8) + acc
                        acc = uint(p[9] * b7) + acc; z[16] = acc; acc = uint(p[8] * b9); acc = uint(p[9] * b8) + acc
                        z[17] = acc; acc = uint(p[9] * b9); z[18] = acc; y = b; b += 20
                    else:
                        # b is p doubled: a pair of limbs i < j counts twice.
                        p = ptr16(x); b1 = p[1] << 1; b2 = p[2] << 1; b3 = p[3] << 1; b4 = p[4] << 1; b5 = p[5] << 1
                        b6 = p[6] << 1; b7 = p[7] << 1; b8 = p[8] << 1; b9 = p[9] << 1; acc = uint(p[0] * p[0])
                        z[0] = acc; acc = uint(p[0] * b1); z[1] = acc; acc = uint(p[0] * b2)
                        acc = uint(p[1] * p[1]) + acc; z[2] = acc; acc = uint(p[0] * b3); acc = uint(p[1] * b2) + acc
                        z[3] = acc; acc = uint(p[0] * b4); acc = uint(p[1] * b3) + acc; acc = uint(p[2] * p[2]) + acc
                        z[4] = acc; acc = uint(p[0] * b5); acc = uint(p[1] * b4) + acc; acc = uint(p[2] * b3) + acc
                        z[5] = acc; acc = uint(p[0] * b6); acc = uint(p[1] * b5) + acc; acc = uint(p[2] * b4) + acc
                        acc = uint(p[3] * p[3]) + acc; z[6] = acc; acc = uint(p[0] * b7); acc = uint(p[1] * b6) + acc
                        acc = uint(p[2] * b5) + acc; acc = uint(p[3] * b4) + acc; z[7] = acc; acc = uint(p[0] * b8)
                        acc = uint(p[1] * b7) + acc; acc = uint(p[2] * b6) + acc; acc = uint(p[3] * b5) + acc
                        acc = uint(p[4] * p[4]) + acc; z[8] = acc; acc = uint(p[0] * b9); acc = uint(p[1] * b8) + acc
                        acc = uint(p[2] * b7) + acc; acc = uint(p[3] * b6) + acc; acc = uint(p[4] * b5) + acc
                        z[9] = acc; acc = uint(p[1] * b9); acc = uint(p[2] * b8) + acc; acc = uint(p[3] * b7) + acc
                        acc = uint(p[4] * b6) + acc; acc = uint(p[5] * p[5]) + acc; z[10] = acc; acc = uint(p[2] * b9)
                        acc = uint(p[3] * b8) + acc; acc = uint(p[4] * b7) + acc; acc = uint(p[5] * b6) + acc
                        z[11] = acc; acc = uint(p[3] * b9); acc = uint(p[4] * b8) + acc; acc = uint(p[5] * b7) + acc
                        acc = uint(p[6] * p[6]) + acc; z[12] = acc; acc = uint(p[4] * b9); acc = uint(p[5] * b8) + acc
                        acc = uint(p[6] * b7) + acc; z[13] = acc; acc = uint(p[5] * b9); acc = uint(p[6] * b8) + acc
                        acc = uint(p[7] * p[7]) + acc; z[14] = acc; acc = uint(p[6] * b9); acc = uint(p[7] * b8) + acc
                        z[15] = acc; acc = uint(p[7] * b9); acc = uint(p[8] * p[8]) + acc; z[16] = acc
                        acc = uint(p[8] * b9); z[17] = acc; acc = uint(p[9] * p[9]); z[18] = acc
                    x = a; a += 20; z = ptr32(int(z) + 80)
                # Columns 20 to 39, in units of 2^260. The last one is but a carry.
                # A column is at most 20 * 8199^2 = 1344472020, the carry into it below 2^18: less than 2^31. Before the
                # subtraction it is at most 2688944040 and the carry, less than 2^32: together the two columns have 10
                # products, of which those of sums count four times.
                p = memory; acc = uint(0); acc = (acc >> 13) + ptr32(p)[40] + ptr32(p)[10] - ptr32(p)[30] - ptr32(p)[50]
                ptr32(p)[10] = acc; acc = (acc >> 13) + ptr32(p)[41] + ptr32(p)[11] - ptr32(p)[31] - ptr32(p)[51]
                ptr32(p)[11] = acc; acc = (acc >> 13) + ptr32(p)[42] + ptr32(p)[12] - ptr32(p)[32] - ptr32(p)[52]
                ptr32(p)[12] = acc; acc = (acc >> 13) + ptr32(p)[43] + ptr32(p)[13] - ptr32(p)[33] - ptr32(p)[53]
                ptr32(p)[13] = acc; acc = (acc >> 13) + ptr32(p)[44] + ptr32(p)[14] - ptr32(p)[34] - ptr32(p)[54]
                ptr32(p)[14] = acc; acc = (acc >> 13) + ptr32(p)[45] + ptr32(p)[15] - ptr32(p)[35] - ptr32(p)[55]
                ptr32(p)[15] = acc; acc = (acc >> 13) + ptr32(p)[46] + ptr32(p)[16] - ptr32(p)[36] - ptr32(p)[56]
                ptr32(p)[16] = acc; acc = (acc >> 13) + ptr32(p)[47] + ptr32(p)[17] - ptr32(p)[37] - ptr32(p)[57]
                ptr32(p)[17] = acc; acc = (acc >> 13) + ptr32(p)[48] + ptr32(p)[18] - ptr32(p)[38] - ptr32(p)[58]
                ptr32(p)[18] = acc; acc = (acc >> 13) + ptr32(p)[49]; ptr32(p)[19] = acc
                acc = (acc >> 13) + ptr32(p)[50]; ptr32(p)[50] = acc; acc = (acc >> 13) + ptr32(p)[51]
                ptr32(p)[51] = acc; acc = (acc >> 13) + ptr32(p)[52]; ptr32(p)[52] = acc
                acc = (acc >> 13) + ptr32(p)[53]; ptr32(p)[53] = acc; acc = (acc >> 13) + ptr32(p)[54]
                ptr32(p)[54] = acc; acc = (acc >> 13) + ptr32(p)[55]; ptr32(p)[55] = acc
                acc = (acc >> 13) + ptr32(p)[56]; ptr32(p)[56] = acc; acc = (acc >> 13) + ptr32(p)[57]
                ptr32(p)[57] = acc; acc = (acc >> 13) + ptr32(p)[58]; ptr32(p)[58] = acc; acc = (acc >> 13)
                ptr32(p)[59] = acc
                # Columns 0 to 19, and 608 times those, since 2^260 = 608 (mod p).
                # What those keep is below 2^14 and 608 times it below 2^24: the sum is still less than 2^31.
                acc = uint(0); acc = (acc >> 13) + ptr32(p)[20]; acc = uint((ptr32(p)[10] & m) * 608) + acc
                r[0] = acc & m; acc = (acc >> 13) + ptr32(p)[21]; acc = uint((ptr32(p)[11] & m) * 608) + acc
                r[1] = acc & m; acc = (acc >> 13) + ptr32(p)[22]; acc = uint((ptr32(p)[12] & m) * 608) + acc
                r[2] = acc & m; acc = (acc >> 13) + ptr32(p)[23]; acc = uint((ptr32(p)[13] & m) * 608) + acc
                r[3] = acc & m; acc = (acc >> 13) + ptr32(p)[24]; acc = uint((ptr32(p)[14] & m) * 608) + acc
                r[4] = acc & m; acc = (acc >> 13) + ptr32(p)[25]; acc = uint((ptr32(p)[15] & m) * 608) + acc
                r[5] = acc & m; acc = (acc >> 13) + ptr32(p)[26]; acc = uint((ptr32(p)[16] & m) * 608) + acc
                r[6] = acc & m; acc = (acc >> 13) + ptr32(p)[27]; acc = uint((ptr32(p)[17] & m) * 608) + acc
                r[7] = acc & m; acc = (acc >> 13) + ptr32(p)[28]; acc = uint((ptr32(p)[18] & m) * 608) + acc
                r[8] = acc & m; acc = (acc >> 13) + ptr32(p)[29]; acc = uint((ptr32(p)[19] & m) * 608) + acc
                r[9] = acc & m; acc = (acc >> 13) + ptr32(p)[30] + ptr32(p)[0] - ptr32(p)[20] - ptr32(p)[40]
                acc = uint((ptr32(p)[50] & m) * 608) + acc; r[10] = acc & m
                acc = (acc >> 13) + ptr32(p)[31] + ptr32(p)[1] - ptr32(p)[21] - ptr32(p)[41]
                acc = uint((ptr32(p)[51] & m) * 608) + acc; r[11] = acc & m
                acc = (acc >> 13) + ptr32(p)[32] + ptr32(p)[2] - ptr32(p)[22] - ptr32(p)[42]
                acc = uint((ptr32(p)[52] & m) * 608) + acc; r[12] = acc & m
                acc = (acc >> 13) + ptr32(p)[33] + ptr32(p)[3] - ptr32(p)[23] - ptr32(p)[43]
                acc = uint((ptr32(p)[53] & m) * 608) + acc; r[13] = acc & m
                acc = (acc >> 13) + ptr32(p)[34] + ptr32(p)[4] - ptr32(p)[24] - ptr32(p)[44]
                acc = uint((ptr32(p)[54] & m) * 608) + acc; r[14] = acc & m
                acc = (acc >> 13) + ptr32(p)[35] + ptr32(p)[5] - ptr32(p)[25] - ptr32(p)[45]
                acc = uint((ptr32(p)[55] & m) * 608) + acc; r[15] = acc & m
                acc = (acc >> 13) + ptr32(p)[36] + ptr32(p)[6] - ptr32(p)[26] - ptr32(p)[46]
                acc = uint((ptr32(p)[56] & m) * 608) + acc; r[16] = acc & m
                acc = (acc >> 13) + ptr32(p)[37] + ptr32(p)[7] - ptr32(p)[27] - ptr32(p)[47]
                acc = uint((ptr32(p)[57] & m) * 608) + acc; r[17] = acc & m
                acc = (acc >> 13) + ptr32(p)[38] + ptr32(p)[8] - ptr32(p)[28] - ptr32(p)[48]
                acc = uint((ptr32(p)[58] & m) * 608) + acc; r[18] = acc & m
                acc = (acc >> 13) + ptr32(p)[9] - ptr32(p)[29] - ptr32(p)[49]; acc = uint(ptr32(p)[59] * 608) + acc
                r[19] = acc & m
                # The last carry is below 165000. 608 times it, over 2^13, plus limb 1 is below 3 * 2^13: limb 2 gets 2
                # at most.
                p = r; acc = (acc >> 13) * 608 + p[0]; p[0] = acc & m; acc = (acc >> 13) + p[1]; p[1] = acc & m
                p[2] = (acc >> 13) + p[2]
                n -= 1
        elif op < 4:  # ADD, SUB
            f = 0; w = 0; v = 0
            if op == 3:
                # Instead of taking off a limb q, 16382 - q is added: (q ^ 16383) - 1, as q is below 2^14.
                # All in all this makes 2 * (2^260 - 1) too much, 1214 (mod p), to be taken off limb 0.
                f = 1073692671; w = 65537; v = w + 1214
            # A sum of limbs is from 0 to 24581, a carry at most 3: below 2^15, and so a word below 2^31.
            u = 536813567; acc = uint(ptr32(p)[0]); acc = uint(q[0] ^ f) + acc - v; acc = ((acc & 57344) << 3) + acc
            ptr32(r)[0] = acc & u; acc = (acc >> 29) + ptr32(p)[1]; acc = uint(q[1] ^ f) + acc - w
            acc = ((acc & 57344) << 3) + acc; ptr32(r)[1] = acc & u; acc = (acc >> 29) + ptr32(p)[2]
            acc = uint(q[2] ^ f) + acc - w; acc = ((acc & 57344) << 3) + acc; ptr32(r)[2] = acc & u
            acc = (acc >> 29) + ptr32(p)[3]; acc = uint(q[3] ^ f) + acc - w; acc = ((acc & 57344) << 3) + acc
            ptr32(r)[3] = acc & u; acc = (acc >> 29) + ptr32(p)[4]; acc = uint(q[4] ^ f) + acc - w
            acc = ((acc & 57344) << 3) + acc; ptr32(r)[4] = acc & u; acc = (acc >> 29) + ptr32(p)[5]
            acc = uint(q[5] ^ f) + acc - w; acc = ((acc & 57344) << 3) + acc; ptr32(r)[5] = acc & u
            acc = (acc >> 29) + ptr32(p)[6]; acc = uint(q[6] ^ f) + acc - w; acc = ((acc & 57344) << 3) + acc
            ptr32(r)[6] = acc & u; acc = (acc >> 29) + ptr32(p)[7]; acc = uint(q[7] ^ f) + acc - w
            acc = ((acc & 57344) << 3) + acc; ptr32(r)[7] = acc & u; acc = (acc >> 29) + ptr32(p)[8]
            acc = uint(q[8] ^ f) + acc - w; acc = ((acc & 57344) << 3) + acc; ptr32(r)[8] = acc & u
            acc = (acc >> 29) + ptr32(p)[9]; acc = uint(q[9] ^ f) + acc - w; acc = ((acc & 57344) << 3) + acc
            ptr32(r)[9] = acc & u
            # The last carry adds at most 3 * 608 to limb 0, so 1 is carried to limb 1.
            acc = (acc >> 29) * 608 + r[0]; r[0] = acc & m; r[1] = (acc >> 13) + r[1]
        elif op == 4:  # LOAD
            # acc holds fewer than 13 + 8 bits.
            p = ptr16(int(data) + at + 32 * n); acc = uint(0); k = 2
            while True:
                acc = uint(ptr8(p)[0]) + acc; acc = uint(ptr8(p)[1] << 8) + acc; r[0] = acc & m; acc = acc >> 13
                acc = uint(ptr8(p)[2] << 3) + acc; acc = uint(ptr8(p)[3] << 11) + acc; r[1] = acc & m; acc = acc >> 13
                acc = uint(ptr8(p)[4] << 6) + acc; r[2] = acc & m; acc = acc >> 13; acc = uint(ptr8(p)[5] << 1) + acc
                if k == 0:
                    # without the top bit
                    r[3] = acc & 255; break
                acc = uint(ptr8(p)[6] << 9) + acc; r[3] = acc & m; acc = acc >> 13; acc = uint(ptr8(p)[7] << 4) + acc
                acc = uint(ptr8(p)[8] << 12) + acc; r[4] = acc & m; acc = acc >> 13; acc = uint(ptr8(p)[9] << 7) + acc
                r[5] = acc & m; acc = acc >> 13; acc = uint(ptr8(p)[10] << 2) + acc; acc = uint(ptr8(p)[11] << 10) + acc
                r[6] = acc & m; acc = acc >> 13; acc = uint(ptr8(p)[12] << 5) + acc; r[7] = acc & m; acc = acc >> 13
                p = ptr16(int(p) + 13); r = ptr16(int(r) + 16); k -= 1
        elif op == 5:  # SMALL
            # 8199 * 121666 + 2^18 is below 2^30. The last carry is below 2^17, 608 times it below 2^27:
            # at most 2^14 is carried to limb 1, so at most 2 to limb 2.
            acc = uint(0)
            k = 0
            while k < 20:
                acc = uint(p[k] * 121666) + acc
                r[k] = acc & m
                acc = acc >> 13
                k += 1
            acc = acc * 608 + r[0]; r[0] = acc & m; acc = (acc >> 13) + r[1]; r[1] = acc & m
            r[2] = (acc >> 13) + r[2]
        else:  # SWAP
            # n is 0 or 1, a bit of a secret: the mask is all zeros or all ones, and no branch depends on it.
            n = 0 - n
            k = 0
            while k < 10:
                acc = uint((ptr32(p)[k] ^ ptr32(r)[k]) & n)
                ptr32(p)[k] = ptr32(p)[k] ^ acc
                ptr32(r)[k] = ptr32(r)[k] ^ acc
                k += 1
