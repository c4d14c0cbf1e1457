"""``idp accounts``: people and their phones."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idp.cli.context import JsonOption, faults, print_rows, with_state
from idp.errors import OperationError
from idp.settings import load

if TYPE_CHECKING:
    from idp.model import Account
    from idp.state import State

app = typer.Typer(help="People and their phones.", no_args_is_help=True)


@app.command("apply")
def accounts_apply(file: Annotated[Path, typer.Argument(help="YAML file of people.", exists=True, dir_okay=False)]) -> None:
    """Create or update the people of a file; the state of an account that exists (suspended) stays."""
    with faults():
        people = read_people_file(file)
    with_state(lambda state: apply_accounts(state, people))
    typer.echo(f"{len(people)} accounts applied", err=True)


def read_people_file(file: Path) -> "list[Account]":
    """The people of a YAML file."""
    from idp.people.file import read_people

    return read_people(file)


async def apply_accounts(state: "State", people: "list[Account]") -> None:
    """Store the people together; who is there already keeps identifier and state."""

    async def put(account: "Account") -> None:
        present = await state.store.accounts.find_by_national_id(account.national_id or "")
        await state.store.accounts.put(replace(account, id=present.id, state=present.state) if present else account)

    await asyncio.gather(*(put(account) for account in people))


@app.command("enrol")
def accounts_enrol(national_id: str, as_json: JsonOption = False) -> None:
    """Give a person the right to enrol one phone: prints the activation code and the address to open."""
    from idp.authentication.enrolment import new_enrolment
    from idp.model import Lifetimes

    async def work(state: "State") -> dict[str, str | None]:
        account = await state.store.accounts.find_by_national_id(national_id)
        if account is None:
            raise OperationError("finding an account with this national identifier", national_id, retry_helps=False)
        code, enrolment = new_enrolment(account.id, state.clock(), Lifetimes().enrolment)
        await state.store.devices.grant_enrolment(enrolment)
        return {
            "activation_code": code,
            "url": f"{load().base_url}/phone/enrol?code={code}",
            "expires_at": enrolment.expires_at.isoformat(),
        }

    print_rows([with_state(work)], as_json=as_json)
