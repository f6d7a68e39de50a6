"""The dashboard that is shipped, and what it asks Prometheus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ("FOLDER", "dashboard", "expressions", "rules")

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "observability"


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    found: dict[str, Any] = json.loads((FOLDER / "grafana" / "dashboard.json").read_text())
    return found


def expressions(*, job: str = ".*", interval: str = "1m") -> dict[str, str]:
    """Return every expression of the dashboard, with its variables replaced as Grafana does it, by its panel."""
    found: dict[str, str] = {}
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", interval).replace("$job", job)
            found[f"{panel['title']} {target['refId']}"] = expression
    return found


def rules() -> dict[str, str]:
    """Return every expression that is recorded or alerted on, by its name."""
    import yaml

    found: dict[str, str] = {}
    for name in ("rules.yml", "alerts.yml"):
        for group in yaml.safe_load((FOLDER / name).read_text())["groups"]:
            found |= {rule.get("record") or rule["alert"]: rule["expr"] for rule in group["rules"]}
    return found
