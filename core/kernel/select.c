/* select.c - which kernel sets there are, and which of them this CPU runs. */
#include <string.h>

#include "kernel.h"

#if defined(__x86_64__)
static bool runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool runs_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

/* From the least to the best. */
static const struct set {
    const gan_kernels *kernels;
    bool (*runs)(void); /* NULL: everywhere */
} sets[] = {
    {&gan_kernels_portable, NULL},
#ifdef GAN_HAVE_AVX2
    {&gan_kernels_avx2, runs_avx2},
#endif
#ifdef GAN_HAVE_AVX512
    {&gan_kernels_avx512, runs_avx512},
#endif
};
enum { SETS = sizeof sets / sizeof sets[0] };

const char *gan_kernel_set_name(int i)
{
    return i >= 0 && i < SETS ? sets[i].kernels->name : NULL;
}

bool gan_runs_kernel_set(const char *name)
{
    return gan_find_kernels(name) != NULL;
}

const gan_kernels *gan_find_kernels(const char *name)
{
    for (int i = 0; i < SETS; i++)
        if (strcmp(name, sets[i].kernels->name) == 0)
            return !sets[i].runs || sets[i].runs() ? sets[i].kernels : NULL;
    return NULL;
}

const gan_kernels *gan_best_kernels(void)
{
    int i = SETS - 1;
    while (sets[i].runs && !sets[i].runs())
        i--;
    return sets[i].kernels;
}
