/* amx_tile.h - the few operations that amx.c needs: those of the CPU (AMX's tiles, and AVX-512's
 * conversion to bf16), or, with GAN_AMX_EMULATED, the same in plain C on any machine.
 *
 * A tile is 16 rows of 64 bytes: 16 x 16 floats, or 16 x 32 numbers of bf16. The operations take the
 * number of a tile register, 0 to 7, as a constant; a tile's rows lie `row` bytes apart in memory.
 *
 * A float is split into two numbers of bf16, x = high + low, each the nearest one, ties to even:
 *   amx_split(x, n, high, low)            n <= 32 numbers, side by side, into 32; the rest become 0
 *   amx_split_pairs(x, y, n, high, low)   n <= 16 numbers each of two rows, interleaved: x0 y0 x1 y1 ... */
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

static inline void emulated_load(float tile[16][16], const char *from, int64_t row)
{
    for (int i = 0; i < 16; i++)
        memcpy(tile[i], from + i * row, sizeof tile[i]);
}

static inline void emulated_store(float tile[16][16], char *to, int64_t row)
{
    for (int i = 0; i < 16; i++)
        memcpy(to + i * row, tile[i], sizeof tile[i]);
}

/* The nearest number of bf16, ties to even. A NaN stays one. */
static inline uint16_t rounded(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : nearest);
}

static inline void split_one(float x, uint16_t *high, uint16_t *low)
{
    *high = rounded(x);
    *low = rounded(x - widened(*high));
}

static inline void amx_split(const float *x, int n, uint16_t *high, uint16_t *low)
{
    for (int i = 0; i < TILE_DEPTH; i++)
        split_one(i < n ? x[i] : 0, high + i, low + i);
}

static inline void amx_split_pairs(const float *x, const float *y, int n, uint16_t *high, uint16_t *low)
{
    for (int i = 0; i < TILE_ROWS; i++) {
        split_one(i < n ? x[i] : 0, high + 2 * i, low + 2 * i);
        split_one(i < n ? y[i] : 0, high + 2 * i + 1, low + 2 * i + 1);
    }
}

#define amx_begin()               ((void)0)
#define amx_end()                 ((void)0)
#define amx_zero(r, t)            memset((r).tile[t], 0, sizeof(r).tile[t])
#define amx_load(r, t, from, row) emulated_load((r).tile[t], (const char *)(from), row)
#define amx_store(r, t, to, row)  emulated_store((r).tile[t], (char *)(to), row)
#define amx_dpbf16(r, c, a, b)    emulated_dpbf16((r).tile[c], (r).tile[a], (r).tile[b])

#else

#include <immintrin.h>

/* The CPU's own. */
typedef struct amx_registers {
    char nothing;
} amx_registers;

/* All eight tiles of this thread get their full size, until amx_end. What the program has written lies in
 * memory then: the compiler does not know that tiles are loaded from there. */
static inline void amx_configure(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        shape.row_bytes[i] = 64;
        shape.rows[i] = 16;
    }
    __asm__ volatile("" : : : "memory");
    _tile_loadconfig(&shape);
}

/* The first n, at most 16, of 16 numbers; the rest are 0 and are not read. */
static inline __m512 amx_first(const float *x, int n)
{
    return n >= 16 ? _mm512_loadu_ps(x) : _mm512_maskz_loadu_ps((__mmask16)((1u << (n > 0 ? n : 0)) - 1), x);
}

static inline void amx_split(const float *x, int n, uint16_t *high, uint16_t *low)
{
    __m512 a = amx_first(x, n), b = amx_first(x + 16, n - 16);
    __m512i top = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    __m512 back_a = (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(top)), 16);
    __m512 back_b = (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(top, 1)), 16);
    _mm512_storeu_si512(high, top);
    _mm512_storeu_si512(low, (__m512i)_mm512_cvtne2ps_pbh(b - back_b, a - back_a));
}

/* The conversion leaves x's 16 numbers in the lower half and y's in the upper one; this order interleaves them. */
static inline __m512i amx_interleaved(__m512bh halves)
{
    const __m512i order =
        _mm512_add_epi32(_mm512_set1_epi32(16 << 16),
                         _mm512_mullo_epi32(_mm512_set1_epi32(0x00010001),
                                            _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)));
    return _mm512_permutexvar_epi16(order, (__m512i)halves);
}

static inline void amx_split_pairs(const float *x, const float *y, int n, uint16_t *high, uint16_t *low)
{
    __m512 a = amx_first(x, n), b = amx_first(y, n);
    __m512i top = amx_interleaved(_mm512_cvtne2ps_pbh(b, a));
    __m512 back_a = (__m512)_mm512_slli_epi32(top, 16);
    __m512 back_b = (__m512)_mm512_and_si512(top, _mm512_set1_epi32((int)0xffff0000));
    _mm512_storeu_si512(high, top);
    _mm512_storeu_si512(low, amx_interleaved(_mm512_cvtne2ps_pbh(b - back_b, a - back_a)));
}

#define amx_begin()               amx_configure()
#define amx_end()                 _tile_release()
#define amx_zero(r, t)            _tile_zero(t)
#define amx_load(r, t, from, row) _tile_loadd(t, from, row)
#define amx_store(r, t, to, row)  _tile_stored(t, to, row)
#define amx_dpbf16(r, c, a, b)    _tile_dpbf16ps(c, a, b)

#endif
#endif
