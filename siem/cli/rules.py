"""``siem rules``: check them, test them."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import RULES, AsJson, folder_of, report

app = typer.Typer(no_args_is_help=True, help="Sigma rules.")


@app.command("check")
def rules_check(
    folder: Annotated[Path, typer.Argument(help="Folder of rules.")] = RULES,
    proofs: Annotated[Path | None, typer.Option(help="Folder of proofs, laid out as the rules; each rule must then have its own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each rule: file, line, field and reason."""
    from siem.detection import prove

    report(prove.check(folder_of(folder), proofs), as_json=as_json, checked="rules")


@app.command("test")
def rules_test(
    folder: Annotated[Path, typer.Argument(help="Folder of rules.")],
    proofs: Annotated[Path, typer.Argument(help="Folder of proofs: match.jsonl and ignore.jsonl of each rule.")],
    as_json: AsJson = False,
) -> None:
    """Run each rule against its proof: every match must fire, every near miss must not."""
    from siem.detection import prove

    results = prove.test(folder_of(folder), folder_of(proofs))
    problems = [problem for result in results for problem in result.problems]
    report(problems, as_json=as_json, checked=f"{len(results)} proofs")
