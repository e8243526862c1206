/* gan.h - the ganlua engine: tensors, gradients, and the mathematics of two networks.
 *
 * The concept. A tensor is a block of reals with a shape. Every function below that returns a
 * tensor is an op: it checks its arguments, allocates its result, computes, and (while recording
 * is on) remembers its inputs, so that gan_grad can later write the gradient of any scalar as a
 * composition of the same ops. Because gradients are made of ops, they have gradients too.
 *
 *     gan_context *ctx = gan_open(&(gan_config){.seed = 1, .on_fail = my_handler});
 *     gan_tensor *w = gan_retain(gan_randn(ctx, GAN_SHAPE(3, 1)));     // ours until gan_release
 *     gan_tensor *x = gan_randn(ctx, GAN_SHAPE(8, 3));                 // the pool's: no free needed
 *     gan_tensor *loss = gan_mean(gan_softplus(gan_matmul(x, w)), GAN_ALL_AXES, false);
 *     gan_tensor *slope;
 *     gan_grad(loss, 1, &w, &slope, NULL);                             // slope has the shape of w
 *     gan_pool_release(ctx, 0);                                        // frees x, loss, slope
 *     gan_release(w);
 *     gan_close(ctx);
 *
 * Memory layout. Tensors are contiguous and row-major, the last axis running fastest, of rank 0 to
 * 6. Images are N x H x W x C, convolution weights kh x kw x in x out. Axes count from 0 here.
 *
 * Ownership. The result of an op belongs to the context's pool until gan_pool_release takes it
 * back; gan_retain keeps it longer. Ops compose as nested expressions without frees.
 *
 * Errors. A function that is given something impossible calls the host's on_fail, which must not
 * return (it unwinds: longjmp, luaL_error). Checks come first, then allocation, then computing;
 * computing cannot fail. Nothing leaks: what was made so far is in the pool. "Fails" below means
 * this. The library never prints, exits, or touches signals.
 *
 * Threads. A context and its tensors belong to one thread at a time; several contexts may run in
 * several threads. Only gan_cancel may be called from anywhere. */
#ifndef GAN_H
#define GAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The core compiles twice: in float, which ships, and in double, against which it is proved. */
#ifdef GAN_DOUBLE
typedef double gan_real;
#else
typedef float gan_real;
#endif

#define GAN_MAX_RANK 6

typedef struct gan_context gan_context;
typedef struct gan_tensor gan_tensor;

typedef struct gan_shape {
    int rank;
    int64_t dims[GAN_MAX_RANK];
} gan_shape;

/* GAN_SHAPE(2, 3) is the shape 2x3; GAN_SCALAR is the shape of a single number. */
#define GAN_SHAPE(...) ((gan_shape){(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}})
#define GAN_SCALAR     ((gan_shape){0, {0}})

/* A set of axes, one bit each. */
typedef uint32_t gan_axes;
#define GAN_AXIS(i)  ((gan_axes)1 << (i))
#define GAN_ALL_AXES ((gan_axes)0x3f)

/* ---- Context -------------------------------------------------------------------------------- */

typedef enum gan_error {
    GAN_ERROR_ARGUMENT,  /* a wrong shape, value, or order of calls */
    GAN_ERROR_MEMORY,    /* the cap is reached or the system has no more; the host may free and retry */
    GAN_ERROR_IO,        /* a file is missing, damaged, or cannot be written */
    GAN_ERROR_CANCELLED, /* gan_cancel was called */
    GAN_ERROR_LIMIT,     /* gan_limit's work or time is used up */
} gan_error;

/* How exact the products of matrices and convolutions are, where the kernel set "amx" has a choice; the
 * other sets compute in float32 always. */
typedef enum gan_precision {
    GAN_PRECISION_DEFAULT, /* x = high + low in bf16, three products for one: errors as of float32, thrice as large */
    GAN_PRECISION_FLOAT32,
    GAN_PRECISION_BF16, /* one product in bf16: numbers are rounded to 8 bits first */
    GAN_PRECISIONS
} gan_precision;

typedef struct gan_config {
    int threads;       /* threads that compute; 0: one per core */
    size_t memory_cap; /* most bytes that may be live at once; 0: no cap */
    uint64_t seed;     /* of the random numbers */
    gan_precision precision;
    void (*on_fail)(void *user, gan_error kind, const char *message); /* must not return */
    void *user;
} gan_config;

/* Opens a context; NULL when out of memory. */
gan_context *gan_open(const gan_config *config);
/* Closes it. Tensors that somebody still retains stay readable until their gan_release; no op may
 * be called on them any more. Accepts NULL. */
void gan_close(gan_context *ctx);

/* The open folder that the context's files lie in (see io/gate.c), which it closes; or one of these. */
enum { GAN_ANY_FOLDER = -1, GAN_NO_FOLDER = -2 };
void gan_set_folder(gan_context *ctx, int folder);
int gan_folder(const gan_context *ctx);

/* Calls on_fail with a message formed as printf does. For the library and for hosts that add ops. */
_Noreturn void gan_fail(gan_context *ctx, gan_error kind, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* Asks the running op, and every later one, to fail with GAN_ERROR_CANCELLED until
 * gan_clear_cancel. Safe from any thread and from a signal handler. */
void gan_cancel(gan_context *ctx);
void gan_clear_cancel(gan_context *ctx);
/* While a cancel is held, ops end as if there were none; it takes effect when it is let go. For what must be
 * written whole. Returns whether it was held before. By the context's own thread. */
bool gan_hold_cancel(gan_context *ctx, bool hold);
/* For specs: the n-th kernel from now is cancelled as it starts. 0: none is, and what was cancelled so is cleared. */
void gan_cancel_after(gan_context *ctx, int64_t countdown);

/* Work is counted in about what one instruction of Lua takes, some nanoseconds of one core: a host counts its
 * instructions, the engine a few numbers that are read and written, or some hundred operations of a product. */
typedef struct gan_limits {
    double work;    /* 0: no limit */
    double seconds; /* 0: no limit */
} gan_limits;
/* Limits what is done from now on; once it is used up, ops fail with GAN_ERROR_LIMIT until this is called again. */
void gan_limit(gan_context *ctx, gan_limits limits);
/* Counts work; false once it is more than the limits allow, or the time is up. */
bool gan_count_work(gan_context *ctx, double work);
/* The same, and fails. */
void gan_spend(gan_context *ctx, double work);
/* Whether there is a limit of work or time. */
bool gan_is_limited(const gan_context *ctx);
/* Fails where the running op is to end: cancelled, or out of time. For what takes long outside kernels. */
void gan_check_stopped(gan_context *ctx);
/* What has been counted since gan_limit. */
double gan_work_done(const gan_context *ctx);
/* Which limit is reached, in words: "the time limit of 2 s is reached". Returns text. */
enum { GAN_LIMIT_TEXT = 80 };
const char *gan_limit_text(const gan_context *ctx, char *text, size_t size);

/* Hands the context to another host: config.on_fail and config.user from now on. */
void gan_set_on_fail(gan_context *ctx, void (*on_fail)(void *user, gan_error kind, const char *message), void *user);

int gan_threads(const gan_context *ctx);
/* The kernel set chosen for this CPU: "portable", "avx2", "avx512" or "amx". */
const char *gan_kernel_set(const gan_context *ctx);
/* Chooses it by name, for tests and comparisons; false when this build has no such set, or this CPU does
 * not run it. */
bool gan_set_kernel_set(gan_context *ctx, const char *name);
gan_precision gan_precision_of(const gan_context *ctx);
void gan_set_precision(gan_context *ctx, gan_precision precision);
/* The names of this build's kernel sets, for i from 0; NULL beyond. */
const char *gan_kernel_set_name(int i);
/* True when this build has the set and this CPU runs it. */
bool gan_runs_kernel_set(const char *name);

/* OpenBLAS's own threads are the process's, not a context's. A program that owns the process sets
 * them to 1 and lets contexts split the work; with more, contexts leave the splitting to OpenBLAS. */
void gan_set_blas_threads(int threads);

typedef struct gan_memory_info {
    size_t live;      /* bytes that tensors (and what the host charged) hold now */
    size_t peak;      /* the most they held at once since gan_open */
    size_t cap;       /* 0: none */
    size_t allocated; /* bytes ever handed out: grows only; a host paces its collector by it */
    size_t tensors;   /* how many tensors are alive */
    size_t fresh;     /* blocks ever asked of the system: stands still while all are recycled */
} gan_memory_info;
gan_memory_info gan_memory(const gan_context *ctx);
void gan_set_memory_cap(gan_context *ctx, size_t cap);
/* Counts bytes of the host's own (a Lua heap) against the cap. False, and nothing charged, when the
 * cap does not allow them. Releases with gan_uncharge. */
bool gan_charge(gan_context *ctx, size_t bytes);
void gan_uncharge(gan_context *ctx, size_t bytes);
/* Test hook: the countdown-th allocation from now, and every later one, fails; 0 turns it off. */
void gan_fail_allocations(gan_context *ctx, int64_t countdown);

/* ---- Work shared among the context's threads (parallel.c) ------------------------------------- */

typedef void gan_job(void *work, int64_t begin, int64_t end);
/* Calls job on [0, count) in pieces of `grain`, on all threads when there is more than one piece.
 * Pieces are independent of the number of threads. Runs with denormals flushed, rounding to
 * nearest, exceptions masked; restores the caller's state. Fails afterwards if cancelled. */
void gan_parallel(gan_context *ctx, int64_t count, int64_t grain, gan_job *job, void *work);

/* ---- Tensors and ownership ------------------------------------------------------------------ */

gan_tensor *gan_retain(gan_tensor *t); /* returns t */
void gan_release(gan_tensor *t);       /* the last release frees t and the graph it owns; NULL is fine */

/* The pool is a stack: whatever ops made since the mark is released at once. */
size_t gan_pool_mark(const gan_context *ctx);
void gan_pool_release(gan_context *ctx, size_t mark);

/* Bytes for working in, aligned to 64, contents undefined; the pool's, freed with it. */
void *gan_scratch(gan_context *ctx, size_t bytes);

gan_context *gan_context_of(const gan_tensor *t);
gan_shape gan_shape_of(const gan_tensor *t);
int gan_rank(const gan_tensor *t);
int64_t gan_dim(const gan_tensor *t, int axis);
int64_t gan_numel(const gan_tensor *t);
bool gan_same_shape(gan_shape a, gan_shape b);
/* Writes "2x3" (or "scalar") into text, at most size bytes with the final 0; returns text. */
#define GAN_SHAPE_TEXT 128
char *gan_shape_text(gan_shape shape, char *text, size_t size);

/* The numbers, for reading. Valid while the tensor is retained. */
const gan_real *gan_data(const gan_tensor *t);
/* The numbers, for writing: fails for a tensor that has a graph (only leaves change in place), and
 * marks every graph that saved this tensor as out of date. */
gan_real *gan_write(gan_tensor *t);
/* The only element of a tensor with one; fails for others. */
gan_real gan_item(const gan_tensor *t);
bool gan_is_leaf(const gan_tensor *t);
/* True when every element is finite. */
bool gan_all_finite(const gan_tensor *t);

/* ---- Recording and gradients ---------------------------------------------------------------- */

bool gan_recording(const gan_context *ctx);
/* Turns recording on or off; returns what it was. */
bool gan_set_recording(gan_context *ctx, bool on);

typedef struct gan_grad_options {
    gan_tensor *grad_output; /* what y's elements weigh; NULL: y is one number and weighs 1 */
    bool create_graph;       /* gradients are recorded, so that they can be differentiated */
    bool unused_zero;        /* a target that y does not depend on gets zeros; otherwise it fails */
    bool consume;            /* y's graph is freed as the walk goes; it cannot be walked again */
    bool over_ranks;         /* gradients are summed over the ranks, while the walk goes on; not with create_graph */
} gan_grad_options;
/* gradients[i] = d sum(y * grad_output) / d targets[i], in the pool. options may be NULL. */
void gan_grad(gan_tensor *y, int count, gan_tensor *const targets[], gan_tensor *gradients[],
              const gan_grad_options *options);

/* ---- Profiles (profile.c) ------------------------------------------------------------------- */

/* Time that gan_grad spent in the gradients of one op; tag: what gan_set_tag said when it was recorded. */
typedef struct gan_profile_row {
    const char *op;
    int tag;
    int64_t calls;
    double seconds;
} gan_profile_row;
/* From now on gradients are timed; false when out of memory. */
bool gan_profile_begin(gan_context *ctx);
void gan_profile_end(gan_context *ctx);
/* Writes at most `most` rows; returns how many there are. */
int gan_profile_rows(const gan_context *ctx, gan_profile_row *rows, int most);
/* What is recorded from now on belongs to `tag` (a layer's number, say); returns the tag until now. */
int gan_set_tag(gan_context *ctx, int tag);

/* ---- Making tensors ------------------------------------------------------------------------- */

gan_tensor *gan_zeros(gan_context *ctx, gan_shape shape);
gan_tensor *gan_full(gan_context *ctx, gan_shape shape, double value);
gan_tensor *gan_scalar(gan_context *ctx, double value);
/* Copies numel(shape) numbers; from == NULL leaves the contents for the caller to gan_write. */
gan_tensor *gan_from(gan_context *ctx, gan_shape shape, const gan_real *from);
gan_tensor *gan_arange(gan_context *ctx, double from, double to, double step); /* from <= x < to */
gan_tensor *gan_linspace(gan_context *ctx, double from, double to, int64_t count);
gan_tensor *gan_detach(gan_tensor *t); /* shares the numbers, has no graph */
gan_tensor *gan_copy(gan_tensor *t);   /* new numbers, has no graph */

/* Random numbers are counter-based (Philox 4x32-10, Salmon 2011): draw i is a function of seed,
 * stream and position alone, whatever the number of threads. */
typedef struct gan_random_state {
    uint64_t seed, stream, position;
} gan_random_state;
gan_random_state gan_get_random(const gan_context *ctx);
void gan_set_random(gan_context *ctx, gan_random_state state);
gan_tensor *gan_rand(gan_context *ctx, gan_shape shape);                   /* uniform in [0, 1) */
gan_tensor *gan_randn(gan_context *ctx, gan_shape shape);                  /* standard normal */
gan_tensor *gan_randint(gan_context *ctx, gan_shape shape, int64_t count); /* whole numbers from 0 to count - 1 */
uint64_t gan_random_bits(gan_context *ctx);                                /* 64 of them; one position */
/* A permutation of 0 .. count-1 in out, from state alone (the context's own state does not move). */
void gan_permutation(gan_random_state state, int64_t count, int64_t *out);

/* ---- Elementwise (elementwise.c) ------------------------------------------------------------- */
/* Two-input ops broadcast by numpy's rules: axes are matched from the last, a size of 1 repeats. */

gan_tensor *gan_add(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_sub(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_mul(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_div(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_affine(gan_tensor *x, double scale, double shift); /* scale*x + shift */
gan_tensor *gan_neg(gan_tensor *x);
gan_tensor *gan_pow(gan_tensor *x, double exponent);
/* x^exponent, broadcast; the gradient to the exponent is 0 where x <= 0. */
gan_tensor *gan_power(gan_tensor *x, gan_tensor *exponent);
gan_tensor *gan_exp(gan_tensor *x);
gan_tensor *gan_log(gan_tensor *x);
gan_tensor *gan_sqrt(gan_tensor *x);
gan_tensor *gan_square(gan_tensor *x);
gan_tensor *gan_sin(gan_tensor *x);
gan_tensor *gan_cos(gan_tensor *x);
gan_tensor *gan_tanh(gan_tensor *x);
gan_tensor *gan_erf(gan_tensor *x);
gan_tensor *gan_sigmoid(gan_tensor *x);
gan_tensor *gan_softplus(gan_tensor *x);                 /* log(1 + e^x), never overflows */
gan_tensor *gan_leaky_relu(gan_tensor *x, double slope); /* x > 0 ? x : slope*x */
gan_tensor *gan_relu(gan_tensor *x);
gan_tensor *gan_clamp(gan_tensor *x, double low, double high); /* gradient 1 inside, 0 outside; at the bounds 1 */
gan_tensor *gan_sign(gan_tensor *x);                           /* -1, 0 or 1; gradient 0 everywhere */
gan_tensor *gan_abs(gan_tensor *x);                            /* gradient sign(x) */
/* 1 where the relation holds, 0 elsewhere; constants: no gradient flows through. They broadcast. */
gan_tensor *gan_eq(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_lt(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_le(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_gt(gan_tensor *a, gan_tensor *b);
gan_tensor *gan_ge(gan_tensor *a, gan_tensor *b);
/* mask != 0 ? a : b, all three broadcast; no gradient to mask. */
gan_tensor *gan_where(gan_tensor *mask, gan_tensor *a, gan_tensor *b);

/* ---- Losses of one score (score.c) ------------------------------------------------------------ */
/* Elementwise functions of u = sign*x, sign 1 or -1; each one's value, slope and curvature are
 * computed in one pass. Any finite x gives a finite result, exponential's overflow excepted. */

gan_tensor *gan_score_logistic(gan_tensor *x, double sign, double target);      /* log(1 + e^u) - target*u */
gan_tensor *gan_score_hinge(gan_tensor *x, double sign, double margin);         /* max(0, margin + u) */
gan_tensor *gan_score_squared_hinge(gan_tensor *x, double sign, double margin); /* max(0, margin + u)^2 */
/* With v = margin + u: 0 where v <= 0, v^2/(2 margin) up to v = margin, then v - margin/2. margin > 0. */
gan_tensor *gan_score_smooth_hinge(gan_tensor *x, double sign, double margin);
gan_tensor *gan_score_square(gan_tensor *x, double target);                  /* (x - target)^2 / 2 */
gan_tensor *gan_score_parabola(gan_tensor *x, double bend);                  /* x + bend*x^2 */
gan_tensor *gan_score_exponential(gan_tensor *x, double sign, double shift); /* e^(u + shift) */
gan_tensor *gan_score_tanh(gan_tensor *x, double sign, double height);       /* height * tanh(u) */

/* ---- Reductions (reduce.c) ------------------------------------------------------------------- */
/* over: the axes that are reduced; keep: leave them with size 1 instead of removing them. */

gan_tensor *gan_sum(gan_tensor *x, gan_axes over, bool keep);
gan_tensor *gan_mean(gan_tensor *x, gan_axes over, bool keep);
gan_tensor *gan_var(gan_tensor *x, gan_axes over, bool keep); /* unbiased: divided by n - 1 */
gan_tensor *gan_max(gan_tensor *x, gan_axes over, bool keep); /* gradient to the first largest */
gan_tensor *gan_min(gan_tensor *x, gan_axes over, bool keep);
gan_tensor *gan_norm(gan_tensor *x, gan_axes over, bool keep); /* Euclidean; gradient 0 at 0 */
/* Place of the first largest, from 0, as a constant: along one axis, or over all of them in row-major order. */
gan_tensor *gan_argmax(gan_tensor *x, gan_axes over, bool keep);
gan_tensor *gan_sum_to(gan_tensor *x, gan_shape shape); /* the sum that undoes a broadcast from shape */
gan_tensor *gan_expand(gan_tensor *x, gan_shape shape); /* repeats sizes of 1, adds axes in front */

/* ---- Shape (shape.c) ------------------------------------------------------------------------- */

gan_tensor *gan_reshape(gan_tensor *x, gan_shape shape); /* shares the numbers; one size may be -1 */
gan_tensor *gan_permute(gan_tensor *x, gan_shape order); /* result axis i is x's axis order.dims[i] */
gan_tensor *gan_transpose(gan_tensor *x, int axis1, int axis2);
gan_tensor *gan_slice(gan_tensor *x, int axis, int64_t start, int64_t length);
gan_tensor *gan_pad(gan_tensor *x, int axis, int64_t before, int64_t after); /* with zeros */
gan_tensor *gan_concat(int count, gan_tensor *const parts[], int axis);
/* Slices of x along axis, in the order of indices (rank 1, whole numbers from 0, a constant). */
gan_tensor *gan_index(gan_tensor *x, int axis, gan_tensor *indices);
/* The adjoint: zeros with `size` places along axis, to which slice i of x is added at indices[i]. */
gan_tensor *gan_scatter_add(gan_tensor *x, int axis, gan_tensor *indices, int64_t size);

/* ---- Products (matmul.c, conv.c) -------------------------------------------------------------- */

/* Rank 2: [m x k] [k x n]; rank 3: a batch of them, [b x m x k] [b x k x n]. */
gan_tensor *gan_matmul(gan_tensor *a, gan_tensor *b);
/* The same with a or b transposed (its last two axes) without a copy. */
gan_tensor *gan_matmul_t(gan_tensor *a, bool transpose_a, gan_tensor *b, bool transpose_b);

/* The convolution triple, three faces of one trilinear form; x: N x H x W x in,
 * w: kh x kw x in x out, y: N x (H+2pad-kh)/stride+1 x ... x out. Each one's gradients are the
 * other two. conv2d_input is also a transposed convolution: gan_conv2d_input(x, w, H, W, ...). */
gan_tensor *gan_conv2d(gan_tensor *x, gan_tensor *w, int stride, int pad);
gan_tensor *gan_conv2d_input(gan_tensor *y, gan_tensor *w, int64_t height, int64_t width, int stride, int pad);
gan_tensor *gan_conv2d_weight(gan_tensor *x, gan_tensor *y, int64_t kernel_h, int64_t kernel_w, int stride, int pad);
/* gan_finish of the first two, in one pass where the kernel set can. */
gan_tensor *gan_conv2d_finish(gan_tensor *x, gan_tensor *w, int stride, int pad, gan_tensor *bias, double slope);
gan_tensor *gan_conv2d_input_finish(gan_tensor *y, gan_tensor *w, int64_t height, int64_t width, int stride, int pad,
                                    gan_tensor *bias, double slope);

/* ---- Normalisation (norm.c) ------------------------------------------------------------------ */

/* Mean and variance (divided by n) of each channel over all axes but the last: 2 x C, a constant. */
gan_tensor *gan_channel_moments(gan_tensor *x);
/* The same of the x of all ranks together, and in a third row of how many numbers: 3 x C. */
gan_tensor *gan_all_channel_moments(gan_tensor *x);
/* Ioffe & Szegedy 2015, in training: gamma * (x - mean) / sqrt(var + eps) + beta by channel, with
 * the batch's own moments, and where that is not above 0, times slope >= 0 (1: everywhere as it is).
 * gamma, beta: C. Fused; its gradient while recording is the composed one. moments:
 * gan_channel_moments(x), or NULL; gan_all_channel_moments(x): the batch is that of all ranks, for the gradient too. */
gan_tensor *gan_batch_norm(gan_tensor *x, gan_tensor *gamma, gan_tensor *beta, gan_tensor *moments, double eps,
                           double slope);

/* ---- What follows a product (finish.c) ------------------------------------------------------- */

/* x + bias (C, the last axis; or NULL), and where that is not above 0, times slope >= 0 (1: everywhere as it is). With
 * over, x's numbers are given up: the result may lie in their place, and x must not be used again. */
gan_tensor *gan_finish(gan_tensor *x, gan_tensor *bias, double slope, bool over);

/* ---- Compositions of the ops above (layer.c) -------------------------------------------------- */

gan_tensor *gan_linear(gan_tensor *x, gan_tensor *w, gan_tensor *b); /* x: N x in, w: in x out, b: out or NULL */
gan_tensor *gan_silu(gan_tensor *x);                                 /* x * sigmoid(x) */
gan_tensor *gan_gelu(gan_tensor *x);              /* x * Phi(x), exact (erf), Hendrycks & Gimpel 2016 */
gan_tensor *gan_elu(gan_tensor *x, double alpha); /* x > 0 ? x : alpha*(e^x - 1) */
gan_tensor *gan_softmax(gan_tensor *x, int axis);
gan_tensor *gan_log_softmax(gan_tensor *x, int axis);
/* Normalises each slice over the axes `over` to mean 0, variance 1. */
gan_tensor *gan_standardize(gan_tensor *x, gan_axes over, double eps);
gan_tensor *gan_upsample_nearest(gan_tensor *x, int scale);  /* N x H x W x C -> N x sH x sW x C */
gan_tensor *gan_upsample_bilinear(gan_tensor *x, int scale); /* pixel centres, as PyTorch's align_corners=false */
gan_tensor *gan_avg_pool(gan_tensor *x, int kernel); /* stride = kernel; what does not fill a window is left out */

/* ---- Ranks (ranks.c) --------------------------------------------------------------------------- */
/* Processes (ranks 0 to size - 1) that compute one thing together: each has the same parameters and its own rows of a
 * batch, and calls the same functions in the same order. A number is either the same on every rank, or a rank's own part
 * of a sum. Sums are added in the order of the ranks, in double: the same bytes on every rank, and in every run. */

/* Numbers of a sum that travelled together: seconds of the monotonic clock. What was handed over before `wanted`, when
 * the caller began to wait for the sum, travelled while it computed. */
typedef struct gan_travel {
    double sent, arrived, wanted;
    int64_t bytes; /* of this rank's own part */
} gan_travel;

/* How ranks exchange numbers; a host's. False: the others cannot be reached any more. */
typedef struct gan_ranks {
    int rank, size;
    void *user;
    /* Every rank's `bytes` bytes, in the order of ranks: size * bytes. */
    bool (*gather)(void *user, const void *own, void *all, size_t bytes);
    bool (*broadcast)(void *user, int from, void *bytes, size_t count); /* one rank's, to all */
    /* A list of numbers that is summed over the ranks while others are still computed: add() copies and returns at once,
     * sum() waits for all that was added, take() hands the sums out in the same order. reset() begins a new list. */
    void (*reset)(void *user);
    bool (*add)(void *user, const gan_real *numbers, int64_t count);
    bool (*sum)(void *user);
    void (*take)(void *user, gan_real *to, int64_t count);
    /* Notes what travels in sums, from now on or no more; and what was noted until then, its owner's. */
    void (*note)(void *user, bool on);
    const gan_travel *(*noted)(void *user, int *count);
    void (*end_all)(void *user, int code); /* ends all ranks, this one too */
    void (*close)(void *user);             /* waits until all ranks close */
} gan_ranks;

/* The context's ranks from now on, which it closes with itself; NULL is one process alone. */
void gan_set_ranks(gan_context *ctx, const gan_ranks *ranks);
const gan_ranks *gan_ranks_of(const gan_context *ctx);
/* How often the ranks have exchanged something: what failed after that cannot be tried again by one of them. */
int64_t gan_exchanges(const gan_context *ctx);
/* Every rank's bytes, and rank 0's; fail where the others are gone. Of one process alone: own, and nothing. */
void gan_gather(gan_context *ctx, const void *own, void *all, size_t bytes);
void gan_from_first(gan_context *ctx, void *bytes, size_t count);

/* Each rank's own x -> their sum, the same on every rank. Its gradient is spread(dy). */
gan_tensor *gan_all_sum(gan_tensor *x);
/* x, the same on every rank -> x, for each rank to compute its own part with. Its gradient is all_sum(dy). */
gan_tensor *gan_spread(gan_tensor *x);
/* Every tensor becomes its sum over the ranks, in place. */
void gan_all_sum_(int count, gan_tensor *const tensors[]);
/* Every tensor becomes what rank `from` has, in place; there they stay as they are, and may have a graph. */
void gan_broadcast_(int from, int count, gan_tensor *const tensors[]);

/* The rows of a batch of `total` that this rank computes, from `first`; count 0: all of them. Random numbers of a shape
 * whose first size is count (or stands to it as count to total) are then those rows of what one process would draw. */
typedef struct gan_share {
    int64_t first, count, total;
} gan_share;
void gan_set_share(gan_context *ctx, gan_share share);

/* ---- In place, for optimisers (optim.c) -------------------------------------------------------- */
/* They change leaves, are not recorded, and compute nothing unless every check has passed. */

void gan_copy_(gan_tensor *t, gan_tensor *from);           /* t = from, same shape */
void gan_add_(gan_tensor *t, gan_tensor *u, double scale); /* t += scale*u; u broadcasts to t */
void gan_mul_(gan_tensor *t, gan_tensor *u);               /* t *= u; u broadcasts to t */
void gan_fill_(gan_tensor *t, double value);
void gan_set_(gan_tensor *t, int64_t place, gan_tensor *u); /* t[place] = u along axis 0; u broadcasts to the slice */
void gan_clamp_(gan_tensor *t, double low, double high);
void gan_lerp_(gan_tensor *t, gan_tensor *u, double weight); /* t += weight*(u - t): an EMA of decay 1 - weight */

/* The Euclidean norm of all numbers of all tensors; infinite or NaN exactly where one of them is (floats: their squares
 * are summed in double). */
double gan_norm_of_all(int count, gan_tensor *const tensors[]);

typedef struct gan_adam_options {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled; /* weight decay as AdamW (Loshchilov 2019) instead of in the gradient */
    int64_t step;   /* counts from 1 */
} gan_adam_options;
/* Kingma & Ba 2015, over all parameters in one pass: p, m and v change. */
void gan_adam_(int count, gan_tensor *const p[], gan_tensor *const grad[], gan_tensor *const m[], gan_tensor *const v[],
               const gan_adam_options *options);
/* p -= lr*(g + decay*p), with momentum's buffer when velocity is not NULL (PyTorch's SGD). */
void gan_sgd_(int count, gan_tensor *const p[], gan_tensor *const grad[], gan_tensor *const velocity[], double lr,
              double momentum, double weight_decay);

/* ---- Measures of samples (measure.c, neighbours.c) ---------------------------------------------- */
/* A set of samples is n x d, finite: features of pictures, or points. Computed in double, without gradients; the number
 * of threads changes nothing. */

/* The Frechet distance of two normal distributions of the sets' means and covariances (divided by n - 1): |m_a - m_b|^2
 * + tr(A + B - 2 sqrt(A B)). At least 2 samples each. */
double gan_frechet(gan_tensor *a, gan_tensor *b);

typedef struct gan_estimate {
    double value, error; /* the standard error */
} gan_estimate;
/* The squared maximum mean discrepancy of the kernel (x.y/d + 1)^3, unbiased, over all pairs (Binkowski 2018); its error
 * is the jackknife's, which leaves out one sample after the other. At least 3 samples each. */
gan_estimate gan_kid(gan_tensor *a, gan_tensor *b);

/* The root of the mean, over directions (k x d, of any length), of the squared 2-Wasserstein distance of the sets'
 * shadows on a line in that direction. */
double gan_sliced_wasserstein(gan_tensor *a, gan_tensor *b, gan_tensor *directions);

/* The places (from 0) in b of the `count` samples that are nearest to each of a: n_a x count, nearest first, and their
 * Euclidean distances. self: a and b are one set, and no sample is its own neighbour. */
gan_tensor *gan_nearest(gan_tensor *a, gan_tensor *b, int64_t count, bool self, gan_tensor **distances);
/* Around each centre lies a ball that reaches as far as the k-th nearest of the other centres, without it. of_points: for
 * each point, in how many balls it lies; else for each ball, how many points lie in it. */
gan_tensor *gan_ball_counts(gan_tensor *centres, gan_tensor *points, int64_t k, bool of_points);

/* ---- Histograms (histogram.c) -------------------------------------------------------------------- */

typedef struct gan_histogram {
    int64_t count; /* of finite numbers, which the rest is about; all is 0 where there are none */
    double least, most, sum, squares;
} gan_histogram;
/* How the numbers of t are spread: into counts, how many lie in each of `buckets` intervals of equal width from the least
 * to the most, both included. */
gan_histogram gan_histogram_of(const gan_tensor *t, int64_t buckets, int64_t counts[]);

#endif
