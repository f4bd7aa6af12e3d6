"""Register maps of Modbus devices: a new device is a new file; one that will not do is refused before it is used."""

import copy
import json
import sys

import pytest

from host_tests.runner import pure
from tools.problem import Problem
from tools.site import schema

sys.path += [str(pure.PURE), str(pure.PORTABLE)]

from test_relay_modbus import Desk

NEW = {
    "name": "A wallbox that nobody knew",
    "failsafe": "0 A after 60 s (register 1002)",
    "each": "unit",
    "amps": [6, 32],
    "energy": {"input": 40, "wh": 100},
    "start": [{"write": "holding", "at": 1002, "value": 60}],
    "on": [{"write": "holding", "at": 1000, "value": "amps"}, {"write": "coil", "at": 20000, "value": 1}],
    "keep": [{"write": "holding", "at": 1000, "value": "amps"}],
    "off": [{"write": "coil", "at": 20000, "value": 0}],
}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The map as the reader takes it, of a file with that content."""
    monkeypatch.setattr(schema, "MAPS", tmp_path)

    def make(content):
        (tmp_path / "new.json").write_text(json.dumps(content))
        return schema.relay_map("new")

    return make


def test_a_device_that_nobody_knew_is_served_from_its_file_alone(made):
    desk = Desk(made(NEW))
    assert desk.relay.enforces == ("maxDuration", "maxCurrent", "maxEnergy") and desk.line.words[1002] == 60
    assert desk.deliver(maxCurrent=10, maxEnergy=1000) is None and desk.line.on and desk.line.words[1000] == 10
    desk.line.words[41] = 10
    assert desk.wait() == [("ENERGY", 1000)] and not desk.line.on


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("off", 0, "value"), 1),
        (("start", 0, "value"), "amps"),
        (("amps",), None),
        (("amps",), [6]),
        (("on",), []),
        (("on", 0, "at"), 65536),
        (("on", 0, "write"), "register"),
        (("each",), "address"),
        (("energy", "wh"), 0),
        (("failsafe",), None),
        (("surprise",), 1),
    ],
    ids=str,
)
def test_a_map_that_will_not_do_is_refused(made, path, value):
    content = copy.deepcopy(NEW)
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    if value is None:
        del inner[path[-1]]
    with pytest.raises(Problem, match=r"new\.json"):
        made(content)


def test_a_map_that_is_no_json_is_refused_with_the_place(made, tmp_path):
    made(NEW)
    (tmp_path / "new.json").write_text("{,}")
    with pytest.raises(Problem, match=r"new\.json is no JSON: .* column 2"):
        schema.relay_map("new")
