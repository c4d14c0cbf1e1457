"""Run the Foundation's conformance suite against our provider.

``python -m tests.conformance.foundation --suite https://localhost:8443 --suite-authority suite.pem [plan …]``: the suite runs already
(docs/how-to/run-the-conformance-suite.md says how), the provider is started here, in a temporary folder. Plans are the files of
``plans/``, all by default. ``--keep`` writes what was found to ``verdicts.json``.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error

from tests.conformance.foundation import verdicts
from tests.conformance.foundation.api import ENDED, Suite
from tests.conformance.foundation.ending import ended_by_signals
from tests.conformance.foundation.person import Person, Seen
from tests.conformance.foundation.plan import PLAIN, PlanFile, filled, made_for, names_in, read_all
from tests.conformance.foundation.world import DOCTOR, SECRET, World, approving, provider
from tests.conformance.live import chromium

#: The one module that waits for the operator.
_ROTATION = "oidcc-server-rotate-keys"
_REFUSING = "user-rejects-authentication"
#: It wants the login page left and come back to.
_RETURNING = "reused-request-uri-prior-to-auth-completion"
_MODULE_SECONDS = 420
_POLL_MS = 400
_SHORT_MS = 1_500
#: How long a page stands still before it is photographed for the suite; longer when an answer is on its way, which may be all it wants.
_SETTLED_SECONDS = 1.5
_ARRIVAL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a module needs."""

    suite: Suite
    world: World
    browser: Browser
    #: What of the provider runs.
    commit: str


def main(arguments: list[str]) -> int:
    """Run the plans; exit status 1 when a module failed."""
    options = _options().parse_args(arguments)
    plans = [plan for plan in read_all() if not options.plans or plan.name in options.plans]
    if unknown := set(options.plans) - {plan.name for plan in plans}:
        raise SystemExit(f"no plan is called {min(unknown)}; known are {', '.join(plan.name for plan in read_all())}")
    failed = False
    commit = verdicts.provider_commit()
    with Suite(options.suite, options.suite_authority) as suite, tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        made = {plan.name: {"suite": suite.base_url, "secret": SECRET, "plain": PLAIN, **made_for(plan)} for plan in plans}
        clients = [filled(client, made[plan.name], f"{plan.name}: clients") for plan in plans for client in plan.clients]
        with (
            ended_by_signals(),
            provider(Path(folder), options.suite_authority.resolve(), clients) as world,
            approving(world) as approval,
            chromium() as browser,
        ):
            stage = Stage(suite, world, browser, commit)
            for plan in plans:
                values = {**made[plan.name], "issuer": world.issuer, "approval_url": approval}
                if "initial_access_token" in names_in(plan.configuration):
                    values["initial_access_token"] = world.initial_access_token()
                found = run_plan(stage, plan, values, options.only, options.logs)
                failed = failed or any(module["verdict"] in ("failed", "interrupted") for module in found["modules"])
                print(f"{plan.title}: {verdicts.counted(found['modules'])}", flush=True)
                if options.keep and not options.only:
                    verdicts.keep(plan.name, found)
    return int(failed)


def run_plan(stage: Stage, plan: PlanFile, values: Mapping[str, Any], only: str | None, logs: Path | None) -> dict[str, Any]:
    """Every module of a plan, one after the other, as ``verdicts.json`` has them."""
    configuration = filled(plan.configuration, values, f"{plan.name}: configuration")
    created = stage.suite.create_plan(plan.plan, plan.variant, configuration)
    modules = []
    for module in created["modules"]:
        name = str(module["testModule"])
        if only and only not in name:
            continue
        module_id, remarks = run_module(stage, created["id"], name, module.get("variant") or {})
        log = stage.suite.log(module_id)
        verdict = verdicts.verdict_of(name, stage.suite.info(module_id), log)
        verdict["remarks"] += remarks
        modules.append(verdict)
        print(f"{plan.name}: {name}: {verdict['verdict']}", *verdict["remarks"], sep="\n    ", flush=True)
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
            (logs / f"{plan.name}.{name}.json").write_text(json.dumps(log, indent=1), "utf-8")
    about = stage.suite.server()
    return {
        "plan": plan.plan,
        "variant": dict(plan.variant),
        "run_on": datetime.now(UTC).date().isoformat(),
        "provider": stage.commit,
        "suite": {"version": about["version"], "revision": about["revision"]},
        "modules": modules,
    }


def run_module(stage: Stage, plan_id: str, name: str, variant: Mapping[str, str]) -> tuple[str, list[str]]:
    """One module to its end; its identifier, and what went wrong on our side of the browser."""
    suite, remarks = stage.suite, []
    module_id = suite.create_module(plan_id, name, variant)
    person = Person(
        stage.browser, provider=stage.world.base_url, suite=suite.base_url, national_id=DOCTOR, answer=stage.world.phones.answer
    )
    try:
        give_up_at = time.monotonic() + _MODULE_SECONDS
        if name == _ROTATION and suite.wait(module_id, ENDED | {"CONFIGURED"}) == "CONFIGURED":
            stage.world.rotate_keys()
            suite.start(module_id)
        seen, went_at, only_looks = Seen(None, came_back=False), time.monotonic(), _RETURNING in name
        while suite.wait(module_id, ENDED, _POLL_MS) is None:
            if time.monotonic() > give_up_at:
                remarks.append(f"browser: given up after {_MODULE_SECONDS} s")
                break
            due = seen.picture is not None and time.monotonic() - went_at > (_ARRIVAL_SECONDS if seen.came_back else _SETTLED_SECONDS)
            # A place for a picture is made after the visit that it is of was asked for: looked at in this order, none is filled too soon.
            places = suite.pictures_wanted(module_id) if due else []
            visits = suite.visits(module_id)
            for visit in visits:
                suite.visited(module_id, visit.url)
                seen = person.go(visit, cancels=_REFUSING in name, only_looks=only_looks)
                went_at, only_looks = time.monotonic(), False
            for place in () if visits else places:
                suite.show_picture(module_id, place, str(seen.picture))
    except (Error, AssertionError) as error:
        remarks.append(f"browser: {type(error).__name__}: {str(error).splitlines()[0]}")
    finally:
        person.close()
        if suite.wait(module_id, ENDED, _SHORT_MS) is None:
            suite.stop(module_id)
    return module_id, remarks


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.foundation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("plans", nargs="*", metavar="plan", help="names of files in plans/; all by default")
    parser.add_argument("--suite", required=True, help="where the suite answers, such as https://localhost:8443")
    parser.add_argument("--suite-authority", required=True, type=Path, help="PEM file that the suite's TLS certificate is believed by")
    parser.add_argument("--only", help="run the modules alone whose name holds this")
    parser.add_argument("--logs", type=Path, help="folder for the suite's logs, one file a module")
    parser.add_argument("--keep", action="store_true", help="write the verdicts to verdicts.json")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
