"""What is shipped for Prometheus and Grafana is what these take, and alerts fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec.models import ComposeSpecification
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.observability.dashboards import FOLDER, dashboard, expressions


def test_the_dashboard_says_nothing_that_grafana_does_not_know() -> None:
    """Read into Grafana's own types and written again, it is the same."""
    register_default_plugins()
    read = Dashboard.from_json(dashboard())
    written = json.loads(JSONEncoder(sort_keys=True).encode(read))
    assert lost(dashboard(), written) == []


def lost(given: Any, found: Any, place: str = "") -> list[str]:
    """Return the places where something of ``given`` is not in ``found``."""
    if isinstance(given, dict) and isinstance(found, dict):
        return [one for key in given for one in lost(given[key], found.get(key), f"{place}.{key}")]
    if isinstance(given, list) and isinstance(found, list) and len(given) == len(found):
        return [
            one for index, pair in enumerate(zip(given, found, strict=True)) for one in lost(*pair, f"{place}[{index}]")
        ]
    return [] if given == found else [place]


def test_panels_have_names_places_and_expressions_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["description"]
    assert len(expressions()) >= len(panels)


def test_the_compose_file_is_one_and_mounts_what_is_there() -> None:
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    ComposeSpecification.model_validate({"services": services})
    for service in services.values():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), "a version that stays"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), "nobody else reaches it"
        for volume in service["volumes"]:
            assert (FOLDER / volume.partition(":")[0]).exists()
            assert volume.endswith(":ro")


def test_every_yaml_file_can_be_read() -> None:
    files = [*FOLDER.rglob("*.y*ml")]
    assert len(files) >= 7
    assert all(yaml.safe_load(file.read_text()) for file in files)


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "rules.yml", "alerts.yml"),
        ("test", "rules", "rules_test.yml"),
        ("check", "config", "prometheus.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_the_rules(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")  # which comes with the server
    assert promtool is not None
    done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_quiet_and_firing() -> None:
    alerts = {rule["alert"] for group in read("alerts.yml")["groups"] for rule in group["rules"]}
    tried: dict[str, set[bool]] = {alert: set() for alert in alerts}
    for test in read("rules_test.yml")["tests"]:
        for case in test["alert_rule_test"]:
            tried[case["alertname"]].add(bool(case["exp_alerts"]))
    assert tried == {alert: {True, False} for alert in alerts}


def read(name: str) -> Any:
    return yaml.safe_load(Path(FOLDER / name).read_text())
