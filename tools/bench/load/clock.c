#include "clock.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

#include "fatal.h"

uint64_t clock_wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A thread that ended between readdir and fopen counts as nothing. */
static void add_thread(struct processor *total, pid_t pid, const char *thread)
{
    char path[320];
    unsigned long long spent, queued;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, thread);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%llu %llu", &spent, &queued) == 2) {
        total->spent += spent;
        total->queued += queued;
    }
    fclose(file);
}

struct processor clock_process(pid_t pid)
{
    char path[64];
    struct processor total = {0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        fatal("the server's process is gone");
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;)
        if (entry->d_name[0] != '.')
            add_thread(&total, pid, entry->d_name);
    closedir(threads);
    return total;
}
