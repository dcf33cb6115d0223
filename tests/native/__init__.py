"""The engine built under other conditions than the installed one, for the tests."""
