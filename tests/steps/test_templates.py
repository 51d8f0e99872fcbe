"""A draft becomes a template once, whatever WeChat's replicas show."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaBusyError, WxaSpecError, WxaTransportError
from airflow_wxa.steps import AcceptedWrites, add_to_template
from tests.steps.conftest import Script

NAMES: dict[str, Any] = {"user_version": "1.4.0", "user_desc": "checkout, build 812"}
DRAFTS: dict[str, Any] = {"draft_list": [{"draft_id": 12, "create_time": 1_700_000_000, **NAMES}]}
OLD: dict[str, Any] = {"template_list": [{"template_id": 47, "draft_id": 3, "user_version": "1.3.0", "user_desc": ""}]}
MADE: dict[str, Any] = {
    "template_list": [
        *OLD["template_list"],
        {"template_id": 48, "draft_id": 12, "template_type": 0, "create_time": 1_700_000_100, **NAMES},
    ]
}


def makes(script: Script, *lists: Any, said: Any = None, template_type: int = 0, **known: Any) -> Any:
    """Make a template of the draft while the library shows these lists, look by look."""
    sent = {} if said is None else {"addtotemplate": said}
    step = add_to_template(**NAMES, template_type=template_type)
    return script.play(step, gettemplatedraftlist=DRAFTS, gettemplatelist=lists, **sent, **known)


def test_a_template_that_shows_late_is_waited_for(script: Script) -> None:
    outcome = makes(script, OLD, OLD, OLD, MADE, said={})
    assert (outcome.outcome, outcome.template_id) == ("added", 48)
    assert script.bodies("addtotemplate") == [{"draft_id": 12, "template_type": 0}]
    assert len(script.pauses) == 2


def test_a_draft_that_was_taken_is_not_sent_again_while_its_template_is_not_seen(script: Script) -> None:
    accepted = AcceptedWrites(before={"addtotemplate": [{"draft_id": 12, "template_type": 0}]})
    with pytest.raises(WxaBusyError, match="still shows the state from before it"):
        makes(script, *[OLD] * 6, known=accepted)
    assert script.bodies("addtotemplate") == []


def test_a_list_that_wechat_leaves_out_is_read_again_before_anything_is_added(script: Script) -> None:
    outcome = makes(script, {}, {"template_list": None}, MADE)
    assert (outcome.outcome, outcome.template_id) == ("unchanged", 48)


def test_a_lost_answer_is_read_back_and_only_an_unseen_template_leaves_it_lost(script: Script) -> None:
    lost = WxaTransportError("addtotemplate got no answer")
    assert makes(script, OLD, MADE, said=lost).template_id == 48
    with pytest.raises(WxaTransportError):
        makes(script, *[OLD] * 7, said=lost)


def test_a_template_of_the_other_type_is_another_one(script: Script) -> None:
    standard = {
        "template_list": [*MADE["template_list"], MADE["template_list"][-1] | {"template_id": 49, "template_type": 1}]
    }
    outcome = makes(script, MADE, standard, said={}, template_type=1)
    assert (outcome.outcome, outcome.template_id) == ("added", 49)


def test_a_draft_that_is_not_named_alone_is_refused_and_those_that_fit_are_listed(script: Script) -> None:
    drafts = {"draft_list": [{"draft_id": 12, **NAMES}, {"draft_id": 13, **NAMES, "user_desc": "build 813"}]}
    with pytest.raises(WxaSpecError, match=r"draft 13: user_version = '1\.4\.0', user_desc = 'build 813'"):
        script.play(add_to_template(user_version="1.4.0"), gettemplatedraftlist=drafts)
