/* select.c - which instruction sets this CPU runs, asked once per context. */
#include <string.h>

#include "kernel.h"

static bool runs_avx2(void)
{
#ifdef GAN_HAVE_AVX2
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static bool runs_avx512(void)
{
#ifdef GAN_HAVE_AVX512
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

const gan_kernels *gan_find_kernels(const char *name)
{
    if (strcmp(name, "portable") == 0)
        return &gan_kernels_portable;
#ifdef GAN_HAVE_AVX2
    if (strcmp(name, "avx2") == 0 && runs_avx2())
        return &gan_kernels_avx2;
#endif
#ifdef GAN_HAVE_AVX512
    if (strcmp(name, "avx512") == 0 && runs_avx512())
        return &gan_kernels_avx512;
#endif
    return NULL;
}

const gan_kernels *gan_best_kernels(void)
{
    return gan_find_kernels(runs_avx512() ? "avx512" : runs_avx2() ? "avx2" : "portable");
}
