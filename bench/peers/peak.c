/* The machine's peak: independent multiply-adds in registers, one loop per thread.
 * peak f32|bf16|i8 [threads] [seconds]   prints one JSON line; Gop/s counts a multiply-add as two. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS = 12, BLOCK = 1 << 20 };

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static double busy_seconds(void) {
    long long f[8] = {0};
    FILE *file = fopen("/proc/stat", "r");
    if (!file || fscanf(file, "cpu %lld %lld %lld %lld %lld %lld %lld %lld",
                        f, f + 1, f + 2, f + 3, f + 4, f + 5, f + 6, f + 7) != 8) return 0;
    fclose(file);
    return (f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) / 100.0;
}

/* Twelve independent accumulators cover the latency of two multiply-adds a cycle. Assembly, because a
 * compiler is free to keep an array of accumulators in memory. */
#define ONE(operation, r, c) operation " %%" r "15, %%" r "15, %%" r #c "\n\t"
#define LOOP(name, operation, r)                                                                                    \
    static void name(void) {                                                                                        \
        long count = BLOCK;                                                                                         \
        const int ones = 0x3f803f80; /* 1.0 as bf16, nearly so as fp32, no zeros as int8 */                         \
        __asm__ volatile("vpbroadcastd %1, %%" r "15\n\t"                                                           \
            "1:\n\t" ONE(operation, r, 0) ONE(operation, r, 1) ONE(operation, r, 2) ONE(operation, r, 3)            \
            ONE(operation, r, 4) ONE(operation, r, 5) ONE(operation, r, 6) ONE(operation, r, 7)                     \
            ONE(operation, r, 8) ONE(operation, r, 9) ONE(operation, r, 10) ONE(operation, r, 11)                   \
            "dec %0\n\tjnz 1b\n\t" : "+r"(count) : "m"(ones)                                                        \
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",                       \
              "xmm10", "xmm11", "xmm15", "cc");                                                                     \
    }

LOOP(loop_f32, "vfmadd231ps", "zmm")
LOOP(loop_f32_avx2, "vfmadd231ps", "ymm")
LOOP(loop_bf16, "vdpbf16ps", "zmm")
LOOP(loop_i8, "vpdpbusd", "zmm")

static void (*loop)(void);
static double limit;

static void *work(void *blocks) {
    double end = seconds() + limit;
    do { loop(); ++*(long *)blocks; } while (seconds() < end);
    return 0;
}

int main(int count, char **arguments) {
    const char *kind = count > 1 ? arguments[1] : "f32";
    int threads = count > 2 ? atoi(arguments[2]) : 2, lanes;
    limit = count > 3 ? atof(arguments[3]) : 0.5;
    if (!strcmp(kind, "f32") && __builtin_cpu_supports("avx512f")) loop = loop_f32, lanes = 16;
    else if (!strcmp(kind, "f32") && __builtin_cpu_supports("fma")) loop = loop_f32_avx2, lanes = 8;
    else if (!strcmp(kind, "bf16") && __builtin_cpu_supports("avx512bf16")) loop = loop_bf16, lanes = 32;
    else if (!strcmp(kind, "i8") && __builtin_cpu_supports("avx512vnni")) loop = loop_i8, lanes = 64;
    else return fprintf(stderr, "peak: no %s on this processor\n", kind), 1;
    if (threads < 1 || threads > 256) return fprintf(stderr, "peak: 1 to 256 threads\n"), 2;
    pthread_t ids[256];
    long blocks[256] = {0}, total = 0;
    loop();
    double busy = busy_seconds(), own = cpu_seconds(), start = seconds();
    for (int i = 0; i < threads; i++) pthread_create(ids + i, 0, work, blocks + i);
    for (int i = 0; i < threads; i++) pthread_join(ids[i], 0), total += blocks[i];
    double elapsed = seconds() - start;
    own = cpu_seconds() - own;
    double others = (busy_seconds() - busy - own) / (elapsed * threads);
    double operations = 2.0 * lanes * CHAINS * BLOCK * total;
    printf("{\"peer\": \"peak-%s\", \"what\": \"peak\", \"shape\": \"%d threads\", \"ms\": %.1f, \"gflops\": %.1f, "
           "\"gflops_per_core\": %.1f, \"others\": %.4f}\n",
           kind, threads, elapsed * 1e3, operations / elapsed / 1e9, operations / own / 1e9, others > 0 ? others : 0);
}
