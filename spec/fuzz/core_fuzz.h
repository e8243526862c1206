/* core_fuzz.h - for targets that are core alone: a context whose failures come back to the target. */
#ifndef GANLUA_CORE_FUZZ_H
#define GANLUA_CORE_FUZZ_H

#include <setjmp.h>
#include <string.h>

#include "fuzz.h"
#include "gan.h"

static jmp_buf failed;

static void fuzz_on_fail(void *user, gan_error kind, const char *message)
{
    (void)user, (void)kind;
    if (!*message || strlen(message) > 1022) /* an error says something, and is not cut short */
        __builtin_trap();
    longjmp(failed, 1);
}

/* One context for all inputs; 64 MB. */
static gan_context *fuzz_context(void)
{
    static gan_context *ctx;
    if (!ctx)
        ctx = gan_open(&(gan_config){.threads = 1, .memory_cap = 64u << 20, .on_fail = fuzz_on_fail});
    return ctx;
}

/* Runs f(bytes, size) to its end or its failure; afterwards nothing may be left of it. Whether it came to its end. */
static bool fuzz_run(void (*f)(gan_context *, const uint8_t *, size_t), const uint8_t *bytes, size_t size)
{
    gan_context *ctx = fuzz_context();
    volatile bool done = false;
    if (setjmp(failed) == 0) {
        f(ctx, bytes, size);
        done = true;
    }
    gan_pool_release(ctx, 0);
    if (gan_memory(ctx).live != 0 || gan_memory(ctx).tensors != 0)
        __builtin_trap();
    return done;
}

#endif
