"""Wire protocols: framers that know no transport, and thin glue."""
