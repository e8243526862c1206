/* select.c - which kernel sets there are, and which of them this CPU runs. */
#include <string.h>

#include "kernel.h"
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool runs_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

#ifdef GAN_HAVE_AMX
/* The kernel gives a process the tile registers when it is asked, and every thread started later has them. */
static bool runs_amx(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d, bf16_and_tiles = 1u << 22 | 1u << 24;
    return runs_avx512() && __builtin_cpu_supports("avx512bf16") && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (d & bf16_and_tiles) == bf16_and_tiles && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#endif
#endif

/* From the least to the best. */
static const gan_kernel_choice sets[] = {
#ifdef GAN_HAVE_AMX_EMULATED
    {"amx_emulated", NULL, &gan_kernels_portable, {&gan_products_amx_emulated, NULL, &gan_products_amx_emulated_bf16}},
#endif
    {"portable", NULL, &gan_kernels_portable, {NULL}},
#ifdef GAN_HAVE_AVX2
    {"avx2", runs_avx2, &gan_kernels_avx2, {&gan_products_avx2, &gan_products_avx2, &gan_products_avx2}},
#endif
#ifdef GAN_HAVE_AVX512
    {"avx512", runs_avx512, &gan_kernels_avx512, {&gan_products_avx512, &gan_products_avx512, &gan_products_avx512}},
#endif
#ifdef GAN_HAVE_AMX
    {"amx", runs_amx, &gan_kernels_avx512, {&gan_products_amx, &gan_products_avx512, &gan_products_amx_bf16}},
#endif
};
enum { SETS = sizeof sets / sizeof sets[0] };

const char *gan_kernel_set_name(int i)
{
    return i >= 0 && i < SETS ? sets[i].name : NULL;
}

bool gan_runs_kernel_set(const char *name)
{
    return gan_find_kernels(name) != NULL;
}

const gan_kernel_choice *gan_find_kernels(const char *name)
{
    for (int i = 0; i < SETS; i++)
        if (strcmp(name, sets[i].name) == 0)
            return !sets[i].runs || sets[i].runs() ? &sets[i] : NULL;
    return NULL;
}

const gan_kernel_choice *gan_best_kernels(void)
{
    int i = SETS - 1;
    while (sets[i].runs && !sets[i].runs())
        i--;
    return &sets[i];
}
