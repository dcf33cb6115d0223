"""HTTP/1.1: a parser in C (`parser`), and the messages it is tried with (`corpus`)."""
