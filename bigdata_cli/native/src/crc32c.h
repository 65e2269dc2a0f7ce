/* CRC-32C for the other files of the library. */

#ifndef BD_CRC32C_H
#define BD_CRC32C_H

#include <stdbool.h>
#include <stdint.h>

/* How CRCs are computed here; the tables are filled only where there is no instruction. */
struct bd_crc32c_method {
    bool by_instruction;
    uint32_t tables[8][256];
};

/* Chosen once for many CRCs: to ask the processor may take microseconds. */
void bd_crc32c_choose(struct bd_crc32c_method *method);

/* The CRC of data[0:size]. */
uint32_t bd_crc32c_of(const struct bd_crc32c_method *method, const uint8_t *data, int64_t size);

/* The CRC as TFRecord stores it: rotated and offset. */
static inline uint32_t bd_masked_crc32c(const struct bd_crc32c_method *method, const uint8_t *data,
                                        int64_t size)
{
    const uint32_t crc = bd_crc32c_of(method, data, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

#endif
