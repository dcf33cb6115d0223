/* Counts of durations in nanoseconds, in buckets whose width is at most 1/128
 * of their value: a percentile is wrong by less than 0.8 %, at any scale. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 128, HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 58 };

struct histogram {
    uint64_t total;
    uint64_t largest;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t nanoseconds);

/* The upper edge of the bucket that holds this fraction (0 to 1) of the
 * counts, never above the largest duration; 0 when nothing was counted. */
uint64_t histogram_percentile(const struct histogram *histogram, double fraction);

#endif
