"""Errors by the person who acts next.

The class of an error says who acts; its text says what happened, with which values, why, the next step, and
the source::

    WxaError                          everything we raise
    ├── WxaSpecError                  your params, body or Connection: every problem at once, nothing was sent
    ├── WxaTransportError             no usable answer: DNS, TLS, time-out, HTTP 5xx, not JSON, not its schema
    ├── WxaApiError                   WeChat answered an errcode
    │   ├── WxaBusyError              transient: the machine repeats it later
    │   ├── WxaQuotaError             a counter is used up: wait until it resets
    │   ├── WxaCredentialError        fix the credentials
    │   ├── WxaPermissionError        the merchant or the console must grant something
    │   ├── WxaPlatformSetupError     someone configures the platform
    │   ├── WxaUnsupportedAccountError  go on without it, as the next step says
    │   ├── WxaStateError             read the state, then decide
    │   ├── WxaInputError             fix the request
    │   └── WxaUnknownError           a code missing in the table, or listed as unknown: as itself
    ├── WxaAuditRejected              the review ended against it: fix the Mini Program
    └── PushRefusedError              a push that cannot be trusted, see :mod:`airflow_wxa.api.push`
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_wxa.texts import ENGLISH, Text, in_language, template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "WxaApiError",
    "WxaAuditRejected",
    "WxaBusyError",
    "WxaCredentialError",
    "WxaError",
    "WxaInputError",
    "WxaPermissionError",
    "WxaPlatformSetupError",
    "WxaQuotaError",
    "WxaSpecError",
    "WxaStateError",
    "WxaTransportError",
    "WxaUnknownError",
    "WxaUnsupportedAccountError",
]

_VALUE_LIMIT = 400  # characters of a value that a message shows
#: Controls (ESC and C1 steer a terminal) but tab and line feed, and characters that reverse the direction of a text.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def readable(text: str) -> str:
    r"""Return ``text`` with characters that steer a terminal written out as ``\u001b``, as JSON spells them."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def shown(value: object) -> str:
    """Return ``value`` as a message shows it: at most 400 characters, the rest counted."""
    text = value if isinstance(value, str) else repr(value)
    if len(text) <= _VALUE_LIMIT:
        return text
    return f"{text[:_VALUE_LIMIT]}… ({len(text) - _VALUE_LIMIT} more characters)"


def problem(name: str, value: object, said: str) -> Text:
    """Return a line for :attr:`WxaSpecError.problems`: a field, its value, and their problem."""
    return Text("problem_of_value", name=name, value=shown(repr(value)), problem=said)


def problem_with(value: object, said: str) -> Text:
    """Return the same for one value among several of a field."""
    return Text("problem_with", value=shown(repr(value)), problem=said)


def problem_at(place: str, said: str) -> Text:
    """Return a problem with the place that it was found at before it."""
    return Text("problem_at", place=place, problem=said)


class WxaError(Exception):
    """Everything this package raises; its text has five parts, a line each.

    :param what: the event; a :class:`~airflow_wxa.texts.Text` brings the parts below along that are not given.
    :param values: which values: name → value, shown as ``name value``.
    :param why: the rule behind it.
    :param next_step: the act that helps, by names that exist here or at WeChat.
    :param source: the page that says so.
    :param endpoint: name of the endpoint, as in :data:`airflow_wxa.api.endpoints.CATALOGUE`.
    :param appid: the Mini Program concerned; ``None`` for the platform itself.
    :param retryable: whether the same step may succeed later without anyone's help; default: by class.
    """

    retryable: bool = False
    #: The text as the end of a task's log tells it; empty: the five parts.
    told: str = ""

    def __init__(
        self,
        what: str,
        *,
        values: Mapping[str, object] | None = None,
        why: str = "",
        next_step: str = "",
        source: str = "",
        endpoint: str | None = None,
        appid: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.values = dict(values or {})
        own = what.of if isinstance(what, Text) else lambda _: ""
        self.why = why or own("why")
        self.next_step = next_step or own("next_step")
        self.source = source or own("source")
        self.endpoint = endpoint
        self.appid = appid
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return readable(self.told or "\n  ".join(self.lines()))

    def lines(self, language: str = ENGLISH, *, values: bool = True) -> list[str]:
        """Return the parts as a reader of that language reads them.

        :param values: with the line that names them, and the source.
        """
        named = {"appid": self.appid} if self.appid and "appid" not in self.values else {}
        which = ", ".join(_named(each, value, language) for each, value in (named | self.values).items() if values)
        parts = (which, in_language(self.why, language), in_language(self.next_step, language), self.source * values)
        return [in_language(self.what, language), *(part for part in parts if part)]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes without calling ``__init__``, whose arguments differ by class."""
        return _rebuilt, (type(self), self.__dict__)


def _named(name: str, value: object, language: str) -> str:
    """Return a value behind its name; of those that the catalogue has, in the reader's language."""
    said = shown(value)
    read = in_language(said, language) if isinstance(said, Text) else template("value_is", said, language) or said
    return f"{template('value', name, language) or name} {read}"


def _rebuilt(cls: type[WxaError], state: dict[str, Any]) -> WxaError:
    error = cls.__new__(cls, state["what"])
    error.__dict__.update(state)
    return error


class WxaSpecError(WxaError):
    """Params, a body or the Connection cannot be right; nothing was sent. All problems stand in :attr:`problems`.

    :param what: the refused act.
    :param problems: one line each, naming the value.
    """

    def __init__(self, what: str, problems: Sequence[str], **parts: Any) -> None:
        super().__init__(what, **parts)
        self.problems = tuple(problems)

    def lines(self, language: str = ENGLISH, *, values: bool = True) -> list[str]:
        """Return the parts, each problem as a line of its own behind the first."""
        head, *rest = super().lines(language, values=values)
        problems = [f"- {in_language(problem, language)}" for problem in self.problems]
        return [in_language(Text("refused_locally", what=head), language), *problems, *rest]


class WxaTransportError(WxaError):
    """No usable answer came: the work may or may not have been done, so a step reads the state before it repeats."""

    retryable = True


class WxaApiError(WxaError):
    """WeChat answered an errcode other than 0.

    :param errcode: WeChat's number.
    :param errmsg: WeChat's text, without the rid.
    :param rid: WeChat's request id, which their support can look up for 7 days; empty when it gave none.
    """

    def __init__(self, what: str, *, errcode: int, errmsg: str = "", rid: str = "", **parts: Any) -> None:
        super().__init__(what, **parts)
        self.errcode = errcode
        self.errmsg = errmsg
        self.rid = rid


class WxaBusyError(WxaApiError):
    """Transient at WeChat's side: the same step succeeds later."""

    retryable = True


class WxaQuotaError(WxaApiError):
    """A counter is used up; it resets by the minute, day or month."""


class WxaCredentialError(WxaApiError):
    """A token, ticket or secret was refused."""


class WxaPermissionError(WxaApiError):
    """The merchant or a console must grant something first."""


class WxaPlatformSetupError(WxaApiError):
    """Someone must configure the platform: its domains, its IP list, its publication."""


class WxaUnsupportedAccountError(WxaApiError):
    """This kind of Mini Program cannot do it: go on without it, as the next step says."""


class WxaStateError(WxaApiError):
    """The Mini Program is in another state than the call needs: read it, then decide.

    Raised by steps as well, with ``errcode`` 0, when what was read back is not what the release needs.
    """

    def __init__(self, what: str, *, errcode: int = 0, **parts: Any) -> None:
        super().__init__(what, errcode=errcode, **parts)


class WxaInputError(WxaApiError):
    """WeChat refused a value of the request: fix it and send it again."""


class WxaUnknownError(WxaApiError):
    """A code missing in the table, or listed without a class: shown as itself, with errmsg and rid."""


class WxaAuditRejected(WxaError):  # noqa: N818  (the review's own word)
    """The review ended with status 1 (审核不通过).

    :param reason: WeChat's text, its ``<br>`` as line breaks.
    :param screenshot: media ids of the screenshots that the reviewer made.
    """

    def __init__(self, what: str, *, reason: str = "", screenshot: Sequence[str] = (), **parts: Any) -> None:
        super().__init__(what, **parts)
        self.reason = reason
        self.screenshot = tuple(screenshot)
