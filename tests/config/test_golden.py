"""What is said of a file with many mistakes, word for word; the words stand in `golden`.

With ``GOLDEN=write`` in the environment they are written anew: read the difference before you keep it.
"""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from middlewares import ConfigError
from middlewares.config import load

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("suffix", ["toml", "yaml", "json"])
def test_mistakes_are_told_in_these_words(suffix: str) -> None:
    source = (GOLDEN / "wrong.toml").read_text(encoding="utf-8")
    name = f"wrong.{suffix}"
    if suffix == "toml":
        shutil.copy(GOLDEN / name, name)
    elif suffix == "yaml":
        Path(name).write_text(yaml.safe_dump(tomllib.loads(source), sort_keys=False), encoding="utf-8")
    else:
        Path(name).write_text(json.dumps(tomllib.loads(source), indent=2), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(name, environment={})
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(f"{caught.value}\n", encoding="utf-8")
    assert f"{caught.value}\n" == golden.read_text(encoding="utf-8")
