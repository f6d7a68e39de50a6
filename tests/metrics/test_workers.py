"""Several processes of one server are given a place to count together."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from middlewares.serve import METRICS_VARIABLE, counting_together


def test_several_workers_share_a_directory_for_as_long_as_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(METRICS_VARIABLE, raising=False)
    with counting_together(2):
        directory = Path(os.environ[METRICS_VARIABLE])
        assert directory.is_dir()
    assert METRICS_VARIABLE not in os.environ
    assert not directory.exists()


@pytest.mark.parametrize(("workers", "given"), [(1, None), (2, "/srv/metrics")])
def test_one_worker_needs_none_and_a_given_one_stays(
    workers: int, given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(METRICS_VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(METRICS_VARIABLE, given)
    with counting_together(workers):
        assert os.environ.get(METRICS_VARIABLE) == given
    assert os.environ.get(METRICS_VARIABLE) == given
