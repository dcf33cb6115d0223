"""What stands in the standard fields, as values of Python and back: one subject a module."""
