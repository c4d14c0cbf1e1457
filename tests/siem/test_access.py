from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

from siem.access import PERMISSIONS, WATCH, Permission, Principal, Role, visible

FINESS = ("0B0000005", "0B0172805", "1B0062023")
TENANTS = ("default", "other")
OBJECTS = [(finess, tenant) for finess in (*FINESS, None) for tenant in TENANTS]

principals = st.builds(
    Principal,
    st.just("P-AAAAAAAAAA"),
    st.just("Camille"),
    st.frozensets(st.sampled_from(Role)),
    st.frozensets(st.sampled_from(FINESS)),
    st.sampled_from(TENANTS),
)


@given(principals)
def test_a_listing_shows_exactly_what_the_decision_on_one_object_allows(principal: Principal) -> None:
    table = Table("objects", MetaData(), Column("finess", String), Column("tenant", String, nullable=False))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(insert(table), [{"finess": finess, "tenant": tenant} for finess, tenant in OBJECTS])
        query = select(table.c.finess, table.c.tenant).where(visible(principal, table.c.finess, table.c.tenant))
        listed = {(row.finess, row.tenant) for row in connection.execute(query)}
    engine.dispose()
    assert listed == {(finess, tenant) for finess, tenant in OBJECTS if principal.sees(finess, tenant)}


@given(principals)
def test_roles_add_up_and_no_role_means_nothing(principal: Principal) -> None:
    granted = {permission for role in principal.roles for permission in PERMISSIONS[role]}
    assert {permission for permission in Permission if principal.may(permission)} == granted


@pytest.mark.parametrize("role", [Role.DECLARANT, Role.ARS])
def test_an_establishment_sees_its_own_and_nothing_else(role: Role) -> None:
    person = Principal("P-AAAAAAAAAA", "Camille", frozenset({role}), frozenset({FINESS[0]}))
    assert person.sees(FINESS[0], "default")
    assert not person.sees(FINESS[1], "default")
    assert not person.sees(None, "default")
    assert not person.sees(FINESS[0], "other")


def test_only_who_answers_for_an_establishment_validates_its_declaration() -> None:
    assert [role for role in Role if Permission.VALIDATE_DOSSIERS in PERMISSIONS[role]] == [Role.DECLARANT]


def test_an_auditor_reads_and_changes_nothing() -> None:
    changing = {
        Permission.TRIAGE,
        Permission.HANDLE_INCIDENTS,
        Permission.APPROVE_ACTIONS,
        Permission.REVEAL_IDENTITY,
        Permission.EDIT_DOSSIERS,
        Permission.VALIDATE_DOSSIERS,
        Permission.DESK,
    }
    assert not PERMISSIONS[Role.AUDITEUR] & changing


def test_every_role_is_granted_something_of_its_own_mix() -> None:
    assert all(PERMISSIONS[role] for role in Role)
    assert all(PERMISSIONS[one] != PERMISSIONS[other] for one, other in combinations(Role, 2))


def test_the_watch_itself_never_validates_a_declaration() -> None:
    assert not WATCH.may(Permission.VALIDATE_DOSSIERS)
