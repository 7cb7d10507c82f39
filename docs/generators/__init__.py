"""Reference pages that are generated from the code: ``make reference`` writes them, and
``tests/docs/test_generated_pages.py`` fails where a page and the code differ.
"""
