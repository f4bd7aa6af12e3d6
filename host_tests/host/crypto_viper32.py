"""A stand-in for MicroPython's viper emitter on a 32-bit board, which raises where a board would go wrong silently.

Viper code is read from its file and run with checked numbers: an `int` that leaves 32 bits raises Overflow. A `uint`
wraps to 32 bits, as it may be meant to: how often is counted. A load of 32 bits is signed. A store of 16 bits must fit
(the limbs of a number are neither negative nor cut off); stores of 8 and 32 bits keep the low bits. Pointers and
comparisons follow viper's rules.
"""

import ast
import types
from pathlib import Path
from typing import Any

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
_SPACE = 1 << 20  # addresses per buffer


class Overflow(Exception):
    """A value does not fit where the code puts it."""


class Int(int):
    """viper's `int`: 32 bits, signed."""

    largest = 0  # of all values seen, by magnitude

    def __new__(cls, value):
        value = int(value)
        if not -(1 << 31) <= value < 1 << 31:
            raise Overflow(value)
        Int.largest = max(Int.largest, abs(value))
        return super().__new__(cls, value)


class Uint(int):
    """viper's `uint`: 32 bits, unsigned, modulo 2^32."""

    largest = 0  # of all values seen
    wrapped = 0  # values that left 32 bits, an `int` added to or taken from them counting as its bits do

    def __new__(cls, value):
        number = int(value) & 0xFFFFFFFF
        Uint.wrapped += number != int(value)
        Uint.largest = max(Uint.largest, number)
        return super().__new__(cls, number)


def _operator(kind, name):
    plain = getattr(int, name)

    def operate(self, other):
        if not isinstance(other, Int | Uint):
            raise TypeError(f"{name} with {type(other)}")
        if name in ("__lshift__", "__rshift__") and not 0 <= int(other) < 32:
            raise Overflow(other)
        return kind(plain(self, int(other) & 0xFFFFFFFF if kind is Uint else other))

    return operate


def _comparison(kind, name):
    plain = getattr(int, name)

    def compare(self, other):
        if type(other) is not kind:
            raise TypeError("comparison of int and uint")
        return plain(self, other)

    return compare


for _kind in (Int, Uint):
    for _name in ("add", "sub", "mul", "and", "or", "xor", "lshift", "rshift"):
        setattr(_kind, f"__{_name}__", _operator(_kind, f"__{_name}__"))
    for _name in ("lt", "le", "gt", "ge"):
        setattr(_kind, f"__{_name}__", _comparison(_kind, f"__{_name}__"))


class Pointer:
    """Elements of 1, 2 or 4 bytes from an address on."""

    buffers: list = []

    def __init__(self, address, size):
        self.address, self.size = address, size

    def _place(self, index):
        index = int(index)
        if index < 0:
            raise Overflow(index)
        buffer, at = divmod(self.address + index * self.size, _SPACE)
        if at % self.size:
            raise Overflow(f"unaligned: {at}")
        return Pointer.buffers[buffer - 1], at

    def __getitem__(self, index):
        buffer, at = self._place(index)
        if at + self.size > len(buffer):
            raise Overflow(f"read at {at} of {len(buffer)}")
        return Int(int.from_bytes(buffer[at : at + self.size], "little", signed=self.size == 4))

    def __setitem__(self, index, value):
        buffer, at = self._place(index)
        if at + self.size > len(buffer):
            raise Overflow(f"write at {at} of {len(buffer)}")
        if self.size == 2 and not 0 <= int(value) < 1 << 16:
            raise Overflow(value)
        buffer[at : at + self.size] = (int(value) & ((1 << 8 * self.size) - 1)).to_bytes(self.size, "little")


def _pointer(size):
    def make(value):
        if isinstance(value, Pointer):
            return Pointer(value.address, size)
        if isinstance(value, int):
            return Pointer(int(value), size)
        Pointer.buffers.append(value)
        return Pointer(len(Pointer.buffers) * _SPACE, size)

    return make


def _int(value):
    if isinstance(value, Pointer):
        return Int(value.address)
    number = int(value)
    return Int(number - (1 << 32) if isinstance(value, Uint) and number >= 1 << 31 else number)


_TYPES = {"int": _int, "uint": lambda v: Uint(int(v)), "ptr8": _pointer(1), "ptr16": _pointer(2), "ptr32": _pointer(4)}


class _Literals(ast.NodeTransformer):
    """Makes each number in viper code an Int."""

    def visit_Constant(self, node):
        if type(node.value) is int:
            return ast.copy_location(ast.Call(ast.Name("_Int", ast.Load()), [node], []), node)
        return node

    def visit_UnaryOp(self, node):
        if isinstance(node.op, ast.Not):
            return self.generic_visit(node)
        assert isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
        value = ast.Constant(-int(str(node.operand.value)))
        return ast.copy_location(ast.Call(ast.Name("_Int", ast.Load()), [value], []), node)


def _wrapped(function, kinds):
    def call(*arguments):
        Pointer.buffers.clear()
        return function(*[_TYPES[kind](value) for kind, value in zip(kinds, arguments, strict=True)])

    return call


def load(name: str) -> dict[str, Any]:
    """What firmware/crypto/NAME.py defines, its viper functions checked."""
    tree = ast.parse((FIRMWARE / "crypto" / f"{name}.py").read_text())
    kinds = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            kinds[node.name] = [ast.unparse(argument.annotation) for argument in node.args.args if argument.annotation]
            node.decorator_list = []
            node.body = [_Literals().visit(statement) for statement in node.body]
            for argument in node.args.args:
                argument.annotation = None
    space: dict[str, Any] = {}
    viper = dict(_TYPES, _Int=Int)
    exec(compile(ast.fix_missing_locations(tree), name, "exec"), space)
    for function, parameters in kinds.items():
        code = space[function]
        checked = types.FunctionType(code.__code__, {**viper, "__builtins__": {}}, function)
        space[function] = _wrapped(checked, parameters)
    return space
