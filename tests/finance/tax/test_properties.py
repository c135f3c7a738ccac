"""What must hold of tax whatever the amounts: parts add up, a gross-up gives the net back."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bursar.finance.tax.america import split
from bursar.finance.tax.compute import compute
from bursar.finance.tax.exact import half_up
from bursar.finance.tax.rule42 import Shares, rule_42

money = st.decimals("0.01", "1e12", places=2)
part = st.decimals("0", "1", places=4)
FIVE = Decimal("0.05")


@given(tax=money, cuts=st.lists(part, min_size=4, max_size=4), exempt=part, turnover=money, private=st.booleans())
def test_rule_42_never_loses_a_paisa(tax, cuts, exempt, turnover, private):
    left, parts = tax, []
    for cut in cuts:
        parts.append(half_up(left * cut))
        left -= parts[-1]
    shares = Shares(half_up(turnover * exempt), turnover, *parts, non_business=private)
    found = rule_42(tax, shares, FIVE)
    assert found.C1 == found.T - found.T1 - found.T2 - found.T3
    assert found.C2 == found.C1 - found.T4
    assert found.D1 + found.D2 + found.C3 == found.C2
    assert min(found.D1, found.D2, found.C3) >= 0
    assert private or found.D2 == 0


@given(net=money, rate=st.decimals("0", "0.6", places=5), exchange=st.decimals("0.01", "500", places=4))
def test_the_net_of_a_gross_up_is_what_was_promised_within_a_paisa(net, rate, exchange):
    found = compute({"jurisdiction": "IN", "inputs": {
        "net_payable_to_vendor_usd": str(net), "effective_rate": str(rate), "tax_borne_by_payer": True,
        "tds_position": "royalty_or_fts", "credit_date": "2026-10-30", "fx_tds_ttbr_on_2026_10_30": str(exchange),
    }}).results  # fmt: skip
    gross, tax = Decimal(found["grossed_up_inr"]), Decimal(found["tds_inr"])
    assert gross - tax == half_up(net * exchange)
    assert abs(gross * (1 - rate) - half_up(net * exchange)) <= Decimal("0.01")
    assert abs(tax - gross * rate) <= Decimal("0.01")


@given(amounts=st.lists(money, min_size=1, max_size=6), indian=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_bill_is_the_sum_of_its_lines(amounts, indian):
    lines = [
        {"issuer_country": "IN", "supplier_state": "DL", "line_net_inr": str(one)}
        if home
        else {"issuer_country": "US", "line_net_inr": str(one)}
        for one, home in zip(amounts, indian, strict=False)
    ]
    found = compute({"jurisdiction": "IN", "inputs": {
        "lines": lines, "customer_state": "KA", "payment_date": "2026-11-12", "invoice_date": "2026-11-01",
    }}).results  # fmt: skip
    for key, value in found.items():
        if key.endswith("_inr"):
            assert Decimal(value) == sum(Decimal(line[key]) for line in found["lines"] if key in line), key
    taxes = sum(half_up(one * Decimal("0.18")) for one in amounts)
    assert Decimal(found.get("igst_rcm_inr", "0")) + Decimal(found.get("igst_inr", "0")) == taxes


@given(amount=money, weights=st.lists(st.integers(0, 10_000), min_size=1, max_size=8).filter(any))
def test_shares_of_states_add_up_to_the_charge(amount, weights):
    parts = split(amount, [Decimal(one) for one in weights])
    assert sum(parts) == amount
    assert all(one >= 0 for one in parts)


@given(amount=money, state=st.sampled_from(["DL", "KA"]))
def test_two_halves_of_a_state_are_equal_and_make_the_total(amount, state):
    found = compute({"jurisdiction": "IN", "inputs": {
        "invoice_net_inr": str(amount), "supplier_state": "DL", "customer_state": state,
    }}).results  # fmt: skip
    assert found["cgst_inr"] == found["sgst_inr"]
    heads = sum(Decimal(found[f"{head}_inr"]) for head in ("igst", "cgst", "sgst"))
    assert Decimal(found["invoice_total_inr"]) == amount + heads


@given(day=st.dates(date(2023, 4, 1), date(2030, 12, 31)))
def test_deposit_and_statement_come_after_the_trigger_by_the_vocabulary_of_its_day(day):
    found = compute({"jurisdiction": "IN", "inputs": {
        "amount_usd": "100.00", "tds_position": "royalty_or_fts", "credit_date": str(day), "fx_tds_ttbr": "88",
    }}).results  # fmt: skip
    assert date.fromisoformat(found["tds_deposit_due"]) > day
    assert date.fromisoformat(found["tds_statement_due"]) > day
    new = day >= date(2026, 4, 1)
    assert found["tds_statement"] == ("Form 144" if new else "Form 27Q")
    assert found["remittance_form"].startswith("Form 145" if new else "Form 15CA")
