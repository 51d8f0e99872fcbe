"""Params of one release: its fields as a table, read once and checked as a whole.

DAGs take their form and a few helpers from :mod:`airflow_wxa.release.dag`; the rest needs no Airflow.
"""

from airflow_wxa.release.fields import DOMAIN_ACTIONS, FIELDS, Field
from airflow_wxa.release.spec import ReleaseSpec, domain_problems, read_release, refuse

__all__ = ["DOMAIN_ACTIONS", "FIELDS", "Field", "ReleaseSpec", "domain_problems", "read_release", "refuse"]
