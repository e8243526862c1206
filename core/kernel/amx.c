/* amx.c - the product kernel for AMX's tiles, whose products are of bf16 and summed in float.
 *
 * A float is split in two numbers of bf16, x = high + low, which together have 16 bits of it. Of the
 * four products high*high + high*low + low*high are kept: an error of some 1e-5 of what is added up,
 * against 3e-7 of plain float, at a third of the tiles' speed. Plain bf16 keeps high*high alone.
 *
 * 32 rows by 32 columns of C are four tiles that stay in registers; for each 32 of the depth two
 * tiles of A and two of B are loaded at a time. A tile of A has its rows' numbers side by side. One of B
 * has pairs of k, number by number: [k / 2][column][k % 2]. What lies the other way is laid out as
 * the other kind first, and then transposed, a pair at a time.
 *
 * An infinity becomes NaN by the split (inf - inf), and denormals count as 0. */
#define VECTOR_BYTES 64
#include "kernel.h"
#include "vector.h"

#include "amx_tile.h"

#define JOIN(a, b)        a##b
#define NAME(prefix, set) JOIN(prefix, set)
#define BF16_NAME(set)    JOIN_BF16(gan_products_, set)
#define JOIN_BF16(a, b)   a##b##_bf16

enum { PANEL = 2 * TILE_ROWS, STEP = 4 * TILE_BF16, CHUNK = 16 }; /* numbers of bf16, and steps of A kept at once */
enum { CACHE = 1 << 17 };
#ifdef GAN_AMX_EMULATED
enum { WORTH = 0 }; /* the proof takes all */
#else
enum { WORTH = 1 << 21 };
#endif

/* Two tiles' worth, as they lie in memory. */
typedef struct split_tile {
    uint16_t high[TILE_BF16], low[TILE_BF16];
} split_tile;

static const float nothing[TILE_ROWS];

/* Rows whose numbers lie side by side: [row][k]. */
static void lay_rows(int rows, int64_t depth, const float *const *from, int64_t at, split_tile *tile)
{
    int numbers = depth < TILE_DEPTH ? (int)depth : TILE_DEPTH;
    if (rows < TILE_ROWS)
        memset(tile, 0, sizeof *tile);
    for (int i = 0; i < rows; i++)
        amx_split(from[i] + at, numbers, tile->high + i * TILE_DEPTH, tile->low + i * TILE_DEPTH);
}

/* Rows whose numbers for one k lie side by side, `step` from those for the next: [k / 2][row][k % 2]. */
static void lay_pairs(int rows, int64_t depth, const float *from, int64_t step, split_tile *tile)
{
    if (depth < TILE_DEPTH)
        memset(tile, 0, sizeof *tile);
    for (int k = 0; k < TILE_DEPTH && k < depth; k += 2, from += 2 * step)
        amx_split_pairs(from, k + 1 < depth ? from + step : nothing, rows, tile->high + k / 2 * TILE_DEPTH,
                        tile->low + k / 2 * TILE_DEPTH);
}

/* Turns one layout into the other: a pair is as large as a float. */
static void transpose_pairs(uint16_t *tile)
{
    vector square[LANES];
    memcpy(square, tile, sizeof square);
    transpose(square);
    memcpy(tile, square, sizeof square);
}

/* A step's four tiles: high of the first 16 and of the second, then low of both. */
static void put(const split_tile *tile, int second, bool turned, uint16_t *step)
{
    uint16_t *high = step + second * TILE_BF16, *low = high + 2 * TILE_BF16;
    memcpy(high, tile->high, sizeof tile->high);
    memcpy(low, tile->low, sizeof tile->low);
    if (turned) {
        transpose_pairs(high);
        transpose_pairs(low);
    }
}

/* ---- Packing: panels of steps, in as many bytes as the floats have ---- */

static void pack(int64_t k, int64_t n, const float *b, int64_t ld, bool transposed, float *to)
{
    uint16_t *step = (uint16_t *)to;
    split_tile tile;
    for (int64_t column = 0; column < n; column += PANEL)
        for (int64_t at = 0; at < k; at += TILE_DEPTH, step += STEP)
            for (int second = 0; second < 2; second++) {
                int64_t first = column + second * TILE_ROWS, left = n - first;
                int columns = left < 0 ? 0 : left < TILE_ROWS ? (int)left : TILE_ROWS;
                if (transposed) {
                    const float *rows[TILE_ROWS];
                    for (int i = 0; i < columns; i++)
                        rows[i] = b + (first + i) * ld;
                    lay_rows(columns, k - at, rows, at, &tile);
                } else {
                    lay_pairs(columns, k - at, b + at * ld + (columns ? first : 0), ld, &tile);
                }
                put(&tile, second, transposed, step);
            }
}

/* ---- Strips ---- */

/* Steps of A, split, and where those of B lie that go with them. */
struct chunk {
    uint16_t a[CHUNK * STEP] __attribute__((aligned(64)));
    int count;
    const float *b[CHUNK];
    int64_t panel[CHUNK];
};

/* C's four tiles += step a times step b: low times high, high times high, high times low, so that each
 * product loads one side's two tiles anew. */
static inline __attribute__((always_inline)) void multiply_step(amx_registers *r, const char *a, gan_tile_side as,
                                                                const char *b, gan_tile_side bs, bool low)
{
    (void)r; /* the emulation's */
    if (low) {
        amx_load(*r, 4, a + as.low, as.row);
        amx_load(*r, 6, b, bs.row);
        amx_load(*r, 7, b + bs.second, bs.row);
        amx_load(*r, 5, a + as.low + as.second, as.row);
        amx_dpbf16(*r, 0, 4, 6);
        amx_dpbf16(*r, 1, 4, 7);
        amx_dpbf16(*r, 2, 5, 6);
        amx_dpbf16(*r, 3, 5, 7);
        amx_load(*r, 4, a, as.row);
        amx_load(*r, 5, a + as.second, as.row);
    } else {
        amx_load(*r, 4, a, as.row);
        amx_load(*r, 6, b, bs.row);
        amx_load(*r, 7, b + bs.second, bs.row);
        amx_load(*r, 5, a + as.second, as.row);
    }
    amx_dpbf16(*r, 0, 4, 6);
    amx_dpbf16(*r, 1, 4, 7);
    amx_dpbf16(*r, 2, 5, 6);
    amx_dpbf16(*r, 3, 5, 7);
    if (!low)
        return;
    amx_load(*r, 6, b + bs.low, bs.row);
    amx_load(*r, 7, b + bs.low + bs.second, bs.row);
    amx_dpbf16(*r, 0, 4, 6);
    amx_dpbf16(*r, 1, 4, 7);
    amx_dpbf16(*r, 2, 5, 6);
    amx_dpbf16(*r, 3, 5, 7);
}

/* Writes or adds the sums to C's columns from `column` on. */
static inline void store(const gan_strip *s, int64_t column, bool add, float sums[4][TILE_ROWS][TILE_ROWS])
{
    for (int half = 0; half < 2; half++) {
        int64_t first = column + half * TILE_ROWS, n = s->n - first;
        for (int i = 0; i < s->rows; i++) {
            const float *from = sums[i / TILE_ROWS * 2 + half][i % TILE_ROWS];
            float *to = s->c[i] + first;
            if (n >= TILE_ROWS)
                *(vector *)to = load(from) + (add ? load(to) : (vector){0});
            else
                for (int64_t j = 0; j < n; j++)
                    to[j] = from[j] + (add ? to[j] : 0);
        }
    }
}

/* C's four tiles, so many bytes from row to row and floats from the upper two to the lower ones. */
static inline __attribute__((always_inline)) void load_sums(amx_registers *r, bool add, const float *c, int64_t row,
                                                            int64_t right, int64_t below)
{
    (void)r; /* the emulation's */
    if (!add) {
        amx_zero(*r, 0);
        amx_zero(*r, 1);
        amx_zero(*r, 2);
        amx_zero(*r, 3);
        return;
    }
    amx_load(*r, 0, c, row);
    amx_load(*r, 1, c + right, row);
    amx_load(*r, 2, c + below, row);
    amx_load(*r, 3, c + below + right, row);
}
static inline __attribute__((always_inline)) void store_sums(amx_registers *r, float *c, int64_t row, int64_t right,
                                                             int64_t below)
{
    (void)r;
    amx_store(*r, 0, c, row);
    amx_store(*r, 1, c + right, row);
    amx_store(*r, 2, c + below, row);
    amx_store(*r, 3, c + below + right, row);
}

enum { TILE = TILE_ROWS * TILE_ROWS };

/* Multiplies what the chunk holds into all columns of C, and empties it. */
static void flush(const gan_strip *s, struct chunk *chunk, bool add, bool low)
{
    amx_registers r;
    float sums[4][TILE_ROWS][TILE_ROWS] __attribute__((aligned(64)));
    amx_begin();
    for (int64_t column = 0; column < s->n; column += PANEL) {
        /* Where C has whole tiles they lie in place. */
        bool there = s->c_step && s->rows == PANEL && s->n - column >= PANEL;
        int64_t row = there ? s->c_step * (int64_t)sizeof(float) : 64;
        load_sums(&r, there && add, s->c[0] + column, row, TILE_ROWS, TILE_ROWS * s->c_step);
        for (int i = 0; i < chunk->count; i++)
            multiply_step(&r, (const char *)(chunk->a + i * STEP), gan_packed_side,
                          (const char *)(chunk->b[i] + column / PANEL * chunk->panel[i]), gan_packed_side, low);
        if (there) {
            store_sums(&r, s->c[0] + column, row, TILE_ROWS, TILE_ROWS * s->c_step);
        } else {
            store_sums(&r, sums[0][0], row, TILE, 2 * TILE);
            store(s, column, add, sums);
        }
    }
    amx_end();
    chunk->count = 0;
}

static inline void multiply_strip(const gan_strip *s, bool low)
{
    struct chunk chunk;
    split_tile tile;
    bool add = s->add;
    chunk.count = 0;
    for (int64_t n = 0; n < s->count; n++) {
        const gan_run *run = &s->runs[n];
        for (int64_t at = 0; at < run->depth; at += TILE_DEPTH) {
            if (chunk.count == CHUNK) {
                flush(s, &chunk, add, low);
                add = true;
            }
            for (int second = 0; second < 2; second++) {
                int first = second * TILE_ROWS, left = s->rows - first;
                int rows = left < 0 ? 0 : left < TILE_ROWS ? left : TILE_ROWS;
                if (s->step)
                    lay_pairs(rows, run->depth - at, run->a[0] + at * s->step + (rows ? first : 0), s->step, &tile);
                else
                    lay_rows(rows, run->depth - at, run->a + first, at, &tile);
                put(&tile, second, s->step != 0, chunk.a + chunk.count * STEP);
            }
            chunk.b[chunk.count] = run->b + at * PANEL;
            chunk.panel[chunk.count++] = run->panel;
        }
    }
    if (chunk.count > 0 || !add)
        flush(s, &chunk, add, low);
}

static void strip(const gan_strip *s)
{
    multiply_strip(s, true);
}
static void strip_bf16(const gan_strip *s)
{
    multiply_strip(s, false);
}

/* ---- What convolutions take (conv_tiles.c) ---- */

static void split_rows(int64_t rows, int64_t n, const float *x, int64_t pitch, char *to, int64_t to_pitch)
{
    for (int64_t i = 0; i < rows; i++, x += pitch, to += to_pitch) {
        char *place = to;
        for (int64_t at = 0; at < n; at += TILE_DEPTH, place += 128)
            amx_split(x + at, n - at < TILE_DEPTH ? (int)(n - at) : TILE_DEPTH, (uint16_t *)place,
                      (uint16_t *)(place + 64));
    }
}

static void split_pairs(int64_t pairs, int64_t n, const float *x, const float *y, int64_t pitch, char *to,
                        int64_t to_pitch)
{
    for (int64_t i = 0; i < pairs; i++, x += pitch, y += y ? pitch : 0, to += to_pitch) {
        char *place = to;
        for (int64_t at = 0; at < (n + PANEL - 1) / PANEL * PANEL; at += TILE_ROWS, place += 128) {
            int numbers = n < at ? 0 : n - at < TILE_ROWS ? (int)(n - at) : TILE_ROWS;
            amx_split_pairs(numbers ? x + at : nothing, y && numbers ? y + at : nothing, numbers, (uint16_t *)place,
                            (uint16_t *)(place + 64));
        }
    }
}

static void split_columns(int64_t n, const float *const x[GAN_TILE], char *to)
{
    for (int second = 0; second < 2; second++) {
        int64_t first = second * TILE_ROWS, left = n - first;
        int columns = left < 0 ? 0 : left < TILE_ROWS ? (int)left : TILE_ROWS;
        split_tile tile;
        for (int k = 0; k < GAN_TILE; k += 2)
            amx_split_pairs(x[k] && columns ? x[k] + first : nothing, x[k + 1] && columns ? x[k + 1] + first : nothing,
                            columns, tile.high + k / 2 * TILE_DEPTH, tile.low + k / 2 * TILE_DEPTH);
        put(&tile, second, true, (uint16_t *)to);
    }
}

static void begin(void)
{
    amx_begin();
}
static void end(void)
{
    amx_end();
}

static inline __attribute__((always_inline)) void multiply_runs(gan_tile_side a, gan_tile_side b, int64_t count,
                                                                const gan_tile_run *runs, int64_t a_at, int64_t b_at,
                                                                bool add, float *tiles, bool low)
{
    amx_registers r;
    load_sums(&r, add, tiles, 64, TILE, 2 * TILE);
    for (int64_t n = 0; n < count; n++) {
        const char *from_a = runs[n].a + a_at, *from_b = runs[n].b + b_at;
        for (int64_t i = 0; i < runs[n].steps; i++, from_a += a.step, from_b += b.step)
            multiply_step(&r, from_a, a, from_b, b, low);
    }
    store_sums(&r, tiles, 64, TILE, 2 * TILE);
}

static void multiply(gan_tile_side a, gan_tile_side b, int64_t count, const gan_tile_run *runs, int64_t a_at,
                     int64_t b_at, bool add, float *tiles)
{
    multiply_runs(a, b, count, runs, a_at, b_at, add, tiles, true);
}
static void multiply_bf16(gan_tile_side a, gan_tile_side b, int64_t count, const gan_tile_run *runs, int64_t a_at,
                          int64_t b_at, bool add, float *tiles)
{
    multiply_runs(a, b, count, runs, a_at, b_at, add, tiles, false);
}

static inline __attribute__((always_inline)) void store_row(const float *from, int64_t n, const float *bias,
                                                            float slope, float *to)
{
    float row[PANEL];
    memcpy(row, from, TILE_ROWS * sizeof *row);
    memcpy(row + TILE_ROWS, from + TILE, TILE_ROWS * sizeof *row);
    for (int64_t j = 0; j < n; j++) {
        float v = row[j] + (bias ? bias[j] : 0);
        to[j] = v > 0 ? v : (slope == 0 && v < 0 ? 0 : slope * v);
    }
}

static void store_rows(const float *tiles, int64_t m, int64_t n, const float *bias, float slope, float *const *to)
{
    for (int64_t i = 0; i < m; i++) {
        const float *from = tiles + (i / TILE_ROWS * 2 * TILE_ROWS + i % TILE_ROWS) * TILE_ROWS;
        if (n == PANEL && !bias && slope == 1) {
            *(vector *)to[i] = load(from);
            *(vector *)(to[i] + TILE_ROWS) = load(from + TILE);
        } else if (n == PANEL) {
            store_row(from, PANEL, bias, slope, to[i]);
        } else {
            store_row(from, n, bias, slope, to[i]);
        }
    }
}

static void turn(const float *tiles, int64_t m, int64_t n, float *to, int64_t ld)
{
    for (int tile = 0; tile < 4; tile++) {
        int64_t row = tile % 2 * TILE_ROWS, column = tile / 2 * TILE_ROWS, width = n - column;
        vector square[LANES];
        for (int i = 0; i < LANES; i++)
            square[i] = load(tiles + (tile * TILE_ROWS + i) * TILE_ROWS);
        transpose(square);
        for (int64_t i = 0; i < LANES && row + i < m; i++) {
            float *place = to + (row + i) * ld + column;
            if (width >= LANES)
                *(vector *)place = square[i];
            else
                for (int64_t j = 0; j < width; j++)
                    place[j] = square[i][j];
        }
    }
}

static const gan_tiles tiles = {split_rows, split_pairs, split_columns, begin, end, multiply, store_rows, turn};
static const gan_tiles tiles_bf16 = {split_rows, split_pairs,   split_columns, begin,
                                     end,        multiply_bf16, store_rows,    turn};

const gan_products NAME(gan_products_, GAN_KERNEL_SET) = {PANEL, PANEL, WORTH,  TILE_DEPTH, CACHE,
                                                          pack,  strip, &tiles, NULL};
const gan_products BF16_NAME(GAN_KERNEL_SET) = {PANEL, PANEL,      WORTH,       TILE_DEPTH, CACHE,
                                                pack,  strip_bf16, &tiles_bf16, NULL};
