/* The smallest and the largest value of a page, as statistics give them.
 *
 * Floats: NaN is passed over, a smallest zero is -0 and a largest +0. Text is compared by its
 * bytes and cut at 64 of them. Source: the comments of Statistics and ColumnOrder in
 * parquet.thrift. */

#include "parquet.h"

enum { LANES = 32, MAX_TEXT = 64 };

static inline __attribute__((always_inline)) void
range_of_signed(const void *values, const int width, int64_t n, uint64_t *min, uint64_t *max)
{
    int64_t low = (int64_t)bd_extended(values, width, true, 0), high = low;
    for (int64_t i = 1; i < n; i++) {
        const int64_t value = (int64_t)bd_extended(values, width, true, i);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    *min = (uint64_t)low;
    *max = (uint64_t)high;
}

static inline __attribute__((always_inline)) void
range_of_unsigned(const void *values, const int width, int64_t n, uint64_t *min, uint64_t *max)
{
    uint64_t low = bd_number_at(values, width, 0), high = low;
    for (int64_t i = 1; i < n; i++) {
        const uint64_t value = bd_number_at(values, width, i);
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    *min = low;
    *max = high;
}

/* Of `n` (at least 1) integers, extended to 64 bits. */
void bd_number_range(const void *values, int width, bool is_signed, int64_t n, uint64_t *min,
                     uint64_t *max)
{
    switch (width) {
    case 1:
        is_signed ? range_of_signed(values, 1, n, min, max)
                  : range_of_unsigned(values, 1, n, min, max);
        break;
    case 2:
        is_signed ? range_of_signed(values, 2, n, min, max)
                  : range_of_unsigned(values, 2, n, min, max);
        break;
    case 4:
        is_signed ? range_of_signed(values, 4, n, min, max)
                  : range_of_unsigned(values, 4, n, min, max);
        break;
    default:
        is_signed ? range_of_signed(values, 8, n, min, max)
                  : range_of_unsigned(values, 8, n, min, max);
    }
}

static bool range_of_doubles(const double *values, int64_t n, uint64_t *min, uint64_t *max)
{
    double low[LANES], high[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        low[lane] = __builtin_inf();
        high[lane] = -__builtin_inf();
    }
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            const double value = values[i + lane];
            low[lane] = value < low[lane] ? value : low[lane];
            high[lane] = value > high[lane] ? value : high[lane];
        }
    }
    bool any = false;
    for (; i < n; i++) {
        low[0] = values[i] < low[0] ? values[i] : low[0];
        high[0] = values[i] > high[0] ? values[i] : high[0];
    }
    for (int lane = 1; lane < LANES; lane++) {
        low[0] = low[lane] < low[0] ? low[lane] : low[0];
        high[0] = high[lane] > high[0] ? high[lane] : high[0];
    }
    any = low[0] <= high[0];
    if (low[0] == 0)
        low[0] = -0.0;
    if (high[0] == 0)
        high[0] = 0.0;
    memcpy(min, &low[0], 8);
    memcpy(max, &high[0], 8);
    return any;
}

static bool range_of_floats(const float *values, int64_t n, uint64_t *min, uint64_t *max)
{
    float low[LANES], high[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        low[lane] = __builtin_inff();
        high[lane] = -__builtin_inff();
    }
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            const float value = values[i + lane];
            low[lane] = value < low[lane] ? value : low[lane];
            high[lane] = value > high[lane] ? value : high[lane];
        }
    }
    for (; i < n; i++) {
        low[0] = values[i] < low[0] ? values[i] : low[0];
        high[0] = values[i] > high[0] ? values[i] : high[0];
    }
    for (int lane = 1; lane < LANES; lane++) {
        low[0] = low[lane] < low[0] ? low[lane] : low[0];
        high[0] = high[lane] > high[0] ? high[lane] : high[0];
    }
    if (low[0] == 0)
        low[0] = -0.0f;
    if (high[0] == 0)
        high[0] = 0.0f;
    uint32_t bits;
    memcpy(&bits, &low[0], 4);
    *min = bits;
    memcpy(&bits, &high[0], 4);
    *max = bits;
    return low[0] <= high[0];
}

/* The bits of the smallest and largest of `n` floats; false where all are NaN. */
bool bd_float_range(const void *values, int width, int64_t n, uint64_t *min, uint64_t *max)
{
    return width == 8 ? range_of_doubles(values, n, min, max)
                      : range_of_floats(values, n, min, max);
}

/* The first 8 bytes of a text, big-endian, zeros after its end. */
static inline uint64_t prefix_of(const uint8_t *text, int64_t length)
{
    uint64_t word = 0;
    if (length >= 8) {
        word = bd_load64(text);
    } else if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, text, 4);
        memcpy(&last, text + length - 4, 4);
        word = first | (uint64_t)last << 8 * (length - 4);
    } else if (length > 0) {
        const int64_t middle = length >> 1, end = length - 1;
        word = text[0] | (uint64_t)text[middle] << 8 * middle | (uint64_t)text[end] << 8 * end;
    }
    return __builtin_bswap64(word);
}

static inline bool is_less(const uint8_t *a, int64_t n_a, const uint8_t *b, int64_t n_b)
{
    const int64_t common = n_a < n_b ? n_a : n_b;
    for (int64_t i = 0; i <= common; i += 8) {
        /* Where one of them ends they differ, or it is the beginning of the other one. */
        const uint64_t left = prefix_of(a + i, n_a - i), right = prefix_of(b + i, n_b - i);
        if (left != right)
            return left < right;
    }
    return n_a < n_b;
}

/* Which of `n` (at least 1) texts are the smallest and the largest. `chosen`: only those that it
 * is not 0 for (one at least); NULL: all. */
void bd_text_range(const uint8_t *const *texts, const int32_t *lengths, const uint32_t *chosen,
                   int64_t n, int64_t *min, int64_t *max)
{
    int64_t low = -1, high = -1;
    uint64_t low_prefix = 0, high_prefix = 0;
    for (int64_t i = 0; i < n; i++) {
        if (chosen && !chosen[i])
            continue;
        const uint64_t prefix = prefix_of(texts[i], lengths[i]);
        if (low < 0 || prefix < low_prefix ||
            (prefix == low_prefix && is_less(texts[i], lengths[i], texts[low], lengths[low]))) {
            low = i;
            low_prefix = prefix;
        }
        if (high < 0 || prefix > high_prefix ||
            (prefix == high_prefix && is_less(texts[high], lengths[high], texts[i], lengths[i]))) {
            high = i;
            high_prefix = prefix;
        }
    }
    *min = low;
    *max = high;
}

static int64_t put_bytes(struct bd_bounds_sink *sink, const void *bytes, int64_t size)
{
    const int64_t at = sink->used;
    if (size)
        memcpy(sink->bytes + at, bytes, (size_t)size);
    sink->used += size;
    return at;
}

/* Little-endian numbers of `size` bytes. */
void bd_put_number_bounds(struct bd_bounds_sink *sink, int64_t size, uint64_t min, uint64_t max,
                          struct bd_parquet_bounds *bounds)
{
    bounds->min_size = bounds->max_size = size;
    bounds->min_at = put_bytes(sink, &min, size);
    bounds->max_at = put_bytes(sink, &max, size);
    bounds->exact = 1;
}

/* The longest beginning of a text of at most MAX_TEXT bytes that ends with a character. */
static int64_t cut_text(const uint8_t *text, int64_t size)
{
    if (size <= MAX_TEXT)
        return size;
    size = MAX_TEXT;
    while (size && (text[size] & 0xc0) == 0x80)
        size--;
    return size;
}

/* Texts, cut where they are long: a smallest then is less, and of a largest the last character
 * that can be is one more. Where none can be, there are no bounds. */
void bd_put_text_bounds(struct bd_bounds_sink *sink, const uint8_t *min, int64_t min_size,
                        const uint8_t *max, int64_t max_size, struct bd_parquet_bounds *bounds)
{
    uint8_t cut[MAX_TEXT];
    const int64_t kept_min = cut_text(min, min_size);
    int64_t kept_max = cut_text(max, max_size);
    bounds->exact = kept_min == min_size && kept_max == max_size;
    if (kept_max)
        memcpy(cut, max, (size_t)kept_max);
    if (kept_max < max_size) {
        /* Only ASCII is made one more: so it stays UTF-8. */
        while (kept_max && cut[kept_max - 1] >= 0x7f)
            kept_max--;
        if (kept_max == 0)
            return;
        cut[kept_max - 1]++;
    }
    bounds->min_size = kept_min;
    bounds->max_size = kept_max;
    bounds->min_at = put_bytes(sink, min, kept_min);
    bounds->max_at = put_bytes(sink, cut, kept_max);
}
