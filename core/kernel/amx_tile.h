/* amx_tile.h - the few tile operations that amx.c needs: AMX's own, or, with GAN_AMX_EMULATED, the same in
 * plain C on any machine.
 *
 * A tile is 16 rows of 64 bytes: 16 x 16 floats, or 16 x 32 numbers of bf16. The operations take the
 * number of a tile register, 0 to 7, as a constant. */
#ifndef GAN_AMX_TILE_H
#define GAN_AMX_TILE_H

#include <stdint.h>
#include <string.h>

enum { TILE_ROWS = 16, TILE_DEPTH = 32, TILE_BF16 = TILE_ROWS * TILE_DEPTH };

#ifdef GAN_AMX_EMULATED

typedef struct amx_registers {
    float tile[8][16][16];
} amx_registers;

static inline float widened(uint16_t bf16)
{
    uint32_t bits = (uint32_t)bf16 << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* As the manual has TDPBF16PS: even and odd products are summed apart from 0, then together, then to c. */
static inline void emulated_dpbf16(float c[16][16], float a[16][16], float b[16][16])
{
    for (int m = 0; m < 16; m++) {
        float even[16] = {0}, odd[16] = {0};
        for (int k = 0; k < 16; k++) {
            uint16_t pair[2], pairs[16][2];
            memcpy(pair, &a[m][k], sizeof pair);
            memcpy(pairs, b[k], sizeof pairs);
            for (int n = 0; n < 16; n++) {
                even[n] += widened(pair[0]) * widened(pairs[n][0]);
                odd[n] += widened(pair[1]) * widened(pairs[n][1]);
            }
        }
        for (int n = 0; n < 16; n++)
            c[m][n] += even[n] + odd[n];
    }
}

#define amx_begin(r)           memset(&(r), 0, sizeof(r))
#define amx_end(r)             ((void)(r))
#define amx_zero(r, t)         memset((r).tile[t], 0, sizeof(r).tile[t])
#define amx_load(r, t, from)   memcpy((r).tile[t], from, sizeof(r).tile[t])
#define amx_store(r, t, to)    memcpy(to, (r).tile[t], sizeof(r).tile[t])
#define amx_dpbf16(r, c, a, b) emulated_dpbf16((r).tile[c], (r).tile[a], (r).tile[b])

#else

#include <immintrin.h>

typedef struct amx_registers {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape;
} amx_registers;

/* All eight tiles of this thread get their full size, until amx_end. What the program has written lies in
 * memory then: the compiler does not know that tiles are loaded from there. */
static inline void amx_configure(amx_registers *r)
{
    __asm__ volatile("" : : : "memory");
    *r = (amx_registers){.shape = {.palette = 1}};
    for (int i = 0; i < 8; i++) {
        r->shape.row_bytes[i] = 64;
        r->shape.rows[i] = 16;
    }
    _tile_loadconfig(&r->shape);
}

#define amx_begin(r)           amx_configure(&(r))
#define amx_end(r)             _tile_release()
#define amx_zero(r, t)         _tile_zero(t)
#define amx_load(r, t, from)   _tile_loadd(t, from, 64)
#define amx_store(r, t, to)    _tile_stored(t, to, 64)
#define amx_dpbf16(r, c, a, b) _tile_dpbf16ps(c, a, b)

#endif
#endif
