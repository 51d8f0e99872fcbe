"""Send the metrics to Airflow's Stats: StatsD, Datadog or OpenTelemetry, as ``[metrics]`` says."""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from airflow.sdk.configuration import conf

log = logging.getLogger(__name__)


class AirflowStats:
    """A :class:`~airflow_wxa.client.telemetry.Sink`; a failure of the metrics is no reason to stop a release."""

    def incr(self, name: str, tags: Mapping[str, str]) -> None:
        """Count one."""
        try:
            _stats().incr(name, tags=dict(tags))
        except Exception:
            log.debug("%s not counted", name, exc_info=True)

    def timing(self, name: str, milliseconds: float, tags: Mapping[str, str]) -> None:
        """Take a duration."""
        try:
            _stats().timing(name, milliseconds, tags=dict(tags))
        except Exception:
            log.debug("%s not taken", name, exc_info=True)


@cache
def _stats() -> Any:
    """Return Airflow's Stats, set up in this process: Airflow does not do it in each, triggers among them."""
    from airflow.sdk.observability import stats  # noqa: PLC0415  (what counts nothing does not need it)
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory  # noqa: PLC0415  (as above)

    if hasattr(stats, "initialize"):
        legacy = conf.getboolean("metrics", "legacy_names_on", fallback=True)
        stats.initialize(factory=get_stats_factory(), export_legacy_names=legacy)
        return stats.Stats
    before_3_3: Any = stats.Stats
    before_3_3.initialize(factory=cast("Any", get_stats_factory)(before_3_3))
    return before_3_3
