/* memory.c - the context: bytes and their accounting, the pool, failing, and freeing graphs.
 *
 * Invariants:
 * 1. Every allocation of the engine goes through take_block(), so the cap and the fault hook see it.
 * 2. Blocks, of numbers, heads and nodes alike, are rounded up to size classes (four to a power of two) and recycled, so
 *    that a training step in its steady state asks the system for nothing.
 * 3. live counts blocks in use and the host's charges; blocks in the free lists are not live, and are given back to the
 *    system before the cap or the system refuses anything.
 * 4. Freeing walks a chain, never the C stack: a graph may be a million nodes long.
 * 5. A tensor has its numbers as long as something other than a node can reach it, a node's gradient
 *    reads them, or its own does; no longer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "op.h"

/* Whether the address sanitizer watches, in gcc's words and in clang's. */
#if defined(__SANITIZE_ADDRESS__)
#define WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED
#endif
#endif

/* What waits in a free list is nobody's to read or write: the sanitizer is told. */
#if defined(WATCHED)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(from, bytes)   ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(from, bytes) ((void)0)
#endif

enum { ALIGNMENT = 64, SMALLEST_CLASS_BITS = 6 };

/* ---- Blocks ---- */

/* The class of a size and, through *rounded, the size that all blocks of the class have. */
static int size_class(size_t bytes, size_t *rounded)
{
    if (bytes <= (size_t)1 << SMALLEST_CLASS_BITS) {
        *rounded = (size_t)1 << SMALLEST_CLASS_BITS;
        return 0;
    }
    int bits = 63 - __builtin_clzll((unsigned long long)(bytes - 1)); /* 2^bits < bytes <= 2^(bits+1) */
    /* No step is smaller than the smallest class: every size is a multiple of ALIGNMENT. */
    size_t quarter = (size_t)1 << (bits < SMALLEST_CLASS_BITS + 2 ? SMALLEST_CLASS_BITS : bits - 2);
    size_t quarters = (bytes - ((size_t)1 << bits) + quarter - 1) / quarter; /* 1..4 */
    *rounded = ((size_t)1 << bits) + quarters * quarter;
    return (bits - SMALLEST_CLASS_BITS) * 4 + (int)quarters;
}

/* Large blocks are the system's own pages: the C library would keep them when they are given back, in a heap that grows
 * to several times what is in use. The sanitizer must see every block. */
#if defined(WATCHED)
enum { PAGES_FROM = 1 << 30 };
#else
enum { PAGES_FROM = 1 << 19 };
#endif

static void *ask_system(size_t bytes)
{
    if (bytes < PAGES_FROM)
        return aligned_alloc(ALIGNMENT, bytes);
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    madvise(pages, bytes, MADV_HUGEPAGE); /* fewer faults where the system can; it need not */
    return pages;
}

static void give_system(void *block, size_t bytes)
{
    if (bytes < PAGES_FROM)
        free(block);
    else
        munmap(block, bytes);
}

/* Gives free blocks back to the system, the largest first, until blocks in use and free ones are at most so many
 * bytes together. */
static void trim(gan_context *ctx, size_t most)
{
    if (ctx->live + ctx->recycled <= most)
        return;
    for (int i = GAN_SIZE_CLASSES - 1; i >= 0; i--) {
        while (ctx->free_blocks[i] && ctx->live + ctx->recycled > most) {
            struct gan_free_block *block = ctx->free_blocks[i];
            ctx->free_blocks[i] = block->next;
            ctx->recycled -= block->bytes;
            ASAN_UNPOISON_MEMORY_REGION(block, block->bytes);
            give_system(block, block->bytes);
        }
    }
}

static void return_recycled(gan_context *ctx)
{
    trim(ctx, 0);
}

static bool may_allocate(gan_context *ctx)
{
    if (ctx->fail_countdown > 0 && --ctx->fail_countdown == 0)
        ctx->fail_countdown = -1; /* from now on everything fails */
    return ctx->fail_countdown >= 0;
}

bool gan_charge(gan_context *ctx, size_t bytes)
{
    if (ctx->cap && (bytes > ctx->cap || ctx->live > ctx->cap - bytes))
        return false;
    ctx->live += bytes;
    ctx->allocated += bytes;
    if (ctx->live > ctx->peak)
        ctx->peak = ctx->live;
    return true;
}

void gan_uncharge(gan_context *ctx, size_t bytes)
{
    ctx->live -= bytes;
}

/* Bytes in use and for reuse together: what was once needed at the same time, and some for sizes that change. */
static size_t most_kept(const gan_context *ctx)
{
    return ctx->peak + ctx->peak / 8 + ((size_t)8 << 20);
}

/* Of the free blocks that hold so many bytes, the smallest class: the block's own, or one of so many larger ones. NULL
 * where there is none. */
static struct gan_free_block **find_free(gan_context *ctx, int class, int larger)
{
    for (int i = class; i <= class + larger && i < GAN_SIZE_CLASSES; i++)
        if (ctx->free_blocks[i])
            return &ctx->free_blocks[i];
    return NULL;
}

/* A block of at least so many bytes, of their class or of so many larger ones; *rounded is how many it has. The fault
 * hook can refuse it. */
static void *take_block(gan_context *ctx, size_t bytes, int larger, size_t *rounded)
{
    if (bytes > (size_t)1 << 50) /* beyond the classes, and beyond any machine */
        return NULL;
    if (!may_allocate(ctx))
        return NULL;
    size_t peak = ctx->peak, allocated = ctx->allocated;
    struct gan_free_block **place = find_free(ctx, size_class(bytes, rounded), larger);
    if (place && gan_charge(ctx, (*place)->bytes)) {
        struct gan_free_block *block = *place;
        *place = block->next;
        *rounded = block->bytes;
        ctx->recycled -= *rounded;
        ASAN_UNPOISON_MEMORY_REGION(block, *rounded);
        return block;
    }
    if (!gan_charge(ctx, *rounded))
        return NULL;
    size_t most = most_kept(ctx);
    trim(ctx, ctx->cap && ctx->cap < most ? ctx->cap : most);
    void *fresh = ask_system(*rounded);
    if (!fresh) {
        return_recycled(ctx);
        fresh = ask_system(*rounded);
    }
    if (!fresh) {
        gan_uncharge(ctx, *rounded);
        ctx->peak = peak;
        ctx->allocated = allocated;
        return NULL;
    }
    ctx->fresh++;
    return fresh;
}

static void give_block(gan_context *ctx, void *data, size_t rounded)
{
    size_t again;
    int class = size_class(rounded, &again);
    gan_uncharge(ctx, rounded);
    struct gan_free_block *block = data;
    block->next = ctx->free_blocks[class];
    block->bytes = rounded;
    ctx->free_blocks[class] = block;
    ctx->recycled += rounded;
    ASAN_POISON_MEMORY_REGION(block + 1, rounded - sizeof *block);
    trim(ctx, most_kept(ctx));
}

/* Numbers take blocks up to half as large again, so that sizes that are not needed at the same time share blocks. */
enum { LARGER_FOR_NUMBERS = 2 };

/* A tensor's head, its storage's or a node: a block of its own class. */
static void *allocate(gan_context *ctx, size_t bytes)
{
    size_t rounded;
    return take_block(ctx, bytes, 0, &rounded);
}

static void give(gan_context *ctx, void *block, size_t bytes)
{
    size_t rounded;
    size_class(bytes, &rounded);
    give_block(ctx, block, rounded);
}

static void free_context(gan_context *ctx)
{
    return_recycled(ctx);
    free(ctx->pool);
    free(ctx);
}

/* ---- Opening, closing, failing ---- */

gan_context *gan_open(const gan_config *config)
{
    gan_context *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return NULL;
    ctx->config = *config;
    ctx->cap = config->memory_cap;
    ctx->folder = GAN_ANY_FOLDER;
    ctx->recording = true;
    ctx->random.seed = config->seed;
    gan_choose_kernels(ctx, gan_best_kernels());
    if (!gan_workers_open(ctx, config->threads)) {
        free(ctx);
        return NULL;
    }
    return ctx;
}

void gan_close(gan_context *ctx)
{
    if (!ctx)
        return;
    gan_pool_release(ctx, 0);
    gan_workers_close(ctx);
    gan_profile_end(ctx);
    gan_set_folder(ctx, GAN_NO_FOLDER);
    gan_set_ranks(ctx, NULL);
    ctx->closed = true;
    if (ctx->tensors == 0)
        free_context(ctx);
}

void gan_set_folder(gan_context *ctx, int folder)
{
    if (ctx->folder >= 0)
        close(ctx->folder);
    ctx->folder = folder;
}
int gan_folder(const gan_context *ctx)
{
    return ctx->folder;
}

void gan_set_on_fail(gan_context *ctx, void (*on_fail)(void *user, gan_error kind, const char *message), void *user)
{
    ctx->config.on_fail = on_fail;
    ctx->config.user = user;
}

_Noreturn void gan_fail(gan_context *ctx, gan_error kind, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ctx->message, sizeof ctx->message, format, arguments);
    va_end(arguments);
    if (ctx->walking) {
        ctx->walking = false;
        ctx->recording = ctx->recording_outside;
    }
    ctx->config.on_fail(ctx->config.user, kind, ctx->message);
    __builtin_trap(); /* on_fail returned: there is nothing sound left to do */
}

void gan_cancel(gan_context *ctx)
{
    ctx->cancelled = true;
}
void gan_clear_cancel(gan_context *ctx)
{
    ctx->cancelled = false;
}

bool gan_hold_cancel(gan_context *ctx, bool hold)
{
    bool before = ctx->held;
    ctx->held = hold;
    return before;
}

void gan_cancel_after(gan_context *ctx, int64_t countdown)
{
    ctx->cancel_countdown = countdown;
    if (countdown == 0)
        gan_clear_cancel(ctx);
}

gan_memory_info gan_memory(const gan_context *ctx)
{
    return (gan_memory_info){ctx->live, ctx->peak, ctx->cap, ctx->allocated, ctx->tensors, ctx->fresh};
}

void gan_set_memory_cap(gan_context *ctx, size_t cap)
{
    ctx->cap = cap;
}
void gan_fail_allocations(gan_context *ctx, int64_t countdown)
{
    ctx->fail_countdown = countdown;
}

static _Noreturn void out_of_memory(gan_context *ctx, size_t bytes)
{
    if (ctx->cap && (bytes > ctx->cap || ctx->live > ctx->cap - bytes))
        gan_fail(ctx, GAN_ERROR_MEMORY, "out of memory: %.1f MB wanted, %.1f MB in use, the cap is %.1f MB",
                 (double)bytes / 1e6, (double)ctx->live / 1e6, (double)ctx->cap / 1e6);
    gan_fail(ctx, GAN_ERROR_MEMORY, "out of memory: the system has no %.1f MB more (%.1f MB in use)",
             (double)bytes / 1e6, (double)ctx->live / 1e6);
}

/* ---- Tensors ---- */

/* Makes room for `more` pool entries. */
static void reserve_pool(gan_context *ctx, size_t more)
{
    if (ctx->pool_count + more <= ctx->pool_capacity)
        return;
    size_t capacity = 2 * (ctx->pool_count + more) + 64;
    gan_tensor **pool = may_allocate(ctx) ? realloc(ctx->pool, capacity * sizeof *pool) : NULL;
    if (!pool)
        out_of_memory(ctx, capacity * sizeof *pool);
    ctx->pool = pool;
    ctx->pool_capacity = capacity;
}

/* A header in the pool, without numbers. */
static gan_tensor *new_header(gan_context *ctx, gan_shape shape, int64_t numel, gan_storage *storage)
{
    gan_tensor *t = allocate(ctx, sizeof *t);
    if (!t)
        return NULL;
    *t = (gan_tensor){.ctx = ctx,
                      .references = 1,
                      .shape = shape,
                      .numel = numel,
                      .storage = storage,
                      .data = storage->data,
                      .version = storage->version};
    ctx->tensors++;
    ctx->pool[ctx->pool_count++] = t;
    return t;
}

static void release_storage(gan_storage *storage)
{
    if (--storage->references)
        return;
    give_block(storage->ctx, storage->data, storage->bytes);
    give(storage->ctx, storage, sizeof *storage);
}

/* A tensor in the pool whose storage has room for `bytes`. */
static gan_tensor *new_with_bytes(gan_context *ctx, gan_shape shape, int64_t numel, size_t bytes)
{
    reserve_pool(ctx, 1);
    gan_storage *storage = allocate(ctx, sizeof *storage);
    if (!storage)
        out_of_memory(ctx, bytes);
    *storage = (gan_storage){.ctx = ctx, .references = 1};
    storage->data = take_block(ctx, bytes, LARGER_FOR_NUMBERS, &storage->bytes);
    gan_tensor *t = storage->data ? new_header(ctx, shape, numel, storage) : NULL;
    if (!t) {
        if (storage->data)
            give_block(ctx, storage->data, storage->bytes);
        give(ctx, storage, sizeof *storage);
        out_of_memory(ctx, bytes);
    }
    gan_count_work(ctx, 8 + (double)bytes / (8 * sizeof(gan_real) * GAN_NUMBERS)); /* what follows asks for the sum */
    return t;
}

gan_tensor *gan_new(gan_context *ctx, gan_shape shape)
{
    int64_t numel = gan_checked_numel(ctx, shape);
    return new_with_bytes(ctx, shape, numel, (size_t)numel * sizeof(gan_real));
}

void *gan_scratch(gan_context *ctx, size_t bytes)
{
    if (bytes > PTRDIFF_MAX / 2)
        out_of_memory(ctx, bytes);
    return new_with_bytes(ctx, GAN_SCALAR, 0, bytes)->data;
}

gan_tensor *gan_view(gan_tensor *t, gan_shape shape)
{
    reserve_pool(t->ctx, 1);
    gan_tensor *view = new_header(t->ctx, shape, t->numel, t->storage);
    if (!view)
        out_of_memory(t->ctx, sizeof *view);
    t->storage->references++;
    return view;
}

static size_t node_bytes(int count)
{
    return sizeof(gan_node) + (size_t)count * sizeof(struct gan_input);
}

gan_tensor *gan_record(gan_tensor *y, const gan_op *op, gan_attributes at, int count, gan_tensor *const inputs[])
{
    gan_context *ctx = y->ctx;
    if (!ctx->recording)
        return y;
    size_t bytes = node_bytes(count);
    gan_node *node = allocate(ctx, bytes);
    if (!node)
        out_of_memory(ctx, bytes);
    node->op = op;
    node->at = at;
    node->count = count;
    node->tag = ctx->tag;
    for (int i = 0; i < count; i++) {
        node->inputs[i].tensor = gan_retain(inputs[i]);
        node->inputs[i].version = inputs[i]->storage->version;
        inputs[i]->idle += !gan_reads_input(op, i);
    }
    y->node = node;
    return y;
}

gan_tensor *gan_retain(gan_tensor *t)
{
    t->references++;
    return t;
}

/* Gives a tensor's numbers back where nobody can read them any more. */
static void shed(gan_tensor *t)
{
    if (t->references > t->idle || !t->storage || (t->node && (t->node->op->saves & GAN_SAVES_OUTPUT)))
        return;
    release_storage(t->storage);
    t->storage = NULL;
    t->data = NULL;
}

/* Puts the inputs that only this node held in front of the chain. */
static gan_tensor *free_node(gan_context *ctx, gan_node *node, gan_tensor *chain)
{
    for (int i = 0; i < node->count; i++) {
        gan_tensor *input = node->inputs[i].tensor;
        input->idle -= !gan_reads_input(node->op, i);
        if (--input->references == 0) {
            input->next = chain;
            chain = input;
        } else {
            shed(input);
        }
    }
    give(ctx, node, node_bytes(node->count));
    return chain;
}

static void free_chain(gan_tensor *chain)
{
    while (chain) {
        gan_tensor *t = chain;
        gan_context *ctx = t->ctx;
        chain = t->next;
        if (t->node)
            chain = free_node(ctx, t->node, chain);
        if (t->storage)
            release_storage(t->storage);
        give(ctx, t, sizeof *t);
        if (--ctx->tensors == 0 && ctx->closed)
            free_context(ctx);
    }
}

void gan_release(gan_tensor *t)
{
    if (!t)
        return;
    if (--t->references) {
        shed(t);
        return;
    }
    t->next = NULL;
    free_chain(t);
}

void gan_drop_node(gan_tensor *y)
{
    gan_node *node = y->node;
    y->node = NULL;
    y->consumed = true;
    free_chain(free_node(y->ctx, node, NULL));
}

/* ---- Pool ---- */

size_t gan_pool_mark(const gan_context *ctx)
{
    return ctx->pool_count;
}

void gan_pool_release(gan_context *ctx, size_t mark)
{
    while (ctx->pool_count > mark)
        gan_release(ctx->pool[--ctx->pool_count]);
}

void gan_pool_keep(gan_context *ctx, size_t mark, int count, gan_tensor *const kept[])
{
    reserve_pool(ctx, (size_t)count); /* the same tensor may be kept twice */
    for (int i = 0; i < count; i++)
        gan_retain(kept[i]);
    gan_pool_release(ctx, mark);
    for (int i = 0; i < count; i++)
        ctx->pool[ctx->pool_count++] = kept[i];
}

void gan_pool_drop(gan_context *ctx, size_t place)
{
    gan_tensor *t = ctx->pool[place];
    ctx->pool[place] = NULL;
    gan_release(t);
}

void gan_pool_add(gan_tensor *t)
{
    reserve_pool(t->ctx, 1);
    t->ctx->pool[t->ctx->pool_count++] = gan_retain(t);
}
