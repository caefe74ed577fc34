"""The sixty things the offline Stripe must do as Stripe does (issue 3), each with the tests that show it.

A test that is renamed or removed leaves its behaviour unproved here, by number and name.
"""

import re
from pathlib import Path

import pytest

LISTED = """
1 no or a wrong key, an id on every answer:
    a_wrong_missing_or_live_key_is_refused_with_a_request_id every_answer_names_its_request
2 brackets, arrays, unsetting, metadata:
    brackets_may_be_literal_or_percent_encoded_and_arrays_indexed_or_not
    an_empty_string_unsets_and_metadata_merges_by_key
3 unknown, missing and wrong parameters:
    a_bad_request_is_refused_by_code_and_param
4 lists and their pages:
    lists_are_newest_first_paged_and_page_by_themselves
5 fields that only come expanded:
    fields_that_are_only_expanded_are_absent_otherwise
6 fields of the past are gone:
    no_field_that_basil_removed_is_anywhere
7 decimals are strings, amounts integers:
    amounts_are_integers_and_decimals_are_strings
8 a key replays its first answer:
    a_key_replays_success_decline_and_crash_byte_for_byte
9 a key reused or in use:
    a_key_used_for_something_else_is_refused a_key_in_use_is_refused_with_409
10 what is not kept under a key, and for how long:
    what_is_refused_before_execution_is_not_remembered a_malformed_request_and_a_wrong_key_are_not_remembered
    a_key_is_forgotten_after_a_day_and_then_charges_again
11 a key without a deed:
    a_key_means_nothing_on_get_and_delete
12 faults:
    a_server_error_may_come_before_or_after_the_deed a_connection_may_break_before_or_after_the_deed
    429_is_retried_only_when_the_header_says_so a_page_that_is_no_json_is_an_api_error
13 an address that cannot be placed:
    an_unusable_place_is_refused_when_validated_at_once
14 the tax status follows the address:
    the_tax_status_follows_the_address
15 tax ids and their verdict:
    tax_ids_are_immutable_unique_and_well_formed a_tax_id_is_pending_first_and_its_verdict_comes_later
16 reverse charge across the border:
    the_place_and_the_tax_id_decide_the_tax
17 a British number is no reverse charge:
    the_place_and_the_tax_id_decide_the_tax place_registrations_and_tax_id_decide_the_tax
18 no registration, special territories:
    without_registrations_nothing_is_collected_and_nothing_fails
    territories_outside_the_common_rules_are_left_out
19 dated and exact rates:
    the_rate_at_finalization_counts a_rate_with_a_decimal_is_exact
20 tax carved out by default:
    a_tax_behavior_left_out_makes_euros_inclusive
21 portal visits:
    a_portal_visit_needs_a_customer_and_a_configuration_and_is_never_read_back
    a_link_opens_once_and_its_visit_lasts_an_hour
22 what the portal can do:
    cards_are_added_chosen_and_removed_at_home tax_ids_are_added_checked_and_removed
    a_visit_offers_and_does_only_what_is_allowed a_visit_leads_back_only_to_the_url_it_was_made_with
    the_update_flow_saves_a_card_makes_it_the_default_and_returns
23 pending items:
    pending_items_are_ignored_unless_included
24 items are for drafts:
    only_drafts_take_items_change_their_content_or_are_deleted
25 drafts are deleted, others not:
    only_drafts_take_items_change_their_content_or_are_deleted
26 finalizing freezes and numbers:
    finalization_freezes_the_customer_and_prepares_the_payment numbers_have_no_gaps_and_no_repeats
27 finalizing twice, or without a place:
    finalizing_twice_is_refused without_a_place_finalization_fails_and_uses_no_number
28 too little to charge:
    less_than_fifty_cents_is_paid_by_the_balance_alone an_invoice_of_nothing_is_paid_when_finalized
29 credit on the balance:
    a_credit_on_the_customers_balance_is_used_first
30 paying a draft:
    pay_finalizes_a_draft_first
31 paying without a card:
    without_any_card_nothing_is_paid
32 off-session:
    off_session_is_the_default_of_pay off_session_changes_what_the_bank_says
33 a decline:
    a_decline_answers_402_and_leaves_the_invoice_open
34 the bank asks:
    the_bank_is_asked_and_the_payer_comes_back a_failed_authentication_leaves_the_invoice_payable
    an_invoice_stays_open_when_the_payer_does_not_confirm
35 only a webhook tells of an authentication:
    after_the_payer_authenticated_only_a_webhook_tells
36 paying what is paid or void:
    paying_again_or_after_a_void_changes_nothing
37 payable until void:
    an_open_invoice_can_be_paid_on_its_page_until_it_is_void a_void_cancels_the_payment
38 an invoice that advances by itself:
    an_invoice_that_advances_by_itself_is_finalized_charged_and_tried_again
39 two payments at once:
    two_payments_at_once_charge_once
40 cards of others, cards taken off:
    another_customers_card_pays_nothing another_customers_card_is_out_of_reach
    a_detached_card_is_gone_for_good_and_the_default_may_be_stale
41 cards that cannot be attached:
    a_card_its_bank_refuses_cannot_be_attached
42 the default after a card is taken off:
    a_detached_card_is_gone_for_good_and_the_default_may_be_stale
43 a credit note's sums:
    sums_that_do_not_meet_are_refused unused_credits_are_refunded_by_a_credit_note
44 no more back than was paid:
    notes_and_direct_refunds_together_never_exceed_what_was_paid
45 lines that do not fit:
    lines_that_do_not_fit_automatic_tax_or_the_invoice_are_refused
46 a credit note refunds:
    unused_credits_are_refunded_by_a_credit_note
47 a credit note on an open invoice:
    a_note_on_an_open_invoice_lowers_what_is_owed
48 a preview is true and changes nothing:
    a_preview_equals_what_is_created_and_changes_nothing
49 the credit note's mail:
    a_customer_is_mailed_unless_the_request_says_no
50 refunds that fail, take time or cannot be:
    a_refund_can_fail_after_it_succeeded a_refund_can_take_its_time more_than_is_left_or_nothing_is_not_refunded
    a_chargeback_takes_amount_and_fee_at_once
51 the dashboard:
    a_payment_is_disputed_decided_and_refunded an_address_can_ask_to_be_refused
    sending_by_hand_does_not_cancel_the_retries
52 disputes:
    a_chargeback_takes_amount_and_fee_at_once a_dispute_that_is_won_brings_the_amount_back
    a_dispute_is_lost_for_good a_card_can_be_disputed_twice an_inquiry_moves_no_money_until_it_is_escalated
53 signatures:
    deliveries_are_signed_over_the_raw_bytes while_a_secret_is_rolled_both_sign
54 deliveries are tried again:
    a_failed_delivery_is_tried_again_with_backoff_and_given_up sending_by_hand_does_not_cancel_the_retries
55 twice, late, lost, backwards, early:
    an_event_may_come_twice_under_one_id a_change_may_come_twice_under_two_ids
    events_may_be_delayed_dropped_or_held events_may_come_in_order_or_backwards
    a_webhook_may_come_before_the_answer
56 versions and causes of events:
    the_payload_has_the_endpoints_version events_say_which_request_caused_them
57 snapshots are frozen:
    a_snapshot_is_frozen
58 what was there before:
    events_say_which_request_caused_them a_new_address_changes_where_the_customer_is_taxed
59 all events of one success:
    one_success_is_told_by_all_its_events
60 a clock, a reset, documents:
    the_clock_goes_forward reset_forgets_everything a_reset_forgets_all_but_the_key
    an_invoice_shows_what_the_law_asks_for a_receipt_exists_once_it_is_paid
"""
"""What it is, then the names of its tests without `test_`."""
BEHAVIOURS = {
    int(number): (words, tests.split())
    for number, words, tests in re.findall(r"^(\d+) (.+):\n((?:    .+\n)+)", LISTED, re.MULTILINE)
}
NAMES = re.compile(r"def test_(\w+)\(")
TESTS = Path(__file__).parents[1]
FOUND = {
    name
    for pattern in ("contract/test_stripe_sandbox_*.py", "unit/sandbox/test_*.py")
    for path in TESTS.glob(pattern)
    for name in NAMES.findall(path.read_text(encoding="utf-8"))
}


def test_all_sixty_are_listed() -> None:
    assert list(BEHAVIOURS) == list(range(1, 61))


@pytest.mark.parametrize("number", BEHAVIOURS, ids=lambda number: BEHAVIOURS[number][0].replace(" ", "_"))
def test_the_behaviour_has_its_tests(number: int) -> None:
    named = set(BEHAVIOURS[number][1])

    assert named
    assert named - FOUND == set()
