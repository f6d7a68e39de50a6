"""Options that cannot be right are reported when the layer is built, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from middlewares import Middleware, OptionError, Tracing
from middlewares.core.layer import placeholder


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trust": "some"}, "trust must be one of 'all', 'none' or a list of strings"),
        ({"trust": ["10.0.0.1/8"]}, "trust must hold addresses or networks"),
        ({"exclude_paths": "/health"}, "exclude_paths must be a list of strings"),
        ({"exclude_paths": ["health"]}, "exclude_paths must hold patterns that begin with '/'"),
        ({"capture_request_headers": ["a b"]}, "capture_request_headers must hold header names"),
        ({"capture_response_headers": [""]}, "capture_response_headers must hold header names"),
        ({"redact_headers": ["a:b"]}, "redact_headers must hold header names"),
        ({"redact_parameters": ["a=b"]}, "redact_parameters must hold names of query parameters"),
        ({"redact_parameters": [""]}, "redact_parameters must hold names of query parameters"),
        ({"response_headers": ["trace"]}, "response_headers must be a list of"),
        ({"metrics": "yes"}, "metrics must be true or false"),
        ({"tracer_provider": "otlp"}, "tracer_provider must be TracerProvider or None"),
    ],
)
def test_each_problem_names_its_option(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        Middleware(Tracing, **options)
    assert words in str(caught.value)


def test_problems_are_reported_together() -> None:
    with pytest.raises(OptionError) as caught:
        Tracing(placeholder, trust=["x"], redact_headers=["a b"], exclude_paths=["x"])
    assert len(caught.value.problems) == 3


def test_the_defaults_are_right() -> None:
    assert "Tracing(" in repr(Tracing(placeholder))
