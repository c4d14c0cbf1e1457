"""``siem rules``: check them, test them."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import AsJson, folder_of, report, rule_folders

app = typer.Typer(no_args_is_help=True, help="Sigma rules.")


@app.command("check")
def rules_check(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of rules, taken together; the first is held to our own style. By default the watch’s."),
    ] = None,
    proofs: Annotated[
        Path | None, typer.Option(help="Folder of proofs, laid out as the first folder’s rules; each of them must then have its own.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with each rule: file, line, field and reason."""
    from siem.detection import prove

    report(prove.check(*rule_folders(folders), proofs=proofs), as_json=as_json, checked="rules")


@app.command("test")
def rules_test(
    folder: Annotated[Path, typer.Argument(help="Folder of rules.")],
    proofs: Annotated[Path, typer.Argument(help="Folder of proofs: match.jsonl and ignore.jsonl of each rule.")],
    beside: Annotated[
        list[Path] | None, typer.Option("--with", help="Folder loaded with it: filters on its rules, or rules it refers to. Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run each rule against its proof: every match must fire, every near miss must not."""
    from siem.detection import prove

    results = prove.test(*rule_folders([folder, *(beside or [])]), proofs=folder_of(proofs))
    problems = [problem for result in results for problem in result.problems]
    report(problems, as_json=as_json, checked=f"{len(results)} proofs")
