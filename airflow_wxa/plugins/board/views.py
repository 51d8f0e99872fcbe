"""Values that the pages show, read from the store, for the templates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import WebviewDomain
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.fleet.waves import DONE, WAVES, WaveCount, read_waves, wave_counts
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.plugins.board.runs import halted
from airflow_wxa.store import TaskRef
from airflow_wxa.store.ledger import APPROVAL
from airflow_wxa.store.mini_programs import ENDED, outcome_word, row_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from airflow_wxa.plugins.board.runs import Life
    from airflow_wxa.store import Entry
    from airflow_wxa.store.fleets import FleetRun
    from airflow_wxa.store.ledger import Outcome

_SCREENSHOTS_SHOWN: Final = 20
_ENTRIES_READ: Final = 100
_GOING_ON: Final = frozenset({"goes_on", "asks", "retries"})  # somebody has cleared what the gate waits for
_List: TypeAlias = "tuple[float | None, Collection[str] | None]"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of Mini Programs; the text ``column.<name>`` is its header, a macro of its name its cell.

    :param csv: values of the row that a CSV file has in its place, each with a header of its own.
    :param sorts: the table can be sorted by it; the store has a column of its name.
    """

    name: str
    csv: tuple[str, ...]
    sorts: bool = True


COLUMNS: Final = (
    Column("name", ("appid", "name")),
    Column("online_version", ("online_version", "online_at", "online_by")),
    Column("domains", ("lost", "lost_at", "drift_word", "drift_at"), sorts=False),
    Column("outcome", ("user_version", "outcome", "at", "auditid", "wave")),
    Column("who", ("who",)),
    Column("errcode", ("errcode",)),
    Column("next_step", ("what", "next_step"), sorts=False),
    Column("run", ("dag_id", "run_id", "task_id"), sorts=False),
)


@dataclass(frozen=True, slots=True)
class DomainTable:
    """The four lists side by side.

    :param lists: by name: epoch seconds of when it was read or asked for, and its origins; ``None``: never.
    :param marks: origin → list → ``yes``, ``no`` or ``unknown``: whether the list holds it.
    """

    lists: Mapping[str, _List]
    marks: Mapping[str, Mapping[str, str]]

    def differs(self, origin: str) -> bool:
        """Tell whether the lists that are known disagree."""
        return {"yes", "no"} <= set(self.marks[origin].values())


def domain_table(
    entries: Iterable[Entry],
    platform: Iterable[Entry],
    outcomes: Iterable[Outcome] = (),
    read: Mapping[str, _List] = MappingProxyType({}),
) -> DomainTable:
    """Return the four lists as they were read last.

    :param entries: the Mini Program's rows of the ledger, the newest first; ``platform``: the platform's.
    :param outcomes: its latest outcomes, the newest first.
    :param read: lists by name as other tasks have read them.
    """
    own = [each for each in entries if each.endpoint.startswith("setwebviewdomain")]
    asked = (each for each in own if each.asked.get("action") in ("add", "set"))
    registered = (each for each in platform if each.endpoint == "modify_wxa_jump_domain")
    lists = {
        "wanted": _latest((each.sent_at, list(each.asked.get("webviewdomain") or ())) for each in asked),
        "own": _latest((each.sent_at, _own(each.after)) for each in own),
        "platform": _latest((each.sent_at, (each.after or {}).get("published")) for each in registered),
        "effective": _latest((each.at, each.said.get("effective")) for each in outcomes),
    }
    for name, found in read.items():
        if found[1] is not None and (found[0] or 0) >= (lists[name][0] or 0):
            lists[name] = found
    origins = {each for name, (_, known) in lists.items() if name != "platform" for each in known or ()}
    marks = {each: {name: _mark(each, name, known) for name, (_, known) in lists.items()} for each in sorted(origins)}
    return DomainTable(lists, marks)


def _latest(read: Iterable[_List]) -> _List:
    return next((each for each in read if each[1] is not None), (None, None))


def _own(after: Any) -> Any:
    """Return the list that a write of domains read back; a direct one keeps it by kind."""
    known = after.get("after") if isinstance(after, dict) else None
    return known.get("webviewdomain") if isinstance(known, dict) else known


def _mark(origin: str, name: str, known: Collection[str] | None) -> str:
    if known is None:
        return "unknown"
    try:
        is_there = origin in known if name != "platform" else WebviewDomain.parse(origin).covered_by(frozenset(known))
    except WxaSpecError:
        return "unknown"
    return "yes" if is_there else "no"


#: Parts of a fleet's bar, in their order → the outcomes that they hold; ``None``: not ended.
PARTS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "released": DONE,
    "waiting": (None, "pending"),
    "rejected": ("rejected",),
    "blocked": ("blocked", "failed"),
    "not_reached": ("not_reached", "no_quota", "superseded"),
}


def parts_of(outcomes: Mapping[str | None, int]) -> list[tuple[str, int]]:
    """Return how many Mini Programs are in each part of a bar."""
    found = [(part, sum(outcomes.get(word, 0) for word in words)) for part, words in PARTS.items()]
    return [(part, count) for part, count in found if count]


@dataclass(slots=True)
class Wave:
    """A wave of a fleet, as far as it has come.

    :param outcomes: how many by outcome; ``None``: not ended.
    :param limit: percent that may fail before its gate stays closed; ``count``: how many have.
    :param decision: the latest one of its gate; ``{}``: the gate has not decided, or not in the ledger.
    """

    name: str
    outcomes: Counter[str | None] = field(default_factory=Counter)
    limit: float = 100.0
    count: WaveCount = field(default_factory=WaveCount)
    decision: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return self.outcomes.total()

    @property
    def ended(self) -> int:
        """Mini Programs that have come to an end of their own, and were not just left out."""
        return self.total - self.outcomes[None] - self.outcomes["not_reached"]

    @property
    def words(self) -> dict[str, int]:
        """Count of Mini Programs that have ended, by the word of their outcome."""
        return {outcome_word({"outcome": word}): count for word, count in self.outcomes.items() if word is not None}

    @property
    def gate(self) -> str:
        """Its gate: ``closed``, ``open``, or ``waits``: for the rest of the wave, its soak, or a team's own checks."""
        if self.decision:
            return "closed" if self.decision["outcome"] == "asked" else "open"
        return "closed" if self.count.failed_percent > self.limit else "waits"

    @property
    def why_closed(self) -> str:
        """The word for why its gate is closed; the page's text ``headline.<word>`` tells it with the figures."""
        return "shard" if self.figures["unended"] else "gate"

    @property
    def opened_by(self) -> str:
        """The person who opened its gate though too many had failed; ``""``: nobody did, or had to."""
        return str(self.decision.get("by") or "")

    @property
    def figures(self) -> dict[str, Any]:
        """The figures of its gate: those that it decided by, or those so far."""
        said, now = self.decision, self.count
        failed, total = said.get("failed", now.failed), said.get("total", self.total)
        limit, percent = said.get("max_failed_percent", self.limit), 100 * failed / (total or 1)
        texts = {"percent": f"{percent:.1f}", "limit": f"{limit:g}", "unended": said.get("unended", 0)}
        return {"wave": self.name, "failed": failed, "total": total, **texts}


def gates_of(run: FleetRun) -> dict[str, Entry]:
    """Return the latest decision of each gate of a fleet, by wave: a question, or that it opened."""
    rows = open_ledger().entries(run_id=run.run_id, dag_ids=[run.dag_id], appid=THE_PLATFORM, most=_ENTRIES_READ)
    gates: dict[str, Entry] = {}
    for row in rows:
        wave, is_gate, _ = row.task.task_id.rpartition(".")[2].rpartition("_gate")
        if is_gate and row.after and not row.errmsg:
            gates.setdefault(wave, row)
    return gates


def waves_of(
    counts: Sequence[tuple[str, str, str | None, int | None, int]],
    manifest: Mapping[str, Any],
    gates: Mapping[str, Entry] = MappingProxyType({}),
) -> tuple[list[Wave], Counter[int]]:
    """Return a run's waves, and how many Mini Programs stopped with which errcode.

    :param counts: how many by wave, stage, outcome and errcode.
    """
    failed = wave_counts(each for each in counts if each[0] in WAVES)
    limits = {each.name: each.max_failed_percent for each in read_waves(manifest.get("waves") or {})}
    said = {name: row.after for name, row in gates.items()}
    waves = {name: Wave(name, limit=limits[name], count=failed[name], decision=said.get(name, {})) for name in WAVES}
    codes: Counter[int] = Counter()
    for name, _, outcome, errcode, count in counts:
        waves.setdefault(name, Wave(name)).outcomes[outcome] += count
        if errcode:
            codes[errcode] += count
    return [wave for wave in waves.values() if wave.total], codes


def headline(run: FleetRun, waves: Sequence[Wave], life: Life) -> tuple[str, dict[str, Any], float | None]:
    """Return what holds a fleet, or how it goes: the text's key, its values, and since when."""
    if run.stopped_by is not None:
        return "stopped", {"by": run.stopped_by}, run.stopped_at
    closed = next((wave for wave in waves if wave.gate == "closed" and wave is not waves[-1]), None)
    if closed is not None and life.word not in _GOING_ON:
        return closed.why_closed, closed.figures, life.since
    return life.word, {"task": life.task_id}, life.since


def seconds_left(run: FleetRun, waves: Iterable[Wave], now: float) -> float | None:
    """Return how long the rest takes by the pace so far; ``None``: nothing has ended yet, or nothing is left."""
    outcomes = sum((wave.outcomes for wave in waves), Counter[str | None]())
    left, ended = outcomes[None], outcomes.total() - outcomes[None]
    return (now - run.loaded_at) / ended * left if left and ended else None


#: Stages of a release, in their order.
STAGES: Final = ("domains", "code", "review", "approval", "online")
#: Beginning of a task's id → its stage; outcomes tell theirs where the id says nothing.
_OF_TASK: Final = {"commit": 1, "wait_for_privacy": 1, "set_privacy": 1, "submit": 2, "wait_for_audit": 2,
                   "approve": 3, "release": 4, "verify": 4}  # fmt: skip
_OF_OUTCOME: Final = {"committed": 1, "scanning": 1, "clear": 1, "submitted": 2, "adopted": 2, "auditing": 2,
                      "delayed": 2, "audit_approved": 2, "audit_rejected": 2, "withdrawn": 2, "pending": 2,
                      "no_quota": 2, "asked": 3, "approved": 3, "refused": 3, "expired": 3}  # fmt: skip
_NO_RELEASE: Final = frozenset({"rolled_back", "already_rolled_back", "as_wanted", "differs", "not_read", "other"})


def pipeline(outcome: str, task_id: str) -> list[tuple[str, str]]:
    """Return the stages of a run's release, each ``done``, ``now``, ``stopped`` or ``open``; none of other runs."""
    if outcome in _NO_RELEASE or "rollback" in task_id:
        return []
    task = task_id.rpartition(".")[2]
    stage = next((number for name, number in _OF_TASK.items() if task.startswith(name)), 0)
    stage = _OF_OUTCOME.get(outcome, stage)
    if outcome in {"released", "already_released"}:
        stage = len(STAGES)
    is_stopped = outcome in ENDED or outcome == "interrupted"
    here = "stopped" if is_stopped else "now"
    return [(name, "done" if n < stage else here if n == stage else "open") for n, name in enumerate(STAGES)]


def run_view(each: Outcome, entries: Iterable[Entry], life: Life | None) -> dict[str, Any]:
    """Return a run on a Mini Program: what it is about, and what was decided and said about exactly that.

    :param entries: the Mini Program's rows of the ledger, the newest first.
    """
    own = [row for row in entries if (row.task.dag_id, row.task.run_id) == (each.dag_id, each.run_id)]
    told = [each.said, *(row.after for row in own if isinstance(row.after, dict))]
    versions = (said.get(name) for said in told for name in ("user_version", "release_version"))
    sheets = (str(sheet) for sheet in (each.said.get("auditid"), *(row.auditid for row in own)) if sheet)
    row = row_of("", "", TaskRef(each.dag_id, each.run_id, each.task_id), each.said)
    outcome, who = halted(row["outcome"], row["who"], life)
    return row | {
        "at": each.at,
        "outcome": outcome,
        "who": who,
        "life": None if row["outcome"] in ENDED else life,
        "user_version": next((str(version) for version in versions if version), ""),
        "auditid": next(sheets, ""),
        "triggered_by": next((row.task.triggered_by for row in own if row.task.triggered_by), ""),
        "approval": _approval(own),
        "rejection": rejection_of([each]),
        "pipeline": pipeline(outcome, each.task_id),
    }


def _approval(entries: Iterable[Entry]) -> dict[str, Any] | None:
    """Return the latest decision of a person, with the version and the sheet that it is about."""
    for entry in entries:
        said = entry.after
        if entry.endpoint == APPROVAL and isinstance(said, dict) and "by" in said:
            about = {name: said.get(name) for name in ("by", "why", "user_version", "auditid")}
            return about | {"outcome": said.get("outcome", "other"), "at": entry.sent_at}
    return None


def will_be_lost(outcomes: Iterable[Outcome]) -> dict[str, Any] | None:
    """Return the domains that the next release takes offline, as a run has seen since the latest one."""
    for each in outcomes:
        if each.said.get("lost") is not None:
            return None
        if (domains := each.said.get("will_be_lost")) is not None:
            return {"domains": domains, "at": each.at} if domains else None
    return None


def rejection_of(outcomes: Iterable[Outcome]) -> dict[str, Any] | None:
    """Return the reviewer's latest words, and the numbers of the screenshots that belong to them."""
    for each in outcomes:
        if each.said.get("reason"):
            media_ids = each.said.get("screenshot") or ()
            return {
                "reason": str(each.said["reason"]),
                "auditid": str(each.said.get("auditid", "")),
                "screenshots": [str(number) for number, _ in enumerate(media_ids, 1)][:_SCREENSHOTS_SHOWN],
            }
    return None
