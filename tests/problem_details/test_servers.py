"""Real servers: the client gets the problem, the log gets the exception, once; and what was cut is seen to be cut."""

from __future__ import annotations

import httpx
import pytest

from tests.interop.servers import serve


@pytest.mark.parametrize("app", ["kept", "raised_again"])
@pytest.mark.parametrize("name", ["uvicorn", "hypercorn", "granian"])
def test_the_log_of_the_server_has_the_exception_once(name: str, app: str) -> None:
    with serve(name, f"tests.problem_details.apps:{app}") as server:
        response = httpx.get(server.url, trust_env=False)
        assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
        assert "hunter2" not in response.text
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{server.url}/late", trust_env=False)
        # Once for each of the two requests.
        output = server.printed("ArithmeticError: the sum is hunter2", times=2)
        output = server.stop()
    assert output.count("ArithmeticError: the sum is hunter2") == 2
    assert output.count("problem_details: GET '/' raised ArithmeticError") == (app == "kept")
