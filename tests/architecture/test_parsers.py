"""Whatever reads the outside is fuzzed: a module that decodes something stands in the registry of parsers, or says here why it need not."""

import ast

import pytest

from siem.sources import SOURCES
from tests.architecture.tree import PACKAGES, files, python_files, syntax
from tests.fuzz.registry import TARGETS
from tests.fuzz.routes import READS as READ_BY_ROUTES
from tests.fuzz.target import Target

#: Calls that make something of bytes or text that somebody may have chosen, by their last name.
DECODERS = frozenset(
    {
        *("loads", "load_all", "safe_load", "compose", "read_yaml", "parse_yaml", "read_documents", "parse_documents", "DictReader"),
        *("parse_qsl", "parse_qs", "read_form", "parse_parameters", "read_body", "stream", "getlist"),
        *("b64decode", "urlsafe_b64decode", "extract_compact", "deserialize_compact", "get_unverified_header", "import_key_set"),
        *("load_pem_x509_certificate", "load_der_x509_certificate", "from_rfc4514_string", "ip_address", "ip_network", "urlsplit"),
        *("fromisoformat", "fromtimestamp", "model_validate", "ZipFile", "decompressobj"),
    }
)
#: Modules that decode and are not in the registry, and why not.
OURS: dict[str, str] = {
    **dict.fromkeys(
        (
            *("idp/audit.py", "idp/grants/repeated_answer.py", "idp/store/records.py", "idp/store/sqlite_signals.py"),
            *("siem/declarations/deadlines.py", "siem/declarations/documents.py", "siem/declarations/pdf.py", "siem/declarations/stix.py"),
            *("siem/declarations/store.py", "siem/evidence.py", "siem/indicators/book.py", "siem/response/executor.py"),
            *("siem/incidents/alerting.py", "siem/incidents/correlation.py", "siem/incidents/detection_alarms.py"),
            *("siem/incidents/handling.py", "siem/incidents/store.py", "siem/incidents/timeline.py", "siem/response/store.py"),
            *("siem/history/learning.py", "siem/store/database.py", "siem/store/queue.py"),
        ),
        "reads back what the program itself wrote to its state",
    ),
    **dict.fromkeys(
        (
            *("siem/detection/baseline/first_seen.py", "siem/detection/baseline/own_median.py", "siem/detection/baseline/tally.py"),
            *("siem/detection/encoding.py", "siem/detection/folders.py", "siem/detection/profile.py", "siem/detection/state.py"),
        ),
        "reads back the compiled rules and counters that the watch wrote; what does not fit is made anew",
    ),
    **dict.fromkeys(("idp/keys/seal.py", "idp/keys/signing_key.py"), "reads back sealed keys of its own"),
    **dict.fromkeys(("siem/detection/schema/__init__.py", "vocabulary/codes.py"), "reads a table of the product's"),
    **dict.fromkeys(
        (
            *("idp/authentication/service_notification.py", "idp/authorization/require_consent.py", "idp/compliance.py"),
            "idp/tokens/claims.py",
        ),
        "takes apart addresses that registration has checked",
    ),
    **dict.fromkeys(("idp/authority.py", "idp/provider.py", "siem/incidents/service.py"), "takes apart what the settings have checked"),
    "idp/grants/token_exchange.py": "makes instants of seconds that idp/subject_issuers.py has checked",
    "siem/incidents/grouping.py": "reads addresses that a source has put into their one form",
    "siem/detection/prove.py": "reads a file beside a rule, whose author sees what is wrong with it",
    **dict.fromkeys(("idp/doctor.py", "idp/testing/provider.py"), "asks a provider that the same person has started"),
}


def _decodes(path: str) -> bool:
    called = (node.func for node in ast.walk(syntax(path)) if isinstance(node, ast.Call))
    return any((func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) in DECODERS for func in called)


#: Commands read what a person types on this machine, who sees what is wrong with it.
TYPED = ("idp/cli/", "siem/cli/")
MODULES = [path for path in python_files(*PACKAGES) if "/migrations/" not in path and not path.startswith(TYPED)]
READ = frozenset(READ_BY_ROUTES).union(*(target.reads for target in TARGETS.values()))


def _is_read(path: str) -> bool:
    return any(path == read or path.startswith(f"{read}/") for read in READ)


@pytest.mark.parametrize("path", [path for path in MODULES if _decodes(path)])
def test_a_module_that_decodes_is_fuzzed_or_says_why_not(path: str) -> None:
    if path in OURS:
        assert not _is_read(path), f"{path} is fuzzed: take it out of OURS"
    else:
        assert _is_read(path), f"{path} decodes something: name it in reads of a target of tests/fuzz, or in OURS with the reason"


def test_what_the_registry_and_the_exceptions_name_is_there() -> None:
    there = [*files(), *{str(path).rpartition("/")[0] for path in MODULES}]
    assert [path for path in READ if path not in there] == []
    assert [path for path in OURS if path not in MODULES or not _decodes(path)] == []


def test_every_kind_of_record_has_its_target() -> None:
    assert {f"record-{kind}" for kind in SOURCES} == {name for name in TARGETS if name.startswith("record-")}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_begins_somewhere_and_refuses_by_classes_of_its_own(target: Target) -> None:
    assert target.seeds
    # A class as wide as these would hide faults. ValueError is the settings' word, and theirs alone.
    assert not {Exception, TypeError, KeyError, AttributeError, RuntimeError, OSError} & set(target.refusals)
    assert ValueError not in target.refusals or target.name == "watch-settings"
