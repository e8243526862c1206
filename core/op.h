/* op.h - what an op family sees of a tensor, and how it makes nodes. Internal to core.
 *
 * Invariants:
 * 1. A tensor's numbers are contiguous and live in a storage, which several tensors may share
 *    (reshape, detach). Every in-place change raises the storage's version.
 * 2. A tensor with a node owns the node, and the node owns its inputs: whoever holds y holds all
 *    that y was made of. Leaves have no node.
 *    Numbers are another matter: where all that holds a tensor are nodes whose gradients do not read
 *    them, they go back at once, and what stays is the tensor's place in the graph.
 * 3. Everything an op makes is in the pool before the op can fail again, so unwinding frees it.
 * 4. An op validates, then allocates, then computes. What runs inside gan_parallel cannot fail. */
#ifndef GAN_OP_H
#define GAN_OP_H

#include "gan.h"
#include "kernel/kernel.h"

typedef struct gan_storage {
    gan_context *ctx;
    int64_t references;
    uint64_t version;
    size_t bytes; /* of the block that data points to, as recycled */
    void *data;
} gan_storage;

typedef struct gan_op gan_op;

/* What an op keeps besides tensors: sizes, axes, strides, scalars; the op says which is which. */
typedef struct gan_attributes {
    int64_t i[8];
    double f[2];
} gan_attributes;

typedef struct gan_node {
    const gan_op *op;
    gan_attributes at;
    int count;
    int tag; /* whose it is, for profiles */
    struct gan_input {
        gan_tensor *tensor;
        uint64_t version; /* of its storage when it was recorded */
    } inputs[];
} gan_node;

struct gan_tensor {
    gan_context *ctx;
    int64_t references;
    int64_t idle; /* of them, those of nodes that do not read its numbers */
    gan_shape shape;
    int64_t numel;
    gan_storage *storage; /* NULL, as is data, once nobody could read the numbers any more */
    gan_real *data;
    gan_node *node;       /* NULL for a leaf */
    uint64_t version;     /* of the storage when this result was made: for ops that save their output */
    bool consumed;        /* had a node that gan_grad's consume has freed */
    uint64_t seen, aimed; /* number of the last walk that met it, and that had it as a target */
    int64_t place;        /* in that walk's order, or -1 when no target lies beyond */
    gan_tensor *next;     /* chains tensors that are being freed */
};

struct gan_op {
    const char *name;
    /* Writes dx[i] for every needed input i, as a composition of ops; a dx may have y's shape where
     * the input was broadcast: the walk sums it back. dx[i] left NULL means zero. */
    void (*grad)(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx);
    unsigned saves; /* whose numbers grad reads: bit i for input i, GAN_SAVES_OUTPUT for y */
};
#define GAN_SAVES_INPUT(i) (1u << (i))
#define GAN_SAVES_OUTPUT   (1u << 31)
enum { GAN_MOST_SAVED = 31 }; /* of an op with more inputs (concat), those beyond are never read */

static inline bool gan_reads_input(const gan_op *op, int i)
{
    return i < GAN_MOST_SAVED && (op->saves & GAN_SAVES_INPUT(i));
}

/* ---- Context (memory.c) ---- */

enum { GAN_SIZE_CLASSES = 192, GAN_MESSAGE = 1024 };

struct gan_free_block {
    struct gan_free_block *next;
    size_t bytes;
};

struct gan_context {
    gan_config config;
    bool closed; /* gan_close was called; the last tensor frees the context */
    bool recording;
    bool walking, recording_outside; /* inside gan_grad: what gan_fail restores */
    uint64_t walk;                   /* number of the last walk */
    gan_random_state random;
    gan_share share;
    gan_ranks ranks; /* size 0: one process alone */
    int64_t exchanges;
    const gan_kernel_choice *choice;
    const gan_kernels *kernels;   /* the choice's */
    const gan_products *products; /* and its products, as precise as the context wants; NULL: OpenBLAS's */
    const gan_products *vectors;  /* for those that do not fill tiles; never NULL where products is not */
    struct gan_workers *workers;
    _Atomic bool cancelled;
    bool held; /* a cancel waits; changed between jobs only */
    gan_limits limits;
    double spent;                /* of limits.work */
    int64_t deadline;            /* CLOCK_MONOTONIC's nanoseconds; 0: none; changed between jobs only */
    int folder;                  /* a descriptor, GAN_ANY_FOLDER or GAN_NO_FOLDER */
    int64_t cancel_countdown;    /* in jobs, for specs */
    struct gan_profile *profile; /* NULL: nothing is timed */
    int tag;

    size_t live, peak, cap, allocated, tensors, fresh;
    int64_t fail_countdown;
    size_t recycled; /* bytes that wait in the free lists */
    struct gan_free_block *free_blocks[GAN_SIZE_CLASSES];

    gan_tensor **pool; /* entries may be NULL: taken out early */
    size_t pool_count, pool_capacity;
    char message[GAN_MESSAGE];
};

void gan_choose_kernels(gan_context *ctx, const gan_kernel_choice *choice);
/* Whether the time limit has passed (limits.c). */
bool gan_late(const gan_context *ctx);
/* Whether kernels are to return early. */
static inline bool gan_stopped(const gan_context *ctx)
{
    return (ctx->cancelled && !ctx->held) || (ctx->deadline && gan_late(ctx));
}
/* Fails as a stopped op does. */
_Noreturn void gan_fail_stopped(gan_context *ctx);
/* Operations of a product, and numbers that are gone through, that count as one instruction. */
enum { GAN_OPERATIONS = 512, GAN_NUMBERS = 8 };

/* A new tensor in the pool; its numbers are undefined. Fails on overflow, bad rank, no memory. */
gan_tensor *gan_new(gan_context *ctx, gan_shape shape);
/* A new tensor in the pool that shares t's numbers under another shape of as many elements. */
gan_tensor *gan_view(gan_tensor *t, gan_shape shape);
/* Makes y remember how it was made, when recording is on. Returns y. */
gan_tensor *gan_record(gan_tensor *y, const gan_op *op, gan_attributes at, int count, gan_tensor *const inputs[]);
#define GAN_RECORD(y, op, at, ...)                                                                                     \
    gan_record(y, op, at, (int)(sizeof((gan_tensor *[]){__VA_ARGS__}) / sizeof(gan_tensor *)),                         \
               (gan_tensor *[]){__VA_ARGS__})
static inline gan_tensor *gan_input(const gan_tensor *y, int i)
{
    return y->node->inputs[i].tensor;
}

/* Frees everything the pool got since the mark except the kept ones, which stay, in order, at the
 * mark. May fail (memory), with the pool as it was. */
void gan_pool_keep(gan_context *ctx, size_t mark, int count, gan_tensor *const kept[]);
/* Takes entry `place` out of the pool early. */
void gan_pool_drop(gan_context *ctx, size_t place);
/* Puts another reference of t into the pool. May fail (memory). */
void gan_pool_add(gan_tensor *t);
/* Frees y's node and what only it held, without recursion. */
void gan_drop_node(gan_tensor *y);

/* ---- Profiles (profile.c) ---- */

/* The time now, where there is a profile; and what has passed since, added to the node's row. */
double gan_profile_clock(const gan_context *ctx);
void gan_profile_add(gan_context *ctx, const gan_node *node, double since);

/* ---- Whole numbers ---- */

static inline int64_t gan_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t gan_most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
/* How many pieces of a size it takes. */
static inline int64_t gan_pieces(int64_t size, int64_t piece)
{
    return (size + piece - 1) / piece;
}

/* ---- Shapes (tensor.c) ---- */

/* Number of elements; fails for a bad rank, a negative size, or when bytes would overflow. */
int64_t gan_checked_numel(gan_context *ctx, gan_shape shape);
/* The shape two operands broadcast to; fails naming `what`. */
gan_shape gan_broadcast(gan_context *ctx, const char *what, gan_shape a, gan_shape b);
/* Fails unless 0 <= axis < rank. */
void gan_check_axis(gan_tensor *t, const char *what, int axis);
/* Fails unless t and u belong to one context. */
void gan_check_contexts(const char *what, gan_tensor *t, gan_tensor *u);
/* A tensor seen from one axis: outer blocks of `along` rows of `inner` numbers. */
typedef struct gan_rows {
    int64_t outer, along, inner;
} gan_rows;
gan_rows gan_rows_at(gan_shape shape, int axis);
/* shape's text in a compound literal that lives to the end of the enclosing block. */
#define GAN_TEXT(shape) gan_shape_text((shape), (char[GAN_SHAPE_TEXT]){0}, GAN_SHAPE_TEXT)

/* ---- Work shared among threads (parallel.c) ---- */

/* gan_parallel (gan.h), not stopped by a cancel: for what must not be left half done. */
void gan_parallel_whole(gan_context *ctx, int64_t count, int64_t grain, gan_job *job, void *work);
bool gan_workers_open(gan_context *ctx, int threads);
void gan_workers_close(gan_context *ctx);
/* Elements a thread should get at once in a memory-bound loop. */
enum { GAN_GRAIN = 1 << 15 };
/* Operations of a product that are worth a thread's waking up. */
#define GAN_WORTH_WAKING 3e6

/* ---- Products (matmul.c) ---- */

/* C = A B for each of a batch of matrices, A m x k, or k x m where it is transposed, B k x n or n x k,
 * C m x n, on all threads where that pays. Takes scratch memory; fails when cancelled. */
void gan_product(gan_context *ctx, bool ta, bool tb, int64_t batch, int64_t m, int64_t n, int64_t k, const gan_real *a,
                 const gan_real *b, gan_real *c);
/* The same for one matrix where n or k is 1, in float32 (thin.c); false, and nothing done, for others. */
bool gan_thin_product(gan_context *ctx, bool ta, int64_t m, int64_t n, int64_t k, const gan_real *a, const gan_real *b,
                      gan_real *c);
/* C[m x n] = A B + beta C, row-major with leading dimensions, on the calling thread. Cannot fail. */
void gan_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const gan_real *a, int64_t lda, const gan_real *b,
              int64_t ldb, gan_real beta, gan_real *c, int64_t ldc);
/* How many pieces of work to run beside each other around gan_gemm. */
int gan_gemm_slots(const gan_context *ctx);
/* What multiplies m x k by k x n, repeatedly where the depth comes in several runs of k: tiles where they are
 * well filled and the work is worth it, else vectors in float32. NULL: OpenBLAS. */
const gan_products *gan_products_for(const gan_context *ctx, int64_t m, int64_t n, int64_t k, int64_t repeats);
/* Rows of a packed panel for k rows of B, and numbers that B [k x n] takes when it is packed. */
int64_t gan_packed_rows(const gan_products *p, int64_t k);
size_t gan_packed(const gan_products *p, int64_t k, int64_t n);
/* The same as gan_gemm by a set's own kernel, for a packed B and beta 0, or 1 to add. Cannot fail. */
void gan_multiply(const gan_products *p, bool ta, int64_t m, int64_t n, int64_t k, const gan_real *a, int64_t lda,
                  const gan_real *packed, bool add, gan_real *c, int64_t ldc);

/* ---- Ranks (ranks.c) ---- */

static inline bool gan_is_shared(const gan_context *ctx)
{
    return ctx->ranks.size > 1;
}
/* Numbers become their sums over the ranks. Takes scratch memory; fails where the others are gone. */
void gan_sum_numbers(gan_context *ctx, int64_t count, gan_real *numbers);
_Noreturn void gan_fail_ranks(gan_context *ctx);

/* ---- What follows a product (finish.c) ---- */

/* Fails where gan_finish would, for an input of that shape that is made of `from`. */
void gan_check_finish(gan_tensor *from, gan_shape shape, gan_tensor *bias, double slope);
/* gan_finish's numbers for rows of c numbers, in place; on all threads. */
void gan_finish_rows(gan_context *ctx, int64_t rows, int64_t c, gan_real *x, const gan_real *bias, double slope);
/* gan_finish's node over x, which nothing else holds and whose numbers are finished already. */
gan_tensor *gan_finished(gan_tensor *x, gan_tensor *bias, double slope);

/* ---- Family members that another family's gradient needs ---- */

/* Fills y with x, repeated as x's shape broadcasts to y's. */
void gan_broadcast_copy(gan_tensor *y, const gan_tensor *x);
/* dy where x > 0, slope*dy elsewhere. */
gan_tensor *gan_leaky_relu_slope(gan_tensor *dy, gan_tensor *x, double slope);

#endif
