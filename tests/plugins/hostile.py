"""What somebody might write in the hope that a browser takes it for more than text."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlencode

from airflow_wxa.api.call import Call
from airflow_wxa.api.webview_domain import setwebviewdomain
from airflow_wxa.errors import WxaApiError
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.ledger import Result

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<ScRiPt/src=//evil.example/x.js>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    '" autofocus onfocus=alert(1) x="',
    "' onmouseover='alert(1)",
    "x onclick=alert(1) y",
    "<svg onload=alert(1)>",
    "<svg><script>alert&#40;1&#41;</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    '<a href="javascript:alert(1)">here</a>',
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<form action=//evil.example/><button>go</button></form>",
    "<details open ontoggle=alert(1)>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "{text.__class__.__mro__}",
    "\u2028<img/src/onerror=alert(1)>\u2029",
    "\x08<scr\x0bipt>alert(1)</scr\x0bipt>",
    "&lt;script&gt;alert(1)&lt;/script&gt;<plaintext>",
    "<?xml version='1.0'?><x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
]  # fmt: skip


#: Pages that show all that was filled in, whoever it is of.
SHARED = ["/", "/fleets", "/releases", "/overview"]


def fill_with(url: str, text: str, appid: str) -> list[str]:
    """Fill every text that WeChat or a merchant can set, and those of Airflow that a person chooses.

    :param appid: of a Mini Program and its platform, for this text alone.
    :return: the board's pages about this text, beside those that are :data:`SHARED`; the last two are asked with it.
    """
    ledger, task = Ledger(url), TaskRef(dag_id=text, run_id=text, task_id=text, triggered_by=text)

    asking = replace(setwebviewdomain(appid, "get"), body={"action": "set", "webviewdomain": [text]})
    noted, released = ledger.intend(appid, [asking, Call.to("release", appid)], task)
    refused = WxaApiError("refused", errcode=89021, errmsg=text, rid=text)
    ledger.answered({noted: refused, released: 0})
    ledger.decided(appid, appid, task, {"outcome": "approved", "by": text, "why": text})
    texts = ("what", "next_step", "reason", "user_version", "auditid", "name", "wave", "release_version")
    lists = {name: [text] for name in ("screenshot", "effective", "lost", "after", "published", "files")}
    said = {"outcome": text, **dict.fromkeys(texts, text), **lists, "account": {text: [text], "to_do": [text]}}
    said |= {"quota": {"rest": text, "limit": text}, "errcode": 89021}
    ledger.settle(appid, task, [Result(appid, "release", {**said, "outcome": "released"}, resolves=False)])
    drift = {"outcome": "differs", "missing": [text], "own": [text], "name": text, "release_version": text}
    ledger.know(appid, TaskRef(text, f"drift {text}", text), {appid: drift})
    ledger.settle(appid, task, [Result(appid, "setwebviewdomain", said, resolves=False)])
    fleets, key = Fleets(url), RunKey(text, text)
    fleets.load(key, appid, {"release": {"user_version": text}}, "digest", [NewApp(appid, text, 0, {"name": text})])
    fleets.change(key, {0: {"outcome": "blocked", "errcode": 61007, "what": text}})
    run = urlencode({"dag_id": text, "run_id": text})
    asked = urlencode({"q": text, "wave": text, "outcome": text, text: text})
    feed = urlencode(dict.fromkeys(("day", "by", "dag_id"), text))
    shown = [f"/mini-program/{appid}", f"/fleet?{run}", f"/?{run}&{asked}"]
    return [*shown, f"/releases?{feed}", f"/errcodes?{urlencode({'q': text})}"]
