"""How often a task reads what its run was asked to do."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from airflow_wxa.api import webview_domain
from airflow_wxa.release import spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    import pytest

    from airflow_wxa.sandbox import RunningSandbox
    from tests.airflow_session import Run

#: These read what WeChat answers, not what was asked for.
ANSWERS = {"normalised_origins", "normalised_hosts"}


class Counts:
    """By task: how often one domain is parsed, and how often the whole form is checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parsed, self.checked = Counter[str](), Counter[str]()
        self.task_id = ""
        render, read_host, check = (
            RuntimeTaskInstance.render_templates,
            webview_domain._read_host,
            spec.version_problems,
        )

        def rendering(ti: RuntimeTaskInstance, *args: Any, **kwargs: Any) -> Any:
            self.task_id = ti.task_id
            return render(ti, *args, **kwargs)

        def reading(host: str) -> Any:
            self.parsed[self.task_id] += not ANSWERS & callers(sys._getframe(1))
            return read_host(host)

        def checking(*args: Any) -> Any:
            self.checked[self.task_id] += 1
            return check(*args)

        monkeypatch.setattr(RuntimeTaskInstance, "render_templates", rendering)
        monkeypatch.setattr(webview_domain, "_read_host", reading)
        monkeypatch.setattr(spec, "version_problems", checking)


def callers(frame: FrameType | None) -> set[str]:
    names = set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def test_a_task_parses_a_domain_at_most_three_times_and_checks_the_whole_form_once(
    release: Callable[..., Run], wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = wxa_default.world.platforms[0]
    platform.testing, platform.published = [], []
    counts = Counts(monkeypatch)

    run = release(on_platform_list_empty="register")

    assert run.state == "success"
    assert {"configure_domains", "register_platform_domains", "configure_domains_again"} <= set(counts.parsed)
    assert max(counts.parsed.values()) <= 3, counts.parsed
    assert set(counts.checked.values()) == {1}, counts.checked
