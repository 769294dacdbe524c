"""The demonstration city's tariff document: Beijing's network and published metro rules, bus fares of our own.

The document is assembled from the source's own files in ``beijing/`` (see the README there), so that they can be
compared with their source and replaced by newer ones.
"""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from typing import Any

GRACE_METRES = 100

_GROUP_ZONES = {"大路网": "main", "有轨电车": "tram", "首都机场线": "capital-airport", "大兴机场线": "daxing-airport"}
_NO_RAIL_FARE = frozenset({"T1"})  # fare_rules.json has no rule for the Yizhuang tram: it stays outside the tariff


def demonstration_document(*, version: int = 1, grace_metres: int = GRACE_METRES) -> dict[str, Any]:
    """The JSON document for ``load_tariff``. ``grace_metres`` 0 gives the published tiers without the grace."""
    document: dict[str, Any] = json.loads(_text("ours.json"))
    groups = {group["name"]: group for group in json.loads(_text("fare_rules.json"))["rules"]["rule_groups"]}
    code_of = {row["name"]: row["code"] for row in _rows("stations.csv")}
    document["version"] = version
    _fill_tiers(document["zones"], groups, grace_metres)
    early = next(discount for discount in document["discounts"] if discount["rule"] == document["early_bird_rule"])
    early["when"]["entries"] = [code_of[name] for name in groups["大路网 - 低峰优惠"]["starting_stations"]]
    del document["early_bird_rule"]
    zone_of = {name: _GROUP_ZONES[group["name"]] for group in groups.values() for name in group.get("lines", ())}
    rail = [row for row in _rows("lines.csv") if row["code"] not in _NO_RAIL_FARE]
    document["lines"] += [_line(row, zone_of.get(row["name"], "main")) for row in rail]
    line_of = {row["name"]: row["code"] for row in rail}
    document["sections"] = [
        {
            "line": line_of[row["line"]],
            "from_station": code_of[row["from_station"]],
            "to_station": code_of[row["to_station"]],
            "metres": int(row["metres"]),
        }
        for row in _rows("stations_distance.csv")
        if row["line"] in line_of
    ]
    document["stations"] = [dict(row) for row in _rows("stations.csv")]
    document["virtual_transfers"] = [
        {"from_station": code_of[pair["from_station"]], "to_station": code_of[pair["to_station"]]}
        for pair in json.loads(_text("virtual_transfers.json"))
    ]
    return document


def _fill_tiers(zones: list[dict[str, Any]], groups: dict[str, Any], grace_metres: int) -> None:
    for name, code in _GROUP_ZONES.items():
        zone = next(zone for zone in zones if zone["code"] == code)
        # The source's edges hold the 100 m grace already (6099 for 6 km); the published edge is the round kilometre.
        edges = [rule.get("end") for rule in groups[name]["rules"]]
        graced = any(edge is not None and edge % 1000 == GRACE_METRES - 1 for edge in edges)
        zone["tiers"] = [
            {
                "upto_metres": None if edge is None else edge // 1000 * 1000,
                "amount_minor": rule["fare"] * 100,
            }
            for edge, rule in zip(edges, groups[name]["rules"], strict=True)
        ]
        zone["grace_metres"] = grace_metres if graced else 0


def _line(row: dict[str, str], zone: str) -> dict[str, Any]:
    return {
        "code": row["code"],
        "number": int(row["number"]),
        "name": {"zh": row["name"], "en": row["name_en"]},
        "zone": zone,
    }


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(name).splitlines()))


def _text(name: str) -> str:
    return (files(__package__) / "beijing" / name).read_text("utf-8")
