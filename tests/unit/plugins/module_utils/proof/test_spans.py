# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of numbers as ranges, beside Python's own sets over a small universe."""

from __future__ import annotations

import itertools

from ansible_collections.alertpath.smtp.plugins.module_utils.proof import spans
from hypothesis import given
from hypothesis import strategies as st

TOP = 24
RANGES = st.lists(st.tuples(st.integers(0, TOP), st.integers(0, TOP)), max_size=6)


def numbers(ranges):
    return {n for first, last in ranges for n in range(first, last + 1)}


@given(RANGES)
def test_the_normal_form_is_one_for_equal_sets(ranges):
    found = spans.normal(ranges)
    assert numbers(found) == numbers(ranges)
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(found)), "apart and in order"
    assert spans.normal((n, n) for n in numbers(ranges)) == found


@given(RANGES, RANGES)
def test_set_algebra(left, right):
    one, other = spans.normal(left), spans.normal(right)
    assert numbers(spans.join(one, other)) == numbers(one) | numbers(other)
    assert numbers(spans.meet(one, other)) == numbers(one) & numbers(other)
    assert numbers(spans.minus(one, other)) == numbers(one) - numbers(other)
    assert spans.covers(one, other) == (numbers(other) <= numbers(one))
    assert spans.touches(one, other) == bool(numbers(one) & numbers(other))


@given(RANGES, st.integers(0, TOP))
def test_the_rest_and_single_numbers(ranges, number):
    one = spans.normal(ranges)
    assert numbers(spans.invert(one, TOP)) == set(range(TOP + 1)) - numbers(one)
    assert spans.contains(one, number) == (number in numbers(one))
