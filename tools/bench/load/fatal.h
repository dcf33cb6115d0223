/* One way to fail: a sentence on stderr and exit status 1, nothing on stdout. */
#ifndef BENCH_FATAL_H
#define BENCH_FATAL_H

_Noreturn void fatal(const char *what);

/* As fatal, with the meaning of errno behind it. */
_Noreturn void fatal_errno(const char *what);

#endif
