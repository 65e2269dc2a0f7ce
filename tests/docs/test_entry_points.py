"""The page on the functions of the C library is as the header, the package and the tests are."""

from __future__ import annotations

from bigdata_cli.native import library
from docs.make_entry_points import PAGE, ROOT, entry_points, page, tests_on_page


def test_the_page_lists_every_function_with_its_needs_and_its_callers():
    points = entry_points()
    assert {point.name for point in points} >= set(library.SIGNATURES)
    assert PAGE.read_text(encoding="utf-8") == page(points, tests_on_page())


def test_every_function_that_python_calls_is_called_by_a_test():
    tests = tests_on_page()
    for point in entry_points():
        assert point.needs
        assert tests[point.name] or not point.callers, point.name
        assert all((ROOT / file).exists() for file in tests[point.name])
