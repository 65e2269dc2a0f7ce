/* Integers between 64 bits and the width that they are stored with. */

#include "parser.h"

static uint64_t narrow8(int8_t *to, const int64_t *from, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = (int8_t)from[i];
        lost |= (uint64_t)(to[i] ^ from[i]);
    }
    return lost;
}

static uint64_t narrow8u(uint8_t *to, const int64_t *from, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = (uint8_t)from[i];
        lost |= (uint64_t)(to[i] ^ from[i]);
    }
    return lost;
}

static uint64_t narrow16(int16_t *to, const int64_t *from, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = (int16_t)from[i];
        lost |= (uint64_t)(to[i] ^ from[i]);
    }
    return lost;
}

static uint64_t narrow16u(uint16_t *to, const int64_t *from, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = (uint16_t)from[i];
        lost |= (uint64_t)(to[i] ^ from[i]);
    }
    return lost;
}

static uint64_t narrow32(int32_t *to, const int64_t *from, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = (int32_t)from[i];
        lost |= (uint64_t)(to[i] ^ from[i]);
    }
    return lost;
}

static uint64_t narrow32u(uint32_t *to, const int64_t *from, int64_t n)
{
    uint64_t lost = 0;
    for (int64_t i = 0; i < n; i++) {
        to[i] = (uint32_t)from[i];
        lost |= (uint64_t)((int64_t)to[i] ^ from[i]);
    }
    return lost;
}

int64_t bd_item_bytes(int32_t storage)
{
    switch (storage) {
    case BD_BOOL:
    case BD_INT8:
    case BD_UINT8:
        return 1;
    case BD_INT16:
    case BD_UINT16:
        return 2;
    case BD_INT32:
    case BD_UINT32:
    case BD_DATE32:
    case BD_FLOAT32:
        return 4;
    default:
        return 8;
    }
}

bool bd_narrow(int32_t storage, void *to, const int64_t *from, int64_t n)
{
    switch (storage) {
    case BD_INT8:
        return narrow8(to, from, n) == 0;
    case BD_BOOL:
    case BD_UINT8:
        return narrow8u(to, from, n) == 0;
    case BD_INT16:
        return narrow16(to, from, n) == 0;
    case BD_UINT16:
        return narrow16u(to, from, n) == 0;
    case BD_INT32:
    case BD_DATE32:
        return narrow32(to, from, n) == 0;
    case BD_UINT32:
        return narrow32u(to, from, n) == 0;
    default:
        memcpy(to, from, (size_t)n * 8);
        return true;
    }
}

void bd_widen(int32_t storage, int64_t *to, const void *from, int64_t first, int64_t n)
{
    switch (storage) {
    case BD_INT8:
        for (int64_t i = 0; i < n; i++)
            to[i] = ((const int8_t *)from)[first + i];
        return;
    case BD_BOOL:
    case BD_UINT8:
        for (int64_t i = 0; i < n; i++)
            to[i] = ((const uint8_t *)from)[first + i];
        return;
    case BD_INT16:
        for (int64_t i = 0; i < n; i++)
            to[i] = ((const int16_t *)from)[first + i];
        return;
    case BD_UINT16:
        for (int64_t i = 0; i < n; i++)
            to[i] = ((const uint16_t *)from)[first + i];
        return;
    case BD_INT32:
    case BD_DATE32:
        for (int64_t i = 0; i < n; i++)
            to[i] = ((const int32_t *)from)[first + i];
        return;
    case BD_UINT32:
        for (int64_t i = 0; i < n; i++)
            to[i] = ((const uint32_t *)from)[first + i];
        return;
    default:
        memcpy(to, (const int64_t *)from + first, (size_t)n * 8);
    }
}
