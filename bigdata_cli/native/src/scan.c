/* The careful scanner of records. See scan.h. */

#include "scan.h"

static inline int64_t skip_spaces(const uint8_t *block, int64_t pos, const bd_rules *rules)
{
    while (block[pos] == ' ' && !bd_is_delimiter(block, pos, rules))
        pos++;
    return pos;
}

/* The last space of a run at pos; where the line ends after the run, the line end. */
static inline int64_t end_of_run(const uint8_t *block, int64_t pos)
{
    int64_t p = pos;
    while (bd_is_space(block[p]))
        p++;
    return p == pos || block[p] == '\n' || block[p] == '\r' ? p : p - 1;
}

/* bd_scan_field where runs of spaces are the delimiter. */
static bd_field scan_spaced(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    pos = bd_line_start(block, pos, rules);
    if (pos < end && block[pos] == rules->quote)
        return bd_scan_quoted(block, pos, end, rules);
    bd_field field = {.start = pos, .status = BD_DONE};
    int64_t p = pos;
    for (uint8_t c = block[p]; !bd_is_space(c) && c != '\n' && c != '\r'; c = block[p]) {
        if (c == rules->escape) {
            if (p + 1 >= end) {
                field.stop = field.after = end;
                return field;
            }
            field.escaped = true;
            p++;
        }
        p++;
    }
    field.stop = p;
    field.after = end_of_run(block, p);
    return field;
}

bd_field bd_scan_field(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    const int32_t delimiter = rules->delimiter, escape = rules->escape;

    if (rules->runs)
        return scan_spaced(block, pos, end, rules);
    if (rules->trim)
        pos = skip_spaces(block, pos, rules);
    if (pos < end && block[pos] == rules->quote)
        return bd_scan_quoted(block, pos, end, rules);

    bd_field field = {.start = pos, .status = BD_DONE};
    int64_t p = pos;
    for (;;) {
        uint8_t c = block[p];
        /* A loop of its own for all that is neither: long text goes through here. */
        while (c != delimiter && c != '\n' && c != '\r' && c != escape)
            c = block[++p];
        if (c == '\n' || c == '\r' || (c == delimiter && bd_is_delimiter(block, p, rules)))
            break;
        if (c == escape) {
            if (p + 1 >= end) { /* nothing to escape: the last character of the data is itself */
                field.stop = field.after = end;
                return field;
            }
            field.escaped = true;
            p++;
        }
        p++;
    }
    field.after = p;
    if (rules->trim)
        while (p > pos && block[p - 1] == ' ')
            p--;
    field.stop = p;
    return field;
}

bd_field bd_scan_quoted(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    const int32_t quote = rules->quote, escape = rules->escape;
    bd_field field = {.start = pos + 1, .quoted = true, .status = BD_DONE};

    int64_t p = pos + 1;
    for (;;) {
        while (p < end && block[p] != quote && block[p] != escape)
            p++;
        if (p >= end) {
            field.stop = field.after = end;
            field.status = BD_UNTERMINATED;
            return field;
        }
        if (block[p] == escape && escape != quote) {
            field.escaped = true;
            p += 2;
        } else if (p + 1 < end && block[p + 1] == quote) {
            field.escaped = true;
            p += 2;
        } else {
            break;
        }
    }
    field.stop = p;
    field.after = p + 1;
    if (rules->runs)
        field.after = end_of_run(block, p + 1);
    else if (rules->trim)
        field.after = skip_spaces(block, field.after, rules);
    const uint8_t c = block[field.after];
    if (c != '\n' && c != '\r' && !bd_is_delimiter(block, field.after, rules))
        field.status = BD_AFTER_QUOTE;
    return field;
}

int64_t bd_skip_line(const uint8_t *block, int64_t pos, int64_t end)
{
    for (; pos < end; pos++) {
        const int64_t n = bd_line_end(block, pos);
        if (n)
            return pos + n < end ? pos + n : end;
    }
    return end;
}

int64_t bd_skip_record(const uint8_t *block, int64_t pos, int64_t end, const bd_rules *rules)
{
    while (pos < end) {
        const int64_t n = bd_line_end(block, pos);
        if (n)
            return pos + n < end ? pos + n : end;
        const bd_field field = bd_scan_field(block, pos + 1 + rules->tail_size, end, rules);
        if (field.status != BD_DONE)
            return bd_skip_line(block, field.after, end);
        pos = field.after;
    }
    return end;
}
