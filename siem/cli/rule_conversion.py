"""``siem rules convert``: rules as queries of other systems."""

from pathlib import Path
from typing import Annotated

import typer

from siem.cli.context import fail, pipelines
from siem.errors import DataError, OperationError


def convert_rules(
    files: Annotated[list[Path], typer.Argument(help="Rule files; a correlation together with the rules that it is over.")],
    target: Annotated[str, typer.Option("--target", "-t", help="Backend of pySigma: lucene, eql, esql, splunk, opensearch_ppl, sqlite …")],
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="Which pipeline names the fields, where several do.")] = "",
    output_format: Annotated[str, typer.Option("--format", "-f", help="Of the backend, such as dsl_lucene or kibana_ndjson.")] = "default",
) -> None:
    """Write rules as queries of another system, with our names of fields; says of each that the backend cannot express why.

    A correlation by a field that may stand in several places is written once for each of them.
    """
    from siem.conversion import convert, credits_of
    from siem.detection.documents import read_documents
    from siem.detection.folders import RuleFolder

    documents, errors = [], []
    for file in files:
        found, wrong = read_documents(file, RuleFolder(file.parent, ""))
        documents.extend(found)
        errors.extend(wrong)
    if documents:
        try:
            converted = convert(documents, pipelines(), target, pipeline=pipeline, output_format=output_format)
        except OperationError as error:
            fail(str(error))
        except DataError as error:
            errors.append(error)
        else:
            errors.extend(converted.refused)
            for credit in credits_of(documents):
                typer.echo(f"# {credit}", err=True)
            for query in converted.queries:
                typer.echo(query)
    if errors:
        for one in errors:
            typer.echo(str(one), err=True)
        raise typer.Exit(1)
