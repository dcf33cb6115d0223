#include "fatal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fatal(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

void fatal_errno(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}
