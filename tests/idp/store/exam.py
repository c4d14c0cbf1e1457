"""The exam that every engine of the provider's store sits: single use, expiry, atomicity, revocation.

An engine's test subclasses :class:`StoreExam` and gives a constructor. Each test runs in an event loop of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from idp.model import (
    BY_SYSTEM,
    AccessTokenRecord,
    Account,
    AccountKind,
    Approval,
    ApprovalState,
    AuthorizationCode,
    AwaitedRequest,
    Cause,
    Client,
    Consent,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Device,
    DeviceAuthorization,
    DeviceAuthorizationState,
    DeviceState,
    Enrolment,
    Grant,
    InitialAccessToken,
    Initiator,
    Interaction,
    Profile,
    PushedRequest,
    RefreshToken,
    Refusal,
    Session,
    Signal,
    SignalKind,
    Stream,
    StreamStatus,
)
from idp.store import Store

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 21, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def account(name: str = "one", national_id: str | None = "899700000005") -> Account:
    return Account(
        id=f"account-{name}", kind=AccountKind.PROFESSIONAL, national_id=national_id, directory={"exercices": [{"codeProfession": "10"}]}
    )


def session(name: str = "one", **changes: object) -> Session:
    made = Session(
        id=f"session-{name}",
        cookie_hash=f"cookie-{name}",
        account_id="account-one",
        method="device",
        acr="eidas2",
        amr=("hwk", "pin"),
        auth_time=NOW,
        last_used_at=NOW,
        expires_at=NOW + 30 * MINUTE,
        source_ip="192.0.2.1",
        user_agent="Firefox",
    )
    return replace(made, **changes)


def code(name: str = "one") -> AuthorizationCode:
    return AuthorizationCode(
        code_hash=f"code-{name}",
        client_id="client",
        account_id="account-one",
        session_id="session-one",
        grant_id=f"grant-{name}",
        redirect_uri="https://service.example/retour",
        scope=frozenset({"openid", "identity"}),
        nonce="n",
        code_challenge="c" * 43,
        acr="eidas2",
        amr=("hwk", "pin"),
        method="device",
        auth_time=NOW,
        expires_at=NOW + MINUTE,
    )


def grant(name: str = "one", **changes: object) -> Grant:
    made = Grant(
        id=f"grant-{name}",
        client_id="client",
        account_id="account-one",
        session_id="session-one",
        scope=frozenset({"openid"}),
        nonce=None,
        acr="eidas2",
        amr=("hwk",),
        method="device",
        auth_time=NOW,
        created_at=NOW,
    )
    return replace(made, **changes)


def access_token(name: str = "one", grant_name: str = "one") -> AccessTokenRecord:
    return AccessTokenRecord(
        jti=f"jti-{name}",
        grant_id=f"grant-{grant_name}",
        client_id="client",
        account_id="account-one",
        session_id="session-one",
        scope=frozenset({"openid"}),
        issued_at=NOW,
        expires_at=NOW + 2 * MINUTE,
    )


def refresh_token(name: str = "one", grant_name: str = "one") -> RefreshToken:
    return RefreshToken(token_hash=f"refresh-{name}", grant_id=f"grant-{grant_name}", expires_at=NOW + 30 * MINUTE)


def signal(name: str = "one", **changes: object) -> Signal:
    made = Signal(
        id=f"signal-{name}",
        kind=SignalKind.CREDENTIAL_CHANGED,
        account_id="account-one",
        cause_initiator=Initiator.USER,
        cause_reason="",
        at=NOW,
        details={"credential_type": "app"},
    )
    return replace(made, **changes)


def delivery(name: str = "one", **changes: object) -> Delivery:
    made = Delivery(
        id=f"delivery-{name}",
        kind=DeliveryKind.BACKCHANNEL_LOGOUT,
        recipient="client",
        created_at=NOW,
        due_at=NOW,
        account_id="account-one",
        session_id="session-one",
        claims={"jti": "1", "events": {"https://event.example": {}}},
    )
    return replace(made, **changes)


def approval(name: str = "one", **changes: object) -> Approval:
    made = Approval(
        id=f"approval-{name}",
        account_id="account-one",
        interaction_id="interaction-one",
        challenge="challenge",
        code="57",
        choices=("12", "57", "83"),
        client_name="Dossier patient",
        structure_name=None,
        source_ip="192.0.2.1",
        user_agent="Firefox",
        requested_at=NOW,
        expires_at=NOW + 2 * MINUTE,
    )
    return replace(made, **changes)


def awaited(name: str = "one", **changes: object) -> AwaitedRequest:
    made = AwaitedRequest(
        handle_hash=f"handle-{name}",
        client_id="client",
        scope=frozenset({"openid", "identity"}),
        created_at=NOW,
        expires_at=NOW + 2 * MINUTE,
        interval_seconds=5,
        approval_id=f"approval-{name}",
    )
    return replace(made, **changes)


def device_authorization(name: str = "one", **changes: object) -> DeviceAuthorization:
    made = DeviceAuthorization(
        device_code_hash=f"device-{name}",
        user_code_hash=f"user-{name}",
        client_id="client",
        scope=frozenset({"openid"}),
        resources=frozenset(),
        created_at=NOW,
        expires_at=NOW + 2 * MINUTE,
        interval_seconds=5,
        source_ip="192.0.2.1",
        user_agent="Télévision",
    )
    return replace(made, **changes)


class StoreExam:
    """Questions an engine must answer; :meth:`sit` opens one and closes it."""

    def sit(self, work: Callable[[Store], Awaitable[T]]) -> T:
        async def run() -> T:
            store = self.open_store()
            await store.migrate()
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def open_store(self) -> Store:
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ registry

    def test_an_initial_access_token_counts_as_often_as_it_says_and_a_client_comes_with_each_use(self) -> None:
        token = InitialAccessToken(
            token_hash="initial",
            label="l",
            scope=frozenset({"openid"}),
            grant_types=("authorization_code",),
            profile=Profile.BASELINE,
            structure_name=None,
            structure_finess=None,
            use_count=2,
            created_at=NOW,
            expires_at=NOW + MINUTE,
        )

        async def work(store: Store) -> None:
            await store.clients.put_initial_token(token)
            assert await store.clients.get_initial_token("initial", NOW) == token
            clients = [Client(client_id=f"c-{number}", client_name="N") for number in range(4)]
            used = await asyncio.gather(*(store.clients.use_initial_token("initial", client, NOW) for client in clients))
            assert sorted(used) == [False, False, True, True]
            assert len(await store.clients.all()) == 2
            assert await store.clients.get_initial_token("initial", NOW) is None
            await store.clients.delete("c-0")
            assert await store.clients.get("c-0") is None

        self.sit(work)

    def test_an_initial_access_token_that_has_expired_is_absent(self) -> None:
        token = InitialAccessToken(
            token_hash="initial",
            label="l",
            scope=frozenset(),
            grant_types=(),
            profile=Profile.BASELINE,
            structure_name=None,
            structure_finess=None,
            use_count=1,
            created_at=NOW,
            expires_at=NOW + MINUTE,
        )

        async def work(store: Store) -> None:
            await store.clients.put_initial_token(token)
            late = NOW + MINUTE
            assert await store.clients.get_initial_token("initial", late) is None
            assert not await store.clients.use_initial_token("initial", Client(client_id="c", client_name="N"), late)
            assert await store.clients.get("c") is None

        self.sit(work)

    def test_gives_back_a_client_as_it_was_put(self) -> None:
        client = Client(
            client_id="c",
            client_name="É",
            profile=Profile.PSC,
            redirect_uris=("https://a/",),
            jwks={"keys": []},
            quirks={"code_seconds": 30},
        )

        async def work(store: Store) -> None:
            await store.clients.put(client)
            assert await store.clients.get("c") == client
            await store.clients.put(replace(client, client_name="Autre"))
            assert await store.clients.get("c") == replace(client, client_name="Autre")
            assert await store.clients.all() == [replace(client, client_name="Autre")]
            assert await store.clients.get("absent") is None

        self.sit(work)

    def test_finds_an_account_by_national_identifier_and_by_bare_rpps(self) -> None:
        async def work(store: Store) -> None:
            await store.accounts.put(account())
            await store.accounts.put(account("patient", None))
            await store.accounts.put(account("other patient", None))
            assert await store.accounts.find_by_national_id("899700000005") == account()
            assert await store.accounts.find_by_national_id("99700000005") == account()
            assert await store.accounts.find_by_national_id("899700000013") is None
            assert await store.accounts.get("account-one") == account()
            assert len(await store.accounts.all()) == 3

        self.sit(work)

    def test_counts_wrong_pins_and_blocks_the_device_at_the_limit(self) -> None:
        device = Device(id="d", account_id="account-one", name="Téléphone", public_jwk={"kty": "EC"}, pin_mac="m", enrolled_at=NOW)

        async def work(store: Store) -> None:
            await store.devices.put(device)
            counted = await asyncio.gather(*(store.devices.count_wrong_pin("d", blocked_at=3) for _ in range(3)))
            assert sorted(d.wrong_pin_count for d in counted) == [1, 2, 3]
            assert [d.state for d in counted].count(DeviceState.BLOCKED) == 1
            assert (await store.devices.of_account("account-one"))[0].state is DeviceState.BLOCKED

        self.sit(work)

    def test_an_enrolment_serves_one_of_two_consumers(self) -> None:
        async def work(store: Store) -> None:
            await store.devices.grant_enrolment(Enrolment(code_hash="e", account_id="account-one", expires_at=NOW + MINUTE))
            won = await asyncio.gather(*(store.devices.consume_enrolment("e", NOW) for _ in range(2)))
            assert len([w for w in won if w]) == 1

        self.sit(work)

    def test_an_expired_enrolment_is_absent(self) -> None:
        async def work(store: Store) -> None:
            await store.devices.grant_enrolment(Enrolment(code_hash="e", account_id="account-one", expires_at=NOW + MINUTE))
            assert await store.devices.consume_enrolment("e", NOW + MINUTE) is None

        self.sit(work)

    def test_of_two_changes_of_one_client_from_the_same_state_one_wins_whole(self) -> None:
        async def work(store: Store) -> None:
            first = Client(client_id="one", client_name="Un")
            assert sorted(await asyncio.gather(*(store.clients.exchange(None, first) for _ in range(3)))) == [False, False, True]
            wanted = [replace(first, client_name=f"Un {number}") for number in range(5)]
            won = await asyncio.gather(*(store.clients.exchange(first, one) for one in wanted))
            assert won.count(True) == 1
            assert await store.clients.get("one") == wanted[won.index(True)]
            assert not await store.clients.exchange(first, first)
            await store.clients.delete("one")
            assert not await store.clients.exchange(wanted[won.index(True)], first)
            assert await store.clients.get("one") is None

        self.sit(work)

    def test_a_session_whose_time_is_over_ends_once_with_what_hangs_on_it_and_is_told(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session(expires_at=NOW + MINUTE))
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            assert await store.revocations.end_expired(NOW + MINUTE - timedelta(microseconds=1), BY_SYSTEM) == []
            cause = Cause(initiator=Initiator.POLICY, reason="idle")
            ended = await asyncio.gather(*(store.revocations.end_expired(NOW + MINUTE, cause) for _ in range(3)))
            assert sorted(map(len, ended)) == [0, 0, 1]
            [signal] = await store.signals.waiting(at_most=10)
            assert (signal.kind, signal.session_id, signal.cause_initiator) == (SignalKind.SESSION_ENDED, "session-one", Initiator.POLICY)
            found = await store.tokens.get_grant(grant().id)
            assert found is not None and found.revoked_at is not None

        self.sit(work)

    def test_refusals_are_kept_so_many_of_a_client_and_of_one_source(self) -> None:
        def refusal(number: int, source: str, client_id: str = "client") -> Refusal:
            return Refusal(
                reference=f"{client_id}-{number}",
                client_id=client_id,
                endpoint="token",
                at=NOW + number * MINUTE,
                expires_at=NOW + 60 * MINUTE,
                source=source,
                error="invalid_grant",
                description="over",
                facts={"grant_type": "refresh_token"},
            )

        async def scenario(store: Store) -> None:
            for number in range(4):
                await store.refusals.put(refusal(number, "one"), client_count=5, source_count=3)
            assert [one.reference for one in await store.refusals.of_client("client", NOW)] == ["client-3", "client-2", "client-1"]
            for number in range(4, 9):
                await store.refusals.put(refusal(number, f"source-{number}"), client_count=5, source_count=3)
            await store.refusals.put(refusal(1, "one", "other"), client_count=5, source_count=3)
            assert len(await store.refusals.of_client("client", NOW)) == 5
            assert await store.refusals.get("other-1", NOW) == refusal(1, "one", "other")
            assert await store.refusals.get("other-1", NOW + 60 * MINUTE) is None
            assert await store.refusals.of_client("other", NOW + 60 * MINUTE) == []
            assert await store.expire(NOW + 60 * MINUTE) == 6

        self.sit(scenario)

    def test_a_consent_is_one_person_s_to_one_client_until_it_is_withdrawn_or_the_client_goes(self) -> None:
        def consent(account_id: str, client_id: str, minute: int = 0) -> Consent:
            scope, at = frozenset({"openid"}), NOW + minute * MINUTE
            return Consent(account_id=account_id, client_id=client_id, client_name="S", place="s.example", scope=scope, given_at=at)

        async def work(store: Store) -> None:
            await store.clients.put(Client(client_id="one", client_name="S"))
            for given in (consent("a", "two", 2), consent("a", "one", 1), consent("b", "one")):
                await store.consents.put(given, until=NOW + 60 * MINUTE)
            more = replace(consent("a", "one", 1), scope=frozenset({"openid", "profile"}))
            await store.consents.put(more, until=NOW + 90 * MINUTE)
            found = await store.consents.get("a", "one", NOW)
            assert found is not None and found.scope == {"openid", "profile"}
            assert [one.client_id for one in await store.consents.of_account("a", NOW)] == ["one", "two"]
            assert await store.consents.get("b", "two", NOW) is None
            assert [one.client_id for one in await store.consents.of_account("a", NOW + 60 * MINUTE)] == ["one"]
            assert await store.consents.get("a", "one", NOW + 90 * MINUTE) is None
            withdrawn = await asyncio.gather(*(store.consents.withdraw("a", "two") for _ in range(3)))
            assert sorted(withdrawn) == [False, False, True]
            await store.clients.delete("one")
            assert await store.consents.get("a", "one", NOW) is None
            assert await store.consents.of_account("b", NOW) == []
            await store.consents.put(consent("b", "two"), until=NOW + 60 * MINUTE)
            assert await store.expire(NOW + 60 * MINUTE) == 1

        self.sit(work)

    def test_keys_come_back_in_the_order_they_were_saved(self) -> None:
        async def work(store: Store) -> None:
            for name in ("b", "a", "c"):
                await store.keys.save(name, name.encode())
            await store.keys.save("a", b"again")
            await store.keys.delete("c")
            assert await store.keys.load() == [("b", b"b"), ("a", b"again")]

        self.sit(work)

    # ------------------------------------------------------------------------------------------------ logins

    def test_an_interaction_lives_until_it_expires_or_is_deleted(self) -> None:
        interaction = Interaction(
            id="i",
            request={"client_id": "c"},
            client_id="c",
            browser_hash="b",
            created_at=NOW,
            expires_at=NOW + MINUTE,
            authenticated_at=NOW,
        )

        async def work(store: Store) -> None:
            await store.interactions.put(interaction)
            assert await store.interactions.get("i", NOW) == interaction
            assert await store.interactions.get("i", NOW + MINUTE) is None
            await store.interactions.delete("i")
            assert await store.interactions.get("i", NOW) is None

        self.sit(work)

    def test_a_pushed_request_is_found_by_its_client_in_one_browser_until_it_expires(self) -> None:
        pushed = PushedRequest(request_hash="p", client_id="c", parameters={"state": "é"}, expires_at=NOW + MINUTE)

        async def work(store: Store) -> None:
            kept = store.pushed_requests
            await kept.put(pushed)
            assert await kept.find("p", "other", None, NOW) is None
            assert [await kept.find("p", "c", browser, NOW) for browser in (None, "first", "second")] == [pushed] * 3
            assert await asyncio.gather(*(kept.keep("p", browser, NOW + MINUTE) for browser in ("first", "second"))) == [True, False]
            assert await kept.keep("p", "first", NOW + MINUTE)
            assert [await kept.find("p", "c", browser, NOW) for browser in (None, "first", "second")] == [None, pushed, None]
            assert await kept.find("p", "c", "first", NOW + MINUTE) is None

        self.sit(work)

    def test_a_pushed_request_is_answered_once_and_as_long_as_its_login_lasts(self) -> None:
        pushed = PushedRequest(request_hash="p", client_id="c", parameters={}, expires_at=NOW + MINUTE)

        async def work(store: Store) -> None:
            kept = store.pushed_requests
            for name in ("p", "unkept", "forgotten"):
                await kept.put(replace(pushed, request_hash=name))
            assert await kept.keep("p", "first", NOW + 3 * MINUTE)
            assert await kept.keep("forgotten", "first", NOW)
            assert await store.expire(NOW + MINUTE) == 2
            assert sorted(await asyncio.gather(*(kept.answer("p") for _ in range(3)))) == [False, False, True]
            assert await kept.find("p", "c", "first", NOW) is None
            assert not await kept.keep("p", "first", NOW + 3 * MINUTE)
            assert [await kept.answer(name) for name in ("unkept", "unknown")] == [False, False]

        self.sit(work)

    def test_one_answer_to_an_approval_wins(self) -> None:
        async def work(store: Store) -> None:
            await store.interactions.put_approval(approval())
            answers = [approval(state=state) for state in (ApprovalState.APPROVED, ApprovalState.DENIED)]
            assert sorted(await asyncio.gather(*(store.interactions.settle_approval(a) for a in answers))) == [False, True]

        self.sit(work)

    def test_one_look_at_an_approval_is_the_first(self) -> None:
        async def work(store: Store) -> None:
            await store.interactions.put_approval(approval())
            assert sorted(await asyncio.gather(*(store.interactions.see_approval(approval()) for _ in range(3)))) == [False, False, True]
            assert await store.interactions.pending_approvals("account-one", NOW) == [approval(state=ApprovalState.SEEN)]

        self.sit(work)

    def test_a_late_seen_does_not_reopen_an_answered_approval(self) -> None:
        async def work(store: Store) -> None:
            await store.interactions.put_approval(approval())
            await store.interactions.settle_approval(approval(state=ApprovalState.DENIED))
            assert not await store.interactions.see_approval(approval())
            stored = await store.interactions.get_approval("approval-one")
            assert stored is not None
            assert stored.state is ApprovalState.DENIED
            assert await store.interactions.pending_approvals("account-one", NOW) == []

        self.sit(work)

    def test_pending_approvals_come_oldest_first_and_without_the_expired(self) -> None:
        async def work(store: Store) -> None:
            await store.interactions.put_approval(approval("late", requested_at=NOW + MINUTE, expires_at=NOW + 3 * MINUTE))
            await store.interactions.put_approval(approval("early"))
            await store.interactions.put_approval(approval("other", account_id="account-two"))
            pending = await store.interactions.pending_approvals("account-one", NOW)
            assert [a.id for a in pending] == ["approval-early", "approval-late"]
            later = await store.interactions.pending_approvals("account-one", NOW + 2 * MINUTE)
            assert [a.id for a in later] == ["approval-late"]

        self.sit(work)

    def test_a_session_is_found_by_its_cookie_until_it_expires(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            assert await store.sessions.find_by_cookie("cookie-one", NOW) == session()
            assert await store.sessions.get("session-one", NOW + 30 * MINUTE) is None
            assert await store.sessions.of_account("account-one", NOW) == [session()]
            await store.sessions.delete("session-one")
            assert await store.sessions.find_by_cookie("cookie-one", NOW) is None

        self.sit(work)

    def test_a_use_that_races_with_an_end_does_not_bring_the_session_back(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            assert await store.sessions.touch(session(), NOW + MINUTE, NOW + 31 * MINUTE)
            touched = await store.sessions.get("session-one", NOW + 30 * MINUTE)
            assert touched == session(last_used_at=NOW + MINUTE, expires_at=NOW + 31 * MINUTE)
            await store.sessions.delete("session-one")
            assert not await store.sessions.touch(session(), NOW + MINUTE, NOW + 31 * MINUTE)
            assert await store.sessions.get("session-one", NOW) is None

        self.sit(work)

    # ------------------------------------------------------------------------------------------------ grants

    def test_two_consumers_of_a_code_have_one_winner(self) -> None:
        async def work(store: Store) -> None:
            await store.codes.put(code())
            won = await asyncio.gather(*(store.codes.consume("code-one", NOW) for _ in range(5)))
            assert [w for w in won if w] == [code()]
            assert await store.codes.consumed_grant("code-one") == "grant-one"

        self.sit(work)

    def test_an_expired_code_is_absent_and_was_never_consumed(self) -> None:
        async def work(store: Store) -> None:
            await store.codes.put(code())
            assert await store.codes.consume("code-one", NOW + MINUTE) is None
            assert await store.codes.consumed_grant("code-one") is None
            assert await store.codes.consume("absent", NOW) is None

        self.sit(work)

    def test_a_replay_of_a_code_after_its_expiry_is_still_known(self) -> None:
        async def work(store: Store) -> None:
            await store.codes.put(code())
            await store.codes.consume("code-one", NOW)
            await store.expire(NOW + 60 * MINUTE)
            assert await store.codes.consumed_grant("code-one") == "grant-one"

        self.sit(work)

    def test_a_device_s_request_is_found_by_its_user_code_until_it_is_answered(self) -> None:
        approved = device_authorization(state=DeviceAuthorizationState.APPROVED, session_id="session-one")

        async def work(store: Store) -> None:
            await store.device_codes.put(device_authorization())
            assert await store.device_codes.find_pending("user-one", NOW) == device_authorization()
            assert await store.device_codes.find_pending("user-one", NOW + 2 * MINUTE) is None
            assert await store.device_codes.find_pending("device-one", NOW) is None
            assert await store.device_codes.consume("device-one", NOW) is None
            denied = device_authorization(state=DeviceAuthorizationState.DENIED)
            answers = await asyncio.gather(*(store.device_codes.settle(answer, NOW) for answer in (approved, denied, approved)))
            assert answers == [True, False, False]
            assert await store.device_codes.find_pending("user-one", NOW) is None
            assert await store.device_codes.get("device-one") == approved

        self.sit(work)

    def test_two_consumers_of_a_device_code_have_one_winner(self) -> None:
        approved = device_authorization(state=DeviceAuthorizationState.APPROVED, session_id="session-one")

        async def work(store: Store) -> None:
            await store.device_codes.put(device_authorization())
            await store.device_codes.settle(approved, NOW)
            won = await asyncio.gather(*(store.device_codes.consume("device-one", NOW) for _ in range(5)))
            assert [w for w in won if w] == [approved]
            assert await store.device_codes.get("device-one") is None

        self.sit(work)

    def test_a_device_code_that_has_expired_is_known_for_a_while_and_gives_nothing(self) -> None:
        approved = device_authorization(state=DeviceAuthorizationState.APPROVED, session_id="session-one")

        async def work(store: Store) -> None:
            await store.device_codes.put(device_authorization())
            late = NOW + 2 * MINUTE
            assert not await store.device_codes.settle(approved, late)
            assert await store.device_codes.get("device-one") == device_authorization()
            assert await store.device_codes.consume("device-one", late) is None
            await store.expire(NOW + timedelta(hours=1))
            assert await store.device_codes.get("device-one") is None

        self.sit(work)

    def test_a_device_that_asks_too_often_waits_longer(self) -> None:
        async def work(store: Store) -> None:
            await store.device_codes.put(device_authorization())
            at = [NOW + timedelta(seconds=seconds) for seconds in (0, 5, 7, 13, 30)]
            assert [await store.device_codes.poll("device-one", one) for one in at] == [True, True, False, False, True]

        self.sit(work)

    def test_two_consumers_of_an_awaited_request_have_one_winner(self) -> None:
        async def work(store: Store) -> None:
            await store.awaited.put(awaited())
            assert await store.awaited.get("handle-one") == awaited()
            won = await asyncio.gather(*(store.awaited.consume("handle-one", NOW) for _ in range(5)))
            assert [w for w in won if w] == [awaited()]
            assert await store.awaited.get("handle-one") is None

        self.sit(work)

    def test_an_awaited_request_that_has_expired_is_known_and_serves_no_more(self) -> None:
        async def work(store: Store) -> None:
            await store.awaited.put(awaited())
            await store.expire(NOW + 3 * MINUTE)
            assert await store.awaited.get("handle-one") == awaited()
            assert await store.awaited.consume("handle-one", NOW + 2 * MINUTE) is None
            await store.expire(NOW + 13 * MINUTE)
            assert await store.awaited.get("handle-one") is None

        self.sit(work)

    def test_asking_sooner_than_the_interval_makes_it_longer(self) -> None:
        async def work(store: Store) -> None:
            await store.awaited.put(awaited())
            at = [NOW + timedelta(seconds=seconds) for seconds in (0, 5, 6, 15, 40)]
            assert [await store.awaited.poll("handle-one", one) for one in at] == [True, True, False, False, True]

        self.sit(work)

    def test_a_notification_is_claimed_once_and_only_when_the_approval_is_final(self) -> None:
        async def work(store: Store) -> None:
            await store.interactions.put_approval(approval())
            await store.awaited.put(awaited(notification_token="t"))
            await store.awaited.put(awaited("silent", approval_id="approval-one"))
            assert list(await store.awaited.claim_notifications(NOW)) == []
            final = approval(state=ApprovalState.APPROVED)
            await store.interactions.settle_approval(final)
            claimed = await asyncio.gather(*(store.awaited.claim_notifications(NOW) for _ in range(3)))
            assert [pair for pairs in claimed for pair in pairs] == [(awaited(notification_token="t"), final)]

        self.sit(work)

    def test_revoking_a_person_takes_what_they_approved_and_nobody_fetched(self) -> None:
        async def work(store: Store) -> None:
            await store.interactions.put_approval(approval())
            await store.awaited.put(awaited())
            await store.revocations.revoke_account("account-other", NOW)
            assert await store.awaited.get("handle-one") == awaited()
            await store.revocations.revoke_account("account-one", NOW)
            assert await store.awaited.get("handle-one") is None

        self.sit(work)

    def test_an_access_token_counts_until_it_or_its_grant_ends(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            await store.tokens.add_access_token(access_token("two"))
            assert await store.tokens.get_access_token("jti-one", NOW) == access_token()
            assert await store.tokens.get_access_token("jti-one", NOW + 2 * MINUTE) is None
            await store.tokens.revoke_access_token("jti-one", NOW, expires_at=access_token().expires_at)
            assert await store.tokens.get_access_token("jti-one", NOW) is None
            assert not await store.tokens.is_denied("jti-one")
            assert await store.tokens.get_access_token("jti-two", NOW) == access_token("two")
            await store.tokens.revoke_grant("grant-one", NOW)
            assert await store.tokens.get_access_token("jti-two", NOW) is None
            assert await store.tokens.get_grant("grant-one") == grant(revoked_at=NOW)

        self.sit(work)

    def test_a_token_that_is_not_stored_is_denied_until_it_has_expired(self) -> None:
        async def work(store: Store) -> None:
            for _ in range(2):
                await store.tokens.revoke_access_token("own-one", NOW, expires_at=NOW + MINUTE)
            assert await store.tokens.is_denied("own-one")
            assert not await store.tokens.is_denied("own-two")
            assert await store.expire(NOW + MINUTE / 2) == 0
            assert await store.expire(NOW + MINUTE) == 1

        self.sit(work)

    def test_two_rotations_of_a_refresh_token_have_one_winner(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            attempts = (store.tokens.rotate("refresh-one", refresh_token(n), access_token(n), NOW) for n in ("two", "three"))
            assert sorted(await asyncio.gather(*attempts)) == [False, True]
            rotated = await store.tokens.get_refresh_token("refresh-one")
            assert rotated is not None
            assert rotated.rotated_at == NOW
            successors = [await store.tokens.get_refresh_token(f"refresh-{n}") for n in ("two", "three")]
            assert len([s for s in successors if s]) == 1

        self.sit(work)

    def test_a_refresh_token_used_without_being_replaced_lives_on_until_its_family_ends(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            until = refresh_token().expires_at + MINUTE
            assert await store.tokens.reuse("refresh-one", access_token("two"), until=until)
            assert await store.tokens.get_access_token("jti-two", NOW) == access_token("two")
            kept = await store.tokens.get_refresh_token("refresh-one")
            assert kept is not None
            assert (kept.expires_at, kept.rotated_at) == (until, None)
            assert not await store.tokens.reuse("refresh-none", access_token("three"), until=until)
            await store.tokens.revoke_grant("grant-one", NOW)
            assert not await store.tokens.reuse("refresh-one", access_token("three"), until=until)
            assert await store.tokens.get_access_token("jti-three", NOW) is None

        self.sit(work)

    def test_nothing_rotates_in_a_revoked_family(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            await store.tokens.revoke_grant("grant-one", NOW)
            assert not await store.tokens.rotate("refresh-one", refresh_token("two"), access_token("two"), NOW)

        self.sit(work)

    def test_a_grant_that_begins_after_its_session_ended_is_dead_from_birth(self) -> None:
        async def work(store: Store) -> None:
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            assert await store.tokens.get_access_token("jti-one", NOW) is None

        self.sit(work)

    def test_a_grant_revoked_before_it_began_stays_revoked(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.revoke_grant("grant-one", NOW)
            assert await store.tokens.get_grant("grant-one") is None
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            assert await store.tokens.get_access_token("jti-one", NOW) is None

        self.sit(work)

    # ------------------------------------------------------------------------------------------------ revocation

    def test_revoking_a_session_ends_it_and_its_grants_alone(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.sessions.put(session("two"))
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            await store.tokens.start_grant(grant("two", session_id="session-two"), access_token("two", "two"), None)
            ended = await store.revocations.revoke_session("session-one", NOW + MINUTE)
            assert (ended.session_count, ended.grant_count, ended.residual) == (1, 1, MINUTE)
            assert await store.sessions.get("session-one", NOW) is None
            assert await store.tokens.get_access_token("jti-one", NOW) is None
            assert await store.tokens.get_access_token("jti-two", NOW) is not None
            again = await store.revocations.revoke_session("session-one", NOW + MINUTE)
            assert (again.session_count, again.grant_count, again.residual) == (0, 0, timedelta())

        self.sit(work)

    def test_revoking_a_person_ends_everything_they_hold(self) -> None:
        async def work(store: Store) -> None:
            for name in ("one", "two"):
                await store.sessions.put(session(name))
                await store.tokens.start_grant(
                    grant(name, session_id=f"session-{name}"), access_token(name, name), refresh_token(name, name)
                )
            ended = await store.revocations.revoke_account("account-one", NOW)
            assert (ended.session_count, ended.grant_count, ended.residual) == (2, 2, 2 * MINUTE)
            assert await store.sessions.of_account("account-one", NOW) == []

        self.sit(work)

    # ------------------------------------------------------------------------------------------------ counters

    def test_ending_a_session_leaves_a_signal_with_the_services_it_reached(self) -> None:
        cause = Cause(initiator=Initiator.ADMIN, reason="incident")

        async def check(store: Store) -> None:
            await store.sessions.put(session())
            await store.sessions.put(session("two"))
            await store.tokens.start_grant(grant(), access_token(), None)
            await store.tokens.start_grant(grant("again"), access_token("again", "again"), None)
            await store.tokens.start_grant(grant("other", client_id="other"), access_token("other", "other"), None)
            await store.tokens.start_grant(grant("two", session_id="session-two"), access_token("two", "two"), None)
            visits = await store.sessions.visits("account-one", NOW)
            assert [(v.session_id, v.client_id) for v in visits] == [
                ("session-one", "client"),
                ("session-two", "client"),
                ("session-one", "other"),
            ]
            await store.revocations.revoke_session("session-one", NOW, cause)
            [told] = await store.signals.waiting(at_most=10)
            assert (told.kind, told.session_id, told.client_ids) == (SignalKind.SESSION_ENDED, "session-one", ("client", "other"))
            assert (told.cause_initiator, told.cause_reason, told.at) == (Initiator.ADMIN, "incident", NOW)
            await store.revocations.revoke_session("session-one", NOW, cause)
            assert len(await store.signals.waiting(at_most=10)) == 1, "what has ended does not end again"

        self.sit(check)

    def test_services_hear_of_the_end_of_a_session_that_had_idled_out_within_a_day(self) -> None:
        async def check(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), None)
            later = NOW + 23 * 60 * MINUTE
            await store.expire(later)
            await store.revocations.revoke_account("account-one", later)
            [told] = await store.signals.waiting(at_most=10)
            assert (told.session_id, told.client_ids) == ("session-one", ("client",))
            assert await store.sessions.visits("account-one", later) == []

        self.sit(check)

    def test_a_service_reached_more_than_a_day_ago_is_forgotten(self) -> None:
        async def check(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), None)
            later = NOW + 24 * 60 * MINUTE
            await store.revocations.revoke_account("account-one", later)
            assert await store.signals.waiting(at_most=10) == []

        self.sit(check)

    def test_a_stolen_grant_is_signalled_to_its_client_once_and_its_own_revocation_never(self) -> None:
        cause = Cause(initiator=Initiator.POLICY)

        async def check(store: Store) -> None:
            await store.sessions.put(session())
            await store.tokens.start_grant(grant(), access_token(), None)
            await store.tokens.start_grant(grant("two"), access_token("two", "two"), None)
            for _ in range(2):
                await store.tokens.revoke_grant("grant-one", NOW, cause)
            await store.tokens.revoke_grant("grant-two", NOW)
            await store.tokens.revoke_grant("unheard-of", NOW, cause)
            [told] = await store.signals.waiting(at_most=10)
            assert (told.kind, told.client_ids, told.session_id) == (SignalKind.GRANT_ENDED, ("client",), "session-one")

        self.sit(check)

    def test_a_signal_is_spread_by_one_process_alone(self) -> None:
        async def check(store: Store) -> None:
            await store.signals.put(signal())
            assert await store.signals.waiting(at_most=10) == [signal()]
            won = await asyncio.gather(
                store.signals.spread("signal-one", [delivery()]), store.signals.spread("signal-one", [delivery("other")])
            )
            assert sorted(won) == [False, True]
            assert await store.signals.waiting(at_most=10) == []
            assert len(await store.deliveries.of_account("account-one", NOW)) == 1

        self.sit(check)

    def test_a_message_that_is_due_is_one_process_s_until_its_lease_is_over(self) -> None:
        lease = timedelta(seconds=30)

        async def check(store: Store) -> None:
            await store.signals.put(signal())
            await store.signals.spread("signal-one", [delivery(), delivery("later", due_at=NOW + MINUTE)])
            claims = await asyncio.gather(*(store.deliveries.claim(NOW, lease=lease, at_most=10) for _ in range(2)))
            assert [claimed.id for claims in claims for claimed in claims] == ["delivery-one"]
            assert await store.deliveries.claim(NOW + lease / 2, lease=lease, at_most=10) == ()
            [again] = await store.deliveries.claim(NOW + lease, lease=lease, at_most=10)
            assert again == delivery()

        self.sit(check)

    def test_a_client_has_one_stream(self) -> None:
        async def check(store: Store) -> None:
            first, second = (Stream(id=name, client_id="client", created_at=NOW, events_requested=("e",)) for name in ("one", "two"))
            assert sorted(await asyncio.gather(store.streams.create(first), store.streams.create(second))) == [False, True]
            stream = await store.streams.of_client("client")
            assert stream is not None
            assert await store.streams.get(stream.id) == stream
            await store.streams.put(replace(stream, status=StreamStatus.PAUSED))
            await store.streams.put(replace(stream, id="gone"))
            assert [kept.status for kept in await store.streams.all()] == [StreamStatus.PAUSED]
            await store.streams.delete(stream.id)
            assert await store.streams.of_client("client") is None

        self.sit(check)

    def test_held_messages_are_their_recipient_s_to_take_once(self) -> None:
        async def check(store: Store) -> None:
            for name, recipient in (("a", "mine"), ("b", "mine"), ("c", "other")):
                await store.deliveries.put(delivery(name, recipient=recipient, state=DeliveryState.HELD))
            assert await store.deliveries.claim(NOW, lease=MINUTE, at_most=10) == ()
            assert [held.id for held in await store.deliveries.held("mine", at_most=1)] == ["delivery-a"]
            taken = await store.deliveries.take("mine", ["delivery-a", "delivery-c", "unheard-of"], NOW)
            assert [(t.id, t.state, t.attempt_count) for t in taken] == [("delivery-a", DeliveryState.DELIVERED, 1)]
            assert await store.deliveries.take("mine", ["delivery-a"], NOW) == []
            [refused] = await store.deliveries.take("mine", ["delivery-b"], NOW, "no")
            assert (refused.state, refused.fault) == (DeliveryState.ABANDONED, "no")
            assert [held.id for held in await store.deliveries.held("other", at_most=9)] == ["delivery-c"]

        self.sit(check)

    def test_what_waits_is_held_while_a_stream_pauses_and_dropped_when_it_ends(self) -> None:
        async def check(store: Store) -> None:
            await store.deliveries.put(delivery())
            await store.deliveries.hold("client")
            assert await store.deliveries.claim(NOW, lease=MINUTE, at_most=10) == ()
            await store.deliveries.release("client", NOW + MINUTE)
            [released] = await store.deliveries.claim(NOW + MINUTE, lease=MINUTE, at_most=10)
            assert released.due_at == NOW + MINUTE
            await store.deliveries.drop("client")
            assert await store.deliveries.of_account("account-one", NOW) == []

        self.sit(check)

    def test_what_became_of_a_message_is_kept_for_a_week(self) -> None:
        async def check(store: Store) -> None:
            await store.signals.put(signal())
            await store.signals.spread("signal-one", [delivery(), delivery("two")])
            heard = delivery(state=DeliveryState.DELIVERED, attempt_count=2, settled_at=NOW)
            await store.deliveries.settle(heard, delivery("two", due_at=NOW + MINUTE, fault="no answer"))
            await store.deliveries.settle(delivery("gone", state=DeliveryState.DELIVERED))
            assert await store.deliveries.claim(NOW, lease=MINUTE, at_most=10) == ()
            [late] = await store.deliveries.claim(NOW + MINUTE, lease=MINUTE, at_most=10)
            assert (late.id, late.fault) == ("delivery-two", "no answer")
            assert (await store.deliveries.of_account("account-one", NOW))[1] == heard
            week = NOW + timedelta(days=7)
            assert await store.deliveries.of_account("account-one", week) == []
            assert await store.expire(week) == 2

        self.sit(check)

    def test_a_thing_is_remembered_once_until_its_time_is_over(self) -> None:
        async def work(store: Store) -> None:
            attempts = (store.counters.remember_once("jti", until=NOW + MINUTE, now=NOW) for _ in range(3))
            assert sorted(await asyncio.gather(*attempts)) == [False, False, True]
            assert await store.counters.remember_once("jti", until=NOW + 2 * MINUTE, now=NOW + MINUTE)
            assert not await store.counters.remember_once("jti", until=NOW + 3 * MINUTE, now=NOW + MINUTE)

        self.sit(work)

    def test_attempts_are_counted_within_a_sliding_period(self) -> None:
        async def work(store: Store) -> None:
            assert await store.counters.count("k", within=MINUTE, now=NOW) == 1
            assert await store.counters.count("k", within=MINUTE, now=NOW + MINUTE / 2) == 2
            assert await store.counters.peek("k", within=MINUTE, now=NOW + MINUTE) == 1
            assert await store.counters.peek("other", within=MINUTE, now=NOW) == 0
            await store.counters.reset("k")
            assert await store.counters.peek("k", within=MINUTE, now=NOW + MINUTE) == 0

        self.sit(work)

    def test_what_was_counted_is_known_after_old_attempts_were_deleted_and_after_a_restart(self) -> None:
        async def work(store: Store) -> None:
            await store.counters.count("old", within=MINUTE, now=NOW)
            await asyncio.gather(store.expire(NOW + 2 * MINUTE), *(store.counters.count("k", within=MINUTE, now=NOW) for _ in range(3)))
            assert await store.counters.peek("k", within=MINUTE, now=NOW) == 3

        self.sit(work)
        store = self.open_store()

        async def look() -> None:
            assert await store.counters.peek("k", within=MINUTE, now=NOW) == 3
            assert await store.counters.peek("old", within=MINUTE, now=NOW) == 0
            await store.close()

        asyncio.run(look())

    # ------------------------------------------------------------------------------------------------ the whole

    def test_expiry_removes_what_is_over_and_nothing_else(self) -> None:
        async def work(store: Store) -> None:
            await store.sessions.put(session())
            await store.sessions.put(session("long", expires_at=NOW + 60 * MINUTE))
            await store.tokens.start_grant(grant(), access_token(), refresh_token())
            assert await store.expire(NOW) == 0
            assert await store.expire(NOW + 30 * MINUTE) == 3
            assert await store.revocations.end_expired(NOW + 30 * MINUTE, BY_SYSTEM) == [session()]
            assert [s.id for s in await store.sessions.of_account("account-one", NOW)] == ["session-long"]
            assert await store.tokens.get_grant("grant-one") is None

        self.sit(work)

    def test_what_was_written_is_there_after_a_restart(self) -> None:
        async def write(store: Store) -> None:
            await store.sessions.put(session())
            await store.codes.put(code())

        async def read(store: Store) -> None:
            assert await store.sessions.get("session-one", NOW) == session()
            assert await store.codes.consume("code-one", NOW) == code()

        self.sit(write)
        self.sit(read)
