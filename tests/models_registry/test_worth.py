from datetime import date
from decimal import Decimal

import pytest

from models_registry.usage import Prices
from models_registry.worth import Traffic, Verdict, assess

TODAY = date(2026, 11, 26)
MILLION = 1_000_000
# A million tokens in, a million out: 12 dollars with this model.
DEAR = Prices(input_usd=Decimal(2), cached_input_usd=Decimal(1), output_usd=Decimal(10))


def traffic(millions, paid_usd):
    """So many million tokens each way. None: what they cost is not known."""
    tokens = int(Decimal(millions) * MILLION)
    paid = None if paid_usd is None else Decimal(paid_usd)
    return Traffic(requests=tokens, prompt_tokens=tokens, completion_tokens=tokens, paid_usd=paid)


def worth(**given):
    usual = {
        "training_usd": Decimal(50),
        "so_far": traffic(1, 2),
        "recent": traffic(1, 2),
        "recent_days": 30,
        "is_new": False,
        "other": DEAR,
        "today": TODAY,
    }
    return assess(**usual | given)


def test_compares_the_same_tokens_at_both_prices():
    found = worth()

    assert (found.paid_usd, found.other_usd, found.saved_usd, found.gained_usd) == (2, 12, 10, -40)


@pytest.mark.parametrize(
    ("given", "verdict", "break_even_on"),
    [
        # 40 dollars are missing, and 10 are saved in 30 days.
        ({}, Verdict.PAYS_BACK, date(2027, 3, 26)),
        # A third of a day more is a day more.
        ({"training_usd": Decimal("50.1")}, Verdict.PAYS_BACK, date(2027, 3, 27)),
        ({"recent_days": 10}, Verdict.PAYS_BACK, date(2027, 1, 5)),
        ({"training_usd": Decimal(10)}, Verdict.PAID_BACK, None),
        ({"training_usd": Decimal(0), "so_far": traffic(0, 0)}, Verdict.PAID_BACK, None),
        ({"so_far": traffic(5, 10), "recent": traffic(0, 0)}, Verdict.PAID_BACK, None),
        ({"recent": traffic(0, 0)}, Verdict.NOT_AT_THIS_RATE, None),
        ({"recent": traffic(1, 12)}, Verdict.NOT_AT_THIS_RATE, None),
        # It costs more than the other one.
        ({"recent": traffic(1, 20)}, Verdict.NOT_AT_THIS_RATE, None),
        # In a million years.
        ({"recent": traffic("0.000001", "0")}, Verdict.NOT_AT_THIS_RATE, None),
        ({"training_usd": None}, Verdict.UNKNOWN, None),
        ({"other": None}, Verdict.UNKNOWN, None),
        ({"so_far": traffic(1, None)}, Verdict.UNKNOWN, None),
        ({"recent": traffic(1, None)}, Verdict.UNKNOWN, None),
    ],
)
def test_says_when_training_has_paid_for_itself(given, verdict, break_even_on):
    found = worth(**given)

    assert (found.verdict, found.break_even_on) == (verdict, break_even_on)


@pytest.mark.parametrize(
    ("given", "unknown"),
    [
        ({"training_usd": None}, {"training_usd", "gained_usd"}),
        ({"other": None}, {"other_usd", "saved_usd", "gained_usd"}),
        ({"so_far": traffic(1, None)}, {"paid_usd", "saved_usd", "gained_usd"}),
    ],
)
def test_makes_no_number_of_what_is_not_known(given, unknown):
    found = vars(worth(**given))

    assert {name for name, value in found.items() if name.endswith("_usd") and value is None} == unknown


@pytest.mark.parametrize(
    ("requests", "is_new", "is_unused"), [(0, False, True), (0, True, False), (1, False, False)]
)
def test_says_that_nobody_calls_it(requests, is_new, is_unused):
    assert worth(recent=Traffic(requests=requests), is_new=is_new).is_unused is is_unused
