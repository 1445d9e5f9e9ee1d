/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intrs_check.c - whether weights and tables in memory are those that were generated.
 */
#include "intrs.h"
#include "intrs_model.h"

int intrs_check(uint32_t *crc)
{
    const struct intrs_block *const lists[] = {intrs_model_blocks, intrs_table_blocks};
    uint32_t all = 0;
    int status = INTRS_OK;
    for (uint32_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (const struct intrs_block *block = lists[i]; block->data != NULL; block++) {
            const uint32_t found = intrs_crc32(0, block->data, block->bytes);
            all = intrs_crc32(all, &found, sizeof found);
            if (found != block->crc) {
                status = INTRS_E_DAMAGED;
            }
        }
    }
    if (crc != NULL) {
        *crc = all;
    }
    return status;
}
