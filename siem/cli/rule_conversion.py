"""``siem rules convert``: rules as queries of other systems."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import fail, pipelines, rule_folders
from siem.errors import OperationError


def convert_rules(
    files: Annotated[list[Path], typer.Argument(help="Rule files; a correlation together with the rules that it is over.")],
    target: Annotated[str, typer.Option("--target", "-t", help="Backend of pySigma: lucene, eql, esql, splunk, open_search_ppl, sqlite …")],
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="Which pipeline names the fields, where several do.")] = "",
    output_format: Annotated[str, typer.Option("--format", "-f", help="Of the backend, such as dsl_lucene or kibana_ndjson.")] = "default",
) -> None:
    """Write rules as queries of another system, with our names of fields; says of each that the backend cannot express why.

    A correlation by a field that may stand in several places is written once for each of them.
    """
    from siem.conversion import Wish, convert, credits_of
    from siem.detection.documents import read_documents
    from siem.detection.folders import RuleFolder
    from siem.detection.placeholders import read_placeholders

    documents = []
    lists, errors = read_placeholders(
        [*rule_folders(None), *(RuleFolder(folder, "") for folder in dict.fromkeys(one.parent for one in files))]
    )
    for file in files:
        found, wrong = read_documents(file, RuleFolder(file.parent, ""))
        documents.extend(found)
        errors.extend(wrong)
    if documents:
        try:
            converted = convert(documents, pipelines(), Wish(target, pipeline, output_format, lists))
        except OperationError as error:
            fail(str(error))
        errors.extend(converted.refused)
        for credit in credits_of(documents):
            typer.echo(f"# {credit}", err=True)
        for query in converted.queries:
            typer.echo(query)
    if errors:
        for one in errors:
            typer.echo(str(one), err=True)
        raise typer.Exit(1)
