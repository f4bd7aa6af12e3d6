"""The records of a large fleet, made by chance and seed, with double uses planted that `settle` has to find."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ticket.verdict import GRANTED, REASONS
from tools.fleet.collect import COLUMNS

BEGIN_S = 1_790_000_000
SPAN_S = 60 * 86_400
REFUSALS = [reason for reason in REASONS if reason != GRANTED]
USAGES = ["NotAllowed", "OnlyAtTheSameEVSE", "AfterOnlineValidation", "Allowed"]


class Fleet:
    """`readers` readers with `records` records each: three of ten are refusals, the rest grants with their ends, one
    in fifty grants voided instead. `planted` tickets of each kind are used once too often, by two readers."""

    def __init__(self, readers: int, records: int, planted: int, seed: int = 1):
        self.random = np.random.default_rng(seed)
        self.readers = readers
        self.grants = records * 35 // 100
        self.refusals = records - 2 * self.grants
        self.doubles: set[str] = set()
        self.voided = self.seconds = self.energy_wh = 0
        self._plan: dict[int, list[tuple[str, str]]] = {}
        for number in range(planted):
            for usage in USAGES[:3]:
                name = f"planted-{usage}-{number}"
                self.doubles.add(_key(name))
                for reader in self.random.choice(readers, 2, replace=False):
                    self._plan.setdefault(int(reader), []).append((name, usage))

    def write(self, folder: Path) -> None:
        """One Parquet file a reader."""
        for number in range(self.readers):
            pq.write_table(self.reader(number), folder / f"{number:06}.parquet")

    def reader(self, number: int) -> pa.Table:
        random, grants = self.random, self.grants
        name = f"reader-{number}"
        planted = self._plan.get(number, [])[:grants]
        names = [f"{number}-{serial}" for serial in range(grants)]
        usages = random.choice(USAGES, grants).tolist()
        voids = random.random(grants) < 0.02
        for at, (ticket, usage) in enumerate(planted):
            names[at], usages[at], voids[at] = ticket, usage, False
        time_s = np.sort(random.integers(BEGIN_S, BEGIN_S + SPAN_S, grants))
        seconds = random.integers(60, 6 * 3600, grants)
        energy_wh = np.where(random.random(grants) < 0.1, -1, seconds * 3)
        self.voided += int(voids.sum())
        self.seconds += int(seconds[~voids].sum())
        self.energy_wh += int(energy_wh[~voids & (energy_wh >= 0)].sum())
        sequences = list(range(1, 2 * grants, 2))
        common: dict[str, Any] = {"operator": "DE*ABC", "reader": name, "device": _key(name)[:16], "clock": "SET"}
        granted = {
            "stream": "kept", "kind": "GRANT", "sequence": sequences, "session": sequences, "time_s": time_s,
            "evse": [f"DE*ABC*E{number}*{choice}" for choice in random.integers(1, 3, grants)],
            "kid": random.choice(["issuer-1", "issuer-2", "issuer-3"], grants), "provider": "DE-XYZ",
            "holder": "proven", "ticket_key": [_key(one) for one in names], "ticket_id": names, "multi_usage": usages,
            "tariff": random.choice(["T-DAY", "T-NIGHT"], grants),
        }  # fmt: skip
        ended = {
            "stream": "kept", "kind": np.where(voids, "VOID", "END"), "sequence": [one + 1 for one in sequences],
            "session": sequences, "time_s": time_s + seconds, "reason": np.where(voids, "RELAY_FAULT", "DURATION"),
            "seconds": pa.array(seconds, mask=voids), "energy_wh": pa.array(energy_wh, mask=voids | (energy_wh < 0)),
        }  # fmt: skip
        refused = {
            "stream": "refused", "kind": "REFUSAL", "sequence": list(range(1, self.refusals + 1)),
            "time_s": random.integers(BEGIN_S, BEGIN_S + SPAN_S, self.refusals),
            "reason": random.choice(REFUSALS, self.refusals),
        }  # fmt: skip
        parts = [(granted, grants), (ended, grants), (refused, self.refusals)]
        return pa.concat_tables([_table(common | part, count) for part, count in parts])


def _table(columns: dict[str, Any], count: int) -> pa.Table:
    arrays = []
    for name, kind in COLUMNS.items():
        value, kind = columns.get(name), pa.type_for_alias(kind)
        if value is None or isinstance(value, str):
            arrays.append(pa.repeat(pa.scalar(value, kind), count))
        elif isinstance(value, pa.Array):
            arrays.append(value.cast(kind))
        else:
            arrays.append(pa.array(value).cast(kind))
    return pa.table(arrays, names=list(COLUMNS))


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
