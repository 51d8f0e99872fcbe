"""A draft becomes a template once, whatever WeChat's replicas show."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaSpecError
from airflow_wxa.steps import AcceptedWrites, add_to_template
from tests.steps.answers import LOST
from tests.steps.conftest import Ending, Script, done, stops
from tests.tables import each_row

NAMES: dict[str, Any] = {"user_version": "1.4.0", "user_desc": "checkout, build 812"}
DRAFTS: dict[str, Any] = {"draft_list": [{"draft_id": 12, "create_time": 1_700_000_000, **NAMES}]}
OLD: dict[str, Any] = {"template_list": [{"template_id": 47, "draft_id": 3, "user_version": "1.3.0", "user_desc": ""}]}
ORDINARY = {"template_id": 48, "draft_id": 12, "template_type": 0, "create_time": 1_700_000_100, **NAMES}
MADE: dict[str, Any] = {"template_list": [*OLD["template_list"], ORDINARY]}
BOTH = {"template_list": [*MADE["template_list"], ORDINARY | {"template_id": 49, "template_type": 1}]}
TAKEN = AcceptedWrites(before={"addtotemplate": [{"draft_id": 12, "template_type": 0}]})


#: The library, look by look, how it is asked; and how the making of a template ends.
TEMPLATES: list[tuple[list[Any], Any, Ending]] = [
    ([OLD, OLD, OLD, MADE], {"said": {}}, done("added", template_id=48)),  # it shows late
    ([OLD] * 6, {"known": TAKEN}, stops(WxaBusyError, "still shows the state from before it")),  # not sent again
    ([{}, {"template_list": None}, MADE], {}, done("unchanged", template_id=48)),  # WeChat leaves the list out
    # A lost answer is read back, and only an unseen template leaves it lost.
    ([OLD, MADE], {"said": LOST}, done("added", template_id=48)),
    ([OLD] * 7, {"said": LOST}, stops(LOST)),
    ([MADE, BOTH], {"said": {}, "template_type": 1}, done("added", template_id=49)),  # one of the other type is another
]


@pytest.mark.parametrize(("lists", "more", "ending"), TEMPLATES)
def test_a_draft_becomes_a_template_once(script: Script, lists: Any, more: Any, ending: Ending) -> None:
    asked = dict(more)
    template_type, said = asked.pop("template_type", 0), asked.pop("said", ())
    step = add_to_template(**NAMES, template_type=template_type)
    ending(lambda: script.play(step, gettemplatedraftlist=DRAFTS, gettemplatelist=lists, addtotemplate=said, **asked))
    assert script.bodies("addtotemplate") == [{"draft_id": 12, "template_type": template_type}] * ("said" in more)


TWO = {"draft_list": [{"draft_id": 12, **NAMES}, {"draft_id": 13, **NAMES, "user_desc": "build 813"}]}


@each_row(
    "drafts, named, said",
    [
        ({"draft_list": []}, NAMES, "there is no draft at all"),
        (DRAFTS, {"user_version": "1.5.0"}, r"(?s)0 of the drafts is the one.*draft 12: user_version = '1\.4\.0'"),
        (TWO, {"user_version": "1.4.0"}, r"(?s)2 of the drafts is the one.*draft 13: .* user_desc = 'build 813'"),
        (DRAFTS, {}, "neither user_version nor user_desc"),
    ],
)
def test_a_draft_that_is_not_named_alone_is_refused_and_the_drafts_are_listed(
    script: Script, drafts: Any, named: Any, said: str
) -> None:
    with pytest.raises(WxaSpecError, match=said):
        script.play(add_to_template(**named), gettemplatedraftlist=drafts)
    assert script.bodies("addtotemplate") == []
