"""Signing up and in: what a link, a password and a stranger can and cannot do, on both databases."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from ileen import jobs
from ileen.accounts import Accounts, audit
from ileen.accounts.paces import take_sign_in
from ileen.accounts.people import People
from ileen.accounts.who import Role, SignedIn, StaffRole, Visitor
from ileen.base.clock import ManualClock
from ileen.base.errors import (
    AlreadyMember,
    Forbidden,
    IleenError,
    LastOwner,
    LinkInvalid,
    NotFound,
    RequestInvalid,
    SignInFailed,
    TooManyAttempts,
)
from ileen.base.ids import RandomIds, wallet_of
from ileen.ledger import Ledger
from ileen.store import schema
from ileen.store.engine import Database

LAPTOP = Visitor(token="laptop", network="192.0.2.0/24", agent="Firefox")
PHONE = Visitor(token="phone", network="198.51.100.0/24", agent="Safari")
ADA, PASSWORD = "ada@example.com", "the analytical engine"


@dataclass
class World:
    database: Database
    accounts: Accounts
    people: People
    ledger: Ledger
    clock: ManualClock
    ids: RandomIds

    def link(self, kind: str, *, to: str = ADA) -> str:
        """The token in the last mail of a kind."""
        table = schema.notice
        query = select(table.c.secrets).where(table.c.kind == kind, table.c.recipient == to).order_by(table.c.id.desc())
        with self.database.read() as connection:
            secrets = connection.execute(query).scalars().first()
        assert secrets, f"no mail of kind {kind} to {to}"
        return msgspec.json.decode(secrets)["link"].rsplit("/", 1)[1]

    def mails(self, kind: str) -> int:
        return self.count(schema.notice, schema.notice.c.kind == kind)

    def count(self, table: Any, *where: Any) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

    def ask(self, email: str = ADA, *, visitor: Visitor = LAPTOP, password: str = PASSWORD) -> str:
        return self.people.sign_ups.ask(
            name="Ada", email=email, password=password, locale="de", time_zone="Europe/Berlin", visitor=visitor
        )

    def join(self, email: str = ADA, *, visitor: Visitor = LAPTOP) -> SignedIn:
        """Sign somebody up and in."""
        self.ask(email, visitor=visitor)
        token = self.people.sign_ups.confirm(
            self.link("confirm_email", to=email), password=None, visitor=visitor, replaces=None
        )
        return self.signed(token)

    def signed(self, token: str) -> SignedIn:
        signed = self.people.sessions.current(token)
        assert signed is not None
        return signed

    def sign_in(self, password: str = PASSWORD, *, email: str = ADA, visitor: Visitor = LAPTOP) -> str:
        return self.people.sign_ins.with_password(email, password, visitor=visitor, replaces=None)


@pytest.fixture
def world(database: Database, ledger: Ledger, clock: ManualClock, ids: RandomIds) -> Iterator[World]:
    accounts = Accounts(database, ledger, clock=clock, ids=ids)
    yield World(
        database, accounts, People(database, accounts, clock=clock, ids=ids), ledger=ledger, clock=clock, ids=ids
    )
    accounts.close()


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Run work in threads that start together; return what each returned or raised."""
    results: list[Any] = [None] * len(work)
    barrier = threading.Barrier(len(work))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = work[index]()
        except IleenError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# Signing up ------------------------------------------------------------------------------------------------------


def test_nothing_exists_before_the_address_is_confirmed_and_everything_after(world: World) -> None:
    world.ask()
    assert [world.count(table) for table in (schema.person, schema.account, schema.member, schema.wallet)] == [0] * 4

    token = world.people.sign_ups.confirm(world.link("confirm_email"), password=None, visitor=LAPTOP, replaces=None)

    signed = world.signed(token)
    assert (signed.role, signed.person.email, signed.person.locale) == (Role.OWNER, ADA, "de")
    assert signed.session.account is not None
    assert world.ledger.wallet(wallet_of(signed.session.account)).time_zone == "Europe/Berlin"


def test_a_confirmation_works_once_and_not_after_a_day(world: World) -> None:
    world.ask()
    link = world.link("confirm_email")
    world.people.sign_ups.confirm(link, password=None, visitor=LAPTOP, replaces=None)
    world.ask("late@example.com")
    late = world.link("confirm_email", to="late@example.com")
    world.clock.advance(24 * 3600)

    for token in (link, late, "", "forged", "x" * 500, "\ud800"):
        with pytest.raises(LinkInvalid):
            world.people.sign_ups.confirm(token, password=None, visitor=LAPTOP, replaces=None)
    assert world.count(schema.person) == 1


def test_another_browser_confirms_only_with_the_password_that_was_chosen(world: World) -> None:
    """Who signs up with a stranger's address gains nothing when the stranger follows the link."""
    world.ask()
    link = world.link("confirm_email")

    assert not world.people.sign_ups.look(link, PHONE).same_browser
    for password in (None, "", "wrong password"):
        with pytest.raises(SignInFailed):
            world.people.sign_ups.confirm(link, password=password, visitor=PHONE, replaces=None)
    assert world.count(schema.person) == 0
    assert world.people.sign_ups.confirm(link, password=PASSWORD, visitor=PHONE, replaces=None)


def test_signing_up_with_a_known_address_answers_the_same_and_mails_a_sign_in_link(world: World) -> None:
    world.join()

    assert world.ask("ADA@example.com", visitor=PHONE) == "ADA@example.com"

    assert (world.mails("confirm_email"), world.mails("sign_in_link")) == (1, 1)
    assert world.count(schema.sign_up) == 1


def test_two_links_of_one_address_confirmed_at_once_make_one_account(world: World) -> None:
    world.ask()
    first = world.link("confirm_email")
    world.clock.advance(1)
    world.ask(visitor=PHONE)
    second = world.link("confirm_email")
    assert first != second

    results = at_once(
        lambda: world.people.sign_ups.confirm(first, password=None, visitor=LAPTOP, replaces=None),
        lambda: world.people.sign_ups.confirm(second, password=None, visitor=PHONE, replaces=None),
    )

    assert sorted(type(result).__name__ for result in results) == ["LinkInvalid", "str"]
    tables = (schema.person, schema.account, schema.member, schema.session, schema.wallet)
    assert [world.count(table) for table in tables] == [1] * 5


def test_one_link_pressed_twice_at_once_makes_one_account(world: World) -> None:
    world.ask()
    link = world.link("confirm_email")

    results = at_once(*[lambda: world.people.sign_ups.confirm(link, password=None, visitor=LAPTOP, replaces=None)] * 4)

    assert sorted(type(result).__name__ for result in results) == ["LinkInvalid"] * 3 + ["str"]
    assert (world.count(schema.account), world.count(schema.session)) == (1, 1)


def test_the_job_opens_the_wallet_of_an_account_whose_maker_died(world: World) -> None:
    """The job is enqueued with the account, and opening a wallet that is there changes nothing."""
    signed = world.join()
    worker = jobs.Worker(world.database, world.people.handlers(), clock=world.clock, ids=world.ids)

    worker.run_due()

    assert world.count(schema.job, schema.job.c.kind == "account.open_wallet", schema.job.c.state == "done") == 1
    assert signed.session.account is not None
    assert world.ledger.wallet(wallet_of(signed.session.account)).settled == 0


@pytest.mark.parametrize(
    "password",
    ["short", "password123", "1234567890", "0987654321", "aaaaaaaaaaaa", "ada@example.com", "x" * 201, "Qwertyuiop!!"],
)
def test_a_password_that_everybody_tries_first_is_refused(world: World, password: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        world.ask(password=password)

    assert [each["field"] for each in refused.value.fields["fields"]] == ["password"]
    assert world.count(schema.sign_up) == 0


def test_a_form_tells_everything_that_is_wrong_at_once(world: World) -> None:
    with pytest.raises(RequestInvalid) as refused:
        world.people.sign_ups.ask(
            name="\x00", email="nobody", password="short", locale="en", time_zone="UTC", visitor=LAPTOP
        )

    assert {each["field"] for each in refused.value.fields["fields"]} == {"name", "email", "password"}


# Signing in ------------------------------------------------------------------------------------------------------


def test_a_sign_in_makes_a_new_session_and_ends_the_one_the_browser_had(world: World) -> None:
    world.join()
    old = world.sign_in()

    new = world.people.sign_ins.with_password(ADA, PASSWORD, visitor=LAPTOP, replaces=old)

    assert old != new
    assert world.people.sessions.current(old) is None
    assert world.people.sessions.current(new) is not None


def test_only_hashes_of_secrets_are_stored(world: World) -> None:
    world.join()
    token = world.sign_in()

    with world.database.read() as connection:
        for table in schema.metadata.sorted_tables:
            if table.name != "notice":  # which keeps a mail's link until it is sent
                for row in connection.execute(select(table)):
                    assert token not in str(row) and token.encode() not in bytes(str(row), "utf-8")
                    assert PASSWORD not in str(row)


@pytest.mark.parametrize("email", [ADA, "nobody@example.com", "", "\x00", "x" * 1000])
def test_a_wrong_password_and_an_unknown_address_answer_the_same(world: World, email: str) -> None:
    world.join()

    with pytest.raises(SignInFailed) as refused:
        world.sign_in("not the password", email=email, visitor=PHONE)

    assert refused.value.problem() == SignInFailed().problem()


def test_guessing_from_one_network_is_slowed_and_locks_nobody_out(world: World) -> None:
    """The guesser waits; the owner on another network, and on a known device in the very same network, does not."""
    world.join()
    guesser = Visitor(token="guesser", network=LAPTOP.network, agent="")

    outcomes = []
    for _ in range(10):
        try:
            world.sign_in("wrong wrong wrong", visitor=guesser)
        except IleenError as error:
            outcomes.append(error.code)
    assert outcomes == ["sign_in_failed"] * 6 + ["too_many_attempts"] * 4
    with pytest.raises(TooManyAttempts) as refused:
        world.sign_in(visitor=guesser)
    assert refused.value.fields == {"retry_after_s": 60}

    assert world.sign_in(visitor=LAPTOP)
    assert world.sign_in(visitor=PHONE)
    world.clock.advance(60)
    assert world.sign_in(visitor=guesser), "waiting always helps"


def test_guessing_from_many_networks_is_bounded_and_known_devices_stay_in(world: World) -> None:
    world.join()

    codes = []
    for index in range(105):
        visitor = Visitor(token=f"bot{index}", network=f"10.0.{index}.0/24", agent="")
        try:
            with world.database.write() as connection:
                take_sign_in(connection, ADA, visitor, known=False, now=world.clock.now())
                codes.append("let through")
        except TooManyAttempts as error:
            codes.append(error.code)

    assert codes == ["let through"] * 100 + ["too_many_attempts"] * 5
    assert world.sign_in(visitor=LAPTOP)


def test_tries_at_the_same_moment_are_all_counted(world: World) -> None:
    world.join()

    results = at_once(*[lambda: world.sign_in("wrong wrong wrong", visitor=PHONE)] * 10)

    assert sorted(error.code for error in results) == ["sign_in_failed"] * 6 + ["too_many_attempts"] * 4


def test_a_new_browser_is_told_by_mail_and_a_known_one_is_not(world: World) -> None:
    world.join()
    world.sign_in()
    assert world.mails("new_sign_in") == 0

    world.sign_in(visitor=PHONE)
    world.sign_in(visitor=PHONE)

    assert world.mails("new_sign_in") == 1


def test_a_sign_in_link_works_once_for_a_quarter_of_an_hour_and_only_as_what_it_is(world: World) -> None:
    world.join()
    world.people.sign_ins.ask_for_link(ADA, kind="sign_in", visitor=PHONE)
    link = world.link("sign_in_link")
    with pytest.raises(LinkInvalid):
        world.people.sign_ins.reset(link, "another good password", visitor=PHONE, replaces=None)
    assert world.people.sign_ins.with_link(link, visitor=PHONE, replaces=None)
    world.people.sign_ins.ask_for_link(ADA, kind="sign_in", visitor=PHONE)
    late = world.link("sign_in_link")
    world.clock.advance(15 * 60)

    for token in (link, late, "forged"):
        with pytest.raises(LinkInvalid):
            world.people.sign_ins.with_link(token, visitor=PHONE, replaces=None)


def test_a_link_used_twice_at_once_starts_one_session(world: World) -> None:
    world.join()
    world.people.sign_ins.ask_for_link(ADA, kind="sign_in", visitor=PHONE)
    link = world.link("sign_in_link")

    results = at_once(*[lambda: world.people.sign_ins.with_link(link, visitor=PHONE, replaces=None)] * 4)

    assert sorted(type(result).__name__ for result in results) == ["LinkInvalid"] * 3 + ["str"]


def test_asking_for_a_link_does_not_tell_whether_the_address_is_known(world: World) -> None:
    world.join()

    world.people.sign_ins.ask_for_link("nobody@example.com", kind="reset", visitor=PHONE)
    world.people.sign_ins.ask_for_link(ADA, kind="reset", visitor=PHONE)

    assert world.mails("reset_password") == 1
    for email in ("nobody@example.com", ADA):
        for _ in range(2):
            world.people.sign_ins.ask_for_link(email, kind="reset", visitor=PHONE)
        with pytest.raises(TooManyAttempts):
            world.people.sign_ins.ask_for_link(email, kind="reset", visitor=PHONE)


def test_a_new_password_ends_all_sessions_and_makes_older_links_worthless(world: World) -> None:
    world.join()
    session = world.sign_in()
    world.people.sign_ins.ask_for_link(ADA, kind="sign_in", visitor=PHONE)
    link = world.link("sign_in_link")
    world.people.sign_ins.ask_for_link(ADA, kind="reset", visitor=PHONE)
    reset = world.link("reset_password")
    with pytest.raises(RequestInvalid):
        world.people.sign_ins.reset(reset, "short", visitor=PHONE, replaces=None)

    fresh = world.people.sign_ins.reset(reset, "another good password", visitor=PHONE, replaces=None)

    assert world.people.sessions.current(session) is None
    assert world.people.sessions.current(fresh) is not None
    with pytest.raises(LinkInvalid):
        world.people.sign_ins.with_link(link, visitor=PHONE, replaces=None)
    with pytest.raises(LinkInvalid):
        world.people.sign_ins.reset(reset, "a third good password", visitor=PHONE, replaces=None)
    with pytest.raises(SignInFailed):
        world.sign_in(PASSWORD)
    assert world.sign_in("another good password")


def test_a_password_is_changed_by_who_knows_it(world: World) -> None:
    signed = world.join()
    other, mine = world.sign_in(visitor=PHONE), world.sign_in()

    def change(current: str) -> str:
        return world.people.sign_ins.change_password(
            signed, current=current, new="another good password", visitor=LAPTOP, token=mine
        )

    with pytest.raises(SignInFailed):
        change("wrong wrong wrong")
    fresh = change(PASSWORD)

    assert [world.people.sessions.current(token) is not None for token in (other, mine, fresh)] == [False, False, True]


def test_sessions_of_others_answer_as_unknown_ones(world: World) -> None:
    ada, eve = world.join(), world.join("eve@example.com", visitor=PHONE)

    for session in (ada.session.id, "ses_unknown"):
        with pytest.raises(NotFound):
            world.people.sessions.end(eve, session)
    world.people.sessions.end_others(eve)

    assert len(world.people.sessions.list(ada.person.id)) == 1
    assert len(world.people.sessions.list(eve.person.id)) == 1


# Members ---------------------------------------------------------------------------------------------------------


def invite(world: World, owner: SignedIn, email: str, role: Role = Role.MEMBER) -> str:
    assert owner.session.account is not None
    world.people.members.invite(owner.session.account, email=email, role=role, inviter=owner)
    return world.link("invitation", to=email)


def accept(world: World, token: str, *, visitor: Visitor = PHONE) -> SignedIn:
    session = world.people.members.accept_as_new(
        token, name="Grace", password="nanoseconds of wire", locale="en", time_zone="UTC", visitor=visitor
    )
    return world.signed(session)


def test_an_invited_person_joins_with_the_role_and_without_an_account_of_their_own(world: World) -> None:
    owner = world.join()
    token = invite(world, owner, "grace@example.com", Role.BILLING)

    grace = accept(world, token)

    assert (grace.role, grace.session.account) == (Role.BILLING, owner.session.account)
    assert world.count(schema.account) == 1
    with pytest.raises(LinkInvalid):
        accept(world, token)


def test_an_invitation_is_for_one_address_and_can_be_taken_back_or_run_out(world: World) -> None:
    owner, eve = world.join(), world.join("eve@example.com", visitor=PHONE)
    assert owner.session.account is not None
    token = invite(world, owner, "grace@example.com")
    with pytest.raises(Forbidden):
        world.people.members.accept(token, eve)
    newer = invite(world, owner, "grace@example.com")
    with pytest.raises(LinkInvalid):
        accept(world, token)
    (invitation,) = world.people.members.invitations(owner.session.account)
    assert eve.session.account is not None
    with pytest.raises(NotFound):
        world.people.members.revoke(eve.session.account, invitation.id, by="mem_eve")
    world.people.members.revoke(owner.session.account, invitation.id, by="mem_ada")
    with pytest.raises(LinkInvalid):
        accept(world, newer)
    old = invite(world, owner, "grace@example.com")
    world.clock.advance(7 * 24 * 3600)

    with pytest.raises(LinkInvalid):
        accept(world, old)


def test_a_person_of_ours_accepts_and_works_in_either_account(world: World) -> None:
    owner, eve = world.join(), world.join("eve@example.com", visitor=PHONE)
    token = invite(world, owner, "eve@example.com")
    with pytest.raises(LinkInvalid):
        accept(world, token)
    world.clock.advance(1)

    account = world.people.members.accept(token, eve)
    world.people.sessions.enter(eve, account)

    assert account == owner.session.account
    places = world.people.members.memberships(eve.person.id)
    assert [(place.account, place.role) for place in places] == [
        (eve.session.account, Role.OWNER),
        (account, Role.MEMBER),
    ]
    with pytest.raises(AlreadyMember):
        invite(world, owner, "eve@example.com")
    assert eve.session.account is not None
    with pytest.raises(NotFound):
        world.people.sessions.enter(owner, eve.session.account)


def test_who_is_removed_is_out_at_once(world: World) -> None:
    owner = world.join()
    grace = accept(world, invite(world, owner, "grace@example.com"))
    token = world.sign_in("nanoseconds of wire", email="grace@example.com", visitor=PHONE)
    assert owner.session.account is not None and grace.member is not None

    world.people.members.remove(owner.session.account, grace.member, by=owner.member or "")

    assert world.people.sessions.current(token) is None
    again = world.signed(world.sign_in("nanoseconds of wire", email="grace@example.com", visitor=PHONE))
    assert (again.role, again.session.account) == (None, None)


def test_the_last_owner_stays(world: World) -> None:
    owner = world.join()
    assert owner.session.account is not None and owner.member is not None

    with pytest.raises(LastOwner):
        world.people.members.remove(owner.session.account, owner.member, by=owner.member)
    with pytest.raises(LastOwner):
        world.people.members.change_role(owner.session.account, owner.member, Role.MEMBER, by=owner.member)


def test_two_owners_who_remove_each_other_at_once_leave_one(world: World) -> None:
    owner = world.join()
    grace = accept(world, invite(world, owner, "grace@example.com", Role.OWNER))
    account = owner.session.account
    assert account is not None and owner.member is not None and grace.member is not None
    ada_id, grace_id = owner.member, grace.member

    results = at_once(
        lambda: world.people.members.remove(account, ada_id, by=grace_id),
        lambda: world.people.members.remove(account, grace_id, by=ada_id),
    )

    assert sorted(type(result).__name__ for result in results) == ["LastOwner", "NoneType"]
    assert [member.role for member in world.people.members.of(account)] == [Role.OWNER]


def test_another_accounts_members_answer_as_unknown_ones(world: World) -> None:
    ada, eve = world.join(), world.join("eve@example.com", visitor=PHONE)
    assert eve.session.account is not None and ada.member is not None

    for change in (
        lambda: world.people.members.remove(eve.session.account, ada.member, by="mem_eve"),
        lambda: world.people.members.change_role(eve.session.account, ada.member, Role.MEMBER, by="mem_eve"),
    ):
        with pytest.raises(NotFound):
            change()


# Staff and audit -------------------------------------------------------------------------------------------------


def test_staff_are_made_and_revoked_and_their_sessions_say_so(world: World) -> None:
    made, path = world.people.staff.create("sam@example.com", name="Sam", role=StaffRole.ADMIN)
    token = world.people.sign_ins.reset(path.rsplit("/", 1)[1], "helping all day long", visitor=LAPTOP, replaces=None)
    assert (world.signed(token).staff, world.signed(token).role) == (StaffRole.ADMIN, None)

    world.people.staff.revoke(made.id)

    assert world.people.sessions.current(token) is None
    again = world.sign_in("helping all day long", email="sam@example.com")
    assert world.signed(again).staff is None


def test_every_step_of_a_person_leaves_an_audit_event_of_the_account(world: World) -> None:
    owner = world.join()
    account = owner.session.account
    assert account is not None
    key, _ = world.accounts.create_key(account, name="laptop", by=owner.member or "")
    world.accounts.revoke_key(account, key.id)
    invite(world, owner, "grace@example.com")
    accept(world, world.link("invitation", to="grace@example.com"))

    with world.database.read() as connection:
        events = audit.events(connection, account_id=account, limit=50)

    assert {event.action for event in events} == {
        "account.created",
        "person.created",
        "session.started",
        "key.created",
        "key.revoked",
        "invitation.sent",
        "member.joined",
    }
    by_action = {event.action: event.actor for event in events if event.action.startswith("key")}
    assert by_action == {"key.created": owner.member, "key.revoked": "operator"}


def test_audit_events_cannot_be_changed_or_deleted(world: World) -> None:
    world.join()
    table = schema.audit_event

    for change in (table.update().values(actor="somebody else"), table.delete()):
        with pytest.raises(DBAPIError, match="facts"), world.database.write() as connection:
            connection.execute(change)


def test_an_audit_event_is_undone_with_what_it_notes(world: World) -> None:
    def fail() -> None:
        with world.database.write() as connection:
            audit.note(
                connection, ids=world.ids, now=world.clock.now(), actor="system", action="thing.done", subject="x"
            )
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert world.count(schema.audit_event) == 0


def test_throttles_of_the_past_are_swept(world: World) -> None:
    world.join()
    with pytest.raises(SignInFailed):
        world.sign_in("wrong wrong wrong", visitor=PHONE)
    assert world.count(schema.throttle) > 0

    world.clock.advance(24 * 3600)
    world.people.sweep()

    assert world.count(schema.throttle) == 0


PURGED = (schema.session, schema.mail_link, schema.sign_up, schema.invitation, schema.ui_session)


def test_what_has_ended_is_purged_a_day_later_and_the_record_stays(world: World) -> None:
    ada = world.join()
    world.ask("late@example.com", visitor=PHONE)
    world.people.sign_ins.ask_for_link(ADA, kind="sign_in", visitor=LAPTOP)
    invite(world, ada, "bob@example.com")
    host, _ = world.people.hosts.create_key("shop")
    hosted, _ = world.people.hosts.open_account(host, reference="r", name="H", email=None, time_zone="UTC")
    asked = {"scopes": ["balance:read"], "origins": ["https://app.example.com"], "ttl_s": 900, "host_user": None}
    world.people.hosts.open_ui_session(host, hosted.id, **asked)
    events = world.count(schema.audit_event)

    world.people.sweep()
    assert all(world.count(table) for table in PURGED), "nothing has ended yet"
    world.clock.advance(10 * 24 * 3600)
    world.people.sweep()

    assert [world.count(table) for table in PURGED] == [0] * len(PURGED)
    assert (world.count(schema.audit_event), world.count(schema.person), world.count(schema.member)) == (events, 1, 1)


def test_what_was_used_or_ended_early_is_kept_a_day_and_what_lives_for_its_time(world: World) -> None:
    ada = world.join()
    world.people.sessions.end(ada, ada.session.id)
    living = world.sign_in()

    world.clock.advance(24 * 3600)
    world.people.sweep()
    assert (world.count(schema.session), world.count(schema.sign_up)) == (2, 1)
    world.clock.advance(1)
    world.people.sweep()

    assert (world.count(schema.session), world.count(schema.sign_up)) == (1, 0)
    assert world.signed(living).person.id == ada.person.id
