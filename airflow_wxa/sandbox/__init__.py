"""An emulated WeChat: it refuses what WeChat refuses, remembers what WeChat remembers, and answers as WeChat does.

It imports nothing else of this package. A fake that is built from the client's own code agrees with its bugs.
"""

from airflow_wxa.sandbox.exchange import Fault
from airflow_wxa.sandbox.journal import Entry, Journal
from airflow_wxa.sandbox.loose import Looseness
from airflow_wxa.sandbox.platforms import Draft, Platform, Template
from airflow_wxa.sandbox.pushes import Envelope, Push, encrypt
from airflow_wxa.sandbox.server import RunningSandbox, create_app, run, serve
from airflow_wxa.sandbox.state import AuditPlan, MiniProgram
from airflow_wxa.sandbox.world import World
from airflow_wxa.sandbox.worlds import Fleet, Introduction, default_world, seeded_fleet

__all__ = [
    "AuditPlan",
    "Draft",
    "Entry",
    "Envelope",
    "Fault",
    "Fleet",
    "Introduction",
    "Journal",
    "Looseness",
    "MiniProgram",
    "Platform",
    "Push",
    "RunningSandbox",
    "Template",
    "World",
    "create_app",
    "default_world",
    "encrypt",
    "run",
    "seeded_fleet",
    "serve",
]
