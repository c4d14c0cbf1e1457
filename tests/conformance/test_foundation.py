"""What can be held about the runs of the Foundation's suite without the suite: the plans' files, how they are filled, what is kept."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.registration import parse_client
from tests.conformance.foundation import verdicts
from tests.conformance.foundation.ending import ended_by_signals
from tests.conformance.foundation.plan import PLAIN, PlanError, PlanFile, filled, made_for, names_in, read, read_all
from tests.conformance.foundation.reasons import REASONS, REASONS_IN_PLAN, reason
from tests.conformance.foundation.world import World
from tests.conformance.plans import PLANS

PLAN_FILES = read_all()
SUITE = "https://localhost:8443"
#: Whatever a run gives every plan.
GIVEN = {
    "suite": SUITE,
    "secret": "s" * 43,
    "plain": PLAIN,
    "issuer": "https://localhost:9443/auth/realms/esante-wallet",
    "approval_url": "http://127.0.0.1:1/?token={auth_req_id}&action={action}",
    "initial_access_token": "t" * 43,
}


@pytest.mark.parametrize("plan", PLAN_FILES, ids=lambda plan: plan.name)
def test_the_clients_of_a_plan_can_be_registered_and_return_to_its_alias(plan: PlanFile) -> None:
    values = {**GIVEN, **made_for(plan)}
    alias = filled(plan.configuration, values, plan.name)["alias"]
    known = [parse_client(filled(client, values, plan.name), plan.name) for client in plan.clients]
    for client in known:
        assert all(uri.startswith(f"{SUITE}/test/a/{alias}/") for uri in client.redirect_uris)
    asked = {part["client_id"] for part in plan.configuration.values() if isinstance(part, dict) and "client_id" in part}
    assert asked == {client.client_id for client in known}


def test_no_two_plans_share_a_client_or_an_alias() -> None:
    clients = [str(client["client_id"]) for plan in PLAN_FILES for client in plan.clients]
    aliases = [plan.configuration["alias"] for plan in PLAN_FILES]
    assert len(clients) == len(set(clients))
    assert len(aliases) == len(set(aliases))


@pytest.mark.parametrize("plan", PLAN_FILES, ids=lambda plan: plan.name)
def test_no_file_holds_a_key_or_a_secret(plan: PlanFile) -> None:
    assert not set(names_in([plan.configuration, list(plan.clients)])) - {*GIVEN, *made_for(plan)}
    for client in (plan.configuration.get("client", {}), plan.configuration.get("client2", {})):
        assert client.get("client_secret", "${secret}") == "${secret}"
        assert isinstance(client.get("jwks", ""), str)


_PLAIN = st.text(alphabet=st.characters(exclude_characters="$"))


@given(st.recursive(st.none() | st.booleans() | st.integers() | _PLAIN, lambda part: st.lists(part) | st.dictionaries(_PLAIN, part)))
def test_what_names_nothing_stays_as_it_is(part: Any) -> None:
    assert filled(part, {}, "plan") == part


def test_a_name_alone_becomes_the_value_and_a_name_in_a_text_its_text() -> None:
    values = {"keys.first": {"keys": [1]}, "suite": SUITE}
    assert filled({"jwks": "${keys.first}", "uri": ["${suite}/callback"]}, values, "plan") == {
        "jwks": {"keys": [1]},
        "uri": [f"{SUITE}/callback"],
    }


def test_a_name_that_nothing_has_is_told_with_its_place() -> None:
    with pytest.raises(PlanError, match=r"plan\.client\[0\]\.jwks: nothing is called keys\.third"):
        filled({"client": [{"jwks": "${keys.third}"}]}, {"suite": SUITE}, "plan")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ('{"plan": "p"}', "configuration is missing"),
        ('{"plan": "p", "configuration": {}, "x": 1}', "x is not a member"),
    ],
)
def test_a_file_that_is_no_plan_is_named(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, "utf-8")
    with pytest.raises(PlanError, match=rf"plan\.json: {said}"):
        read(path)


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        ({"status": "FINISHED", "result": "PASSED"}, "passed"),
        ({"status": "FINISHED", "result": "REVIEW"}, "review"),
        ({"status": "INTERRUPTED", "result": "UNKNOWN"}, "interrupted"),
        ({"status": "INTERRUPTED", "result": "FAILED"}, "failed"),
        ({"status": "INTERRUPTED", "result": None}, "interrupted"),
    ],
)
def test_a_verdict_is_the_suite_s_word_unless_it_did_not_come_to_one(info: dict[str, Any], verdict: str) -> None:
    log = [
        {"src": "A", "msg": "well", "result": "SUCCESS"},
        {"src": "B", "msg": "not well", "result": "WARNING"},
        {"src": "B", "msg": "not well", "result": "WARNING"},
    ]
    assert verdicts.verdict_of("module", info, log) == {"module": "module", "verdict": verdict, "remarks": ["warning: B: not well"]}


def test_a_plan_that_ran_again_replaces_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    verdicts.keep("b", {"modules": [{"module": "m", "verdict": "failed"}]}, path)
    verdicts.keep("a", {"modules": []}, path)
    verdicts.keep("b", {"modules": [{"module": "m", "verdict": "passed"}]}, path)
    assert list(json.loads(path.read_text("utf-8"))) == ["a", "b"]
    assert verdicts.counted(verdicts.load(path)["b"]["modules"]) == "1 passed"


def test_of_several_runs_of_a_module_the_worst_counts() -> None:
    assert verdicts.worst(["passed", "failed", "warning"]) == "failed"
    assert verdicts.worst(["skipped", "passed"]) == "skipped"


def test_every_kept_verdict_is_a_word_of_the_suite_and_of_a_plan_here() -> None:
    for name, run in verdicts.load().items():
        assert name in {plan.name for plan in PLAN_FILES}
        assert {module["verdict"] for module in run["modules"]} <= set(verdicts.ORDER)
        assert len(run["suite"]["revision"]) >= 7
        assert not run.get("provider", "").endswith("+"), f"{name}: the provider had files that are in no commit"


def test_a_run_names_the_commit_of_the_provider_and_says_when_its_files_are_others(tmp_path: Path) -> None:
    (tmp_path / "idp").mkdir()
    source = tmp_path / "idp" / "app.py"
    source.write_text("first\n", "utf-8")
    identity = ("-c", "user.name=Camille Martin", "-c", "user.email=camille.martin@example.org")
    for arguments in (("init", "-q"), ("add", "idp"), (*identity, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    (tmp_path / "verdicts.json").write_text("{}", "utf-8")
    commit = verdicts.provider_commit(tmp_path)
    source.write_text("second\n", "utf-8")
    assert re.fullmatch("[0-9a-f]{7,}", commit)
    assert verdicts.provider_commit(tmp_path) == f"{commit}+"


def test_a_kept_verdict_that_is_not_passed_has_its_reason() -> None:
    for name, run in verdicts.load().items():
        for module in run["modules"]:
            if module["verdict"] != "passed":
                assert reason(run["plan"], module["module"]), f"{name}: {module['module']} is {module['verdict']}: mend it, or say why"


def test_no_reason_is_left_of_a_module_that_passes() -> None:
    kept = {(run["plan"], module["module"], module["verdict"]) for run in verdicts.load().values() for module in run["modules"]}
    ran = {(plan, module) for plan, module, _ in kept}
    bad = {(plan, module) for plan, module, verdict in kept if verdict != "passed"}
    assert {key for key in REASONS_IN_PLAN if key in ran} <= bad
    assert {module for module in REASONS if module in {name for _, name in ran}} <= {module for _, module in bad}


def test_what_stands_in_for_the_phones_is_made_of_what_a_run_knows() -> None:
    world = World("https://localhost:9443", "http://127.0.0.1:1", {})
    try:
        assert world.phones.issuer == world.issuer == GIVEN["issuer"]
    finally:
        world.phones.close()


def test_a_plan_that_is_listed_here_is_run_by_a_file() -> None:
    assert set(PLANS) <= {plan.plan for plan in PLAN_FILES}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_cleans_up_before_it_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    steps = []
    with pytest.raises(SystemExit) as ended, ended_by_signals():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            steps.append("cleaned up")
    assert (ended.value.code, steps) == (128 + number, ["cleaned up"])
    assert signal.getsignal(number) is before
