#include "histogram.h"

#include <string.h>

/* Values below 128 have a bucket each. Above, the position of the highest bit
 * chooses a row of 128 buckets and the seven bits below it one of the row. */
static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned shift = 63u - 7u - (unsigned)__builtin_clzll(value);
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)((value >> shift) - HISTOGRAM_STEPS);
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    histogram->counts[bucket_of(nanoseconds)]++;
    histogram->total++;
    if (nanoseconds > histogram->largest)
        histogram->largest = nanoseconds;
}

uint64_t histogram_percentile(const struct histogram *histogram, double fraction)
{
    uint64_t wanted = (uint64_t)((double)histogram->total * fraction);
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > wanted) {
            uint64_t edge = upper_edge(bucket);
            return edge < histogram->largest ? edge : histogram->largest;
        }
    }
    return histogram->largest;
}
