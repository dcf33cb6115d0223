"""The tests. What several of them share is imported from here: `from tests.backends import ...`."""
