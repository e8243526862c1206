/* peaks.c - what this machine can do at most: GFLOP/s of fused multiply-adds on registers and of OpenBLAS's sgemm, with
 * so many threads. usage: peaks THREADS; prints one line of JSON. A benchmark's yardstick, no part of ganlua. */
#include <cblas.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CHAINS = 12, LINKS = 4000000, TURNS = 5, MOST_THREADS = 64, SIDE = 1024, PRODUCTS = 8 };

/* Seconds that this thread has computed: other programs do not count. */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Keeps a result, so that no compiler drops what led to it. */
static volatile float sink;

#if defined(__x86_64__)
/* Independent chains, each in a register of its own: more than an FMA's latency times the units that there are. */
#define EACH(do)                                                                                                       \
    do                                                                                                                 \
    (0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11)
#define FMA_LOOP(vector, set1, lanes)                                                                                  \
    vector x = set1(0.999f), y = set1(0.001f);                                                                         \
    EACH(BEGIN)                                                                                                        \
    for (long link = 0; link < LINKS; link++) {                                                                        \
        EACH(LINK)                                                                                                     \
    }                                                                                                                  \
    EACH(END)                                                                                                          \
    return 2e-9 * lanes * CHAINS * LINKS;

#define END(i) sink = sink + ((float *)&a##i)[0];
/* The empty statement keeps the compiler from working links out beforehand. */
#define LINK_WITH(i, fma)                                                                                              \
    a##i = fma(a##i, x, y);                                                                                            \
    __asm__ volatile("" : "+v"(a##i));

#define BEGIN(i) __m512 a##i = _mm512_set1_ps((float)i);
#define LINK(i)  LINK_WITH(i, _mm512_fmadd_ps)
__attribute__((target("avx512f"))) static double fma_avx512(void)
{
    FMA_LOOP(__m512, _mm512_set1_ps, 16)
}
#undef BEGIN
#undef LINK
#define BEGIN(i) __m256 a##i = _mm256_set1_ps((float)i);
#define LINK(i)  LINK_WITH(i, _mm256_fmadd_ps)
__attribute__((target("avx2,fma"))) static double fma_avx2(void)
{
    FMA_LOOP(__m256, _mm256_set1_ps, 8)
}
static double fma_gflop(void)
{
    return __builtin_cpu_supports("avx512f") ? fma_avx512() : __builtin_cpu_supports("fma") ? fma_avx2() : 0;
}
#else
static double fma_gflop(void)
{
    return 0; /* not measured here */
}
#endif

static double sgemm_gflop(void)
{
    size_t bytes = sizeof(float) * SIDE * SIDE;
    float *a = aligned_alloc(64, bytes), *b = aligned_alloc(64, bytes), *c = aligned_alloc(64, bytes);
    if (!a || !b || !c)
        return 0;
    for (int i = 0; i < SIDE * SIDE; i++)
        a[i] = b[i] = (float)(i % 7) * 0.1f;
    for (int i = 0; i < PRODUCTS; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1, a, SIDE, b, SIDE, 0, c, SIDE);
    sink = c[0];
    free(a);
    free(b);
    free(c);
    return 2e-9 * PRODUCTS * SIDE * (double)SIDE * SIDE;
}

struct turn {
    double (*work)(void);
    double rate;
};

static void *one_thread(void *argument)
{
    struct turn *turn = argument;
    double begin = now(), gflop = turn->work();
    turn->rate = gflop / (now() - begin);
    return NULL;
}

/* GFLOP/s on all threads together: the best of several turns. */
static double best(int threads, double (*work)(void))
{
    double most = 0;
    for (int i = 0; i < TURNS; i++) {
        struct turn turns[MOST_THREADS];
        pthread_t ids[MOST_THREADS];
        double rate = 0;
        for (int t = 0; t < threads; t++) {
            turns[t] = (struct turn){work, 0};
            if (pthread_create(&ids[t], NULL, one_thread, &turns[t]))
                return 0;
        }
        for (int t = 0; t < threads; t++) {
            pthread_join(ids[t], NULL);
            rate += turns[t].rate;
        }
        most = rate > most ? rate : most;
    }
    return most;
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > MOST_THREADS)
        return 2;
    openblas_set_num_threads(1);
    printf("{\"fma\": %.1f, \"sgemm\": %.1f, \"core\": \"%s\"}\n", best(threads, fma_gflop), best(threads, sgemm_gflop),
           openblas_get_corename());
    return 0;
}
