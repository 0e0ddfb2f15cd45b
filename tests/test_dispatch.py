"""The type of a record chooses the function that serves it."""

import pytest

from sklearn_jin._dispatch import singledispatch


class First(tuple):
    pass


class Second(First):
    pass


@pytest.fixture
def name():
    @singledispatch
    def name(record, *others):
        """What it is."""
        return "any", others

    return name


def test_the_type_of_the_first_argument_chooses(name):
    name.register(First, lambda record, *others: ("first", others))
    assert name(First(), 1, 2) == ("first", (1, 2))
    assert name(3, 4) == ("any", (4,))
    assert name.dispatch(First)(First())[0] == "first"


def test_a_type_that_is_not_known_is_served_as_its_base(name):
    name.register(First, lambda record: "first")
    assert name(Second()) == "first"


def test_what_is_registered_later_serves_later_calls(name):
    assert name(Second())[0] == "any"

    @name.register(First)
    def of_first(record):
        return "first"

    assert name(Second()) == of_first(Second()) == "first"


def test_the_description_is_that_of_the_function(name):
    assert name.__doc__ == "What it is."
