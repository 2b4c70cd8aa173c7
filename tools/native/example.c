/* cc example.c -o example -L. -ldnabert2 -Wl,-rpath,'$ORIGIN' -lm && ./example ACGTTGCATTGACCA GGGATTTACCCATTG */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "dnabert2.h"

static int failed(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, dnabert2_last_error());
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    dnabert2_model model;
    int64_t count = argc - 1, hidden, tokens;
    if (dnabert2_load(NULL, 0, &model) != DNABERT2_OK) return failed("load");
    hidden = dnabert2_hidden_size(model);
    float *vectors = malloc(sizeof(float) * (size_t)(count * hidden));
    if (vectors == NULL) return EXIT_FAILURE;
    if (dnabert2_embed(model, (const char *const *)(argv + 1), count, vectors, count * hidden) != DNABERT2_OK) return failed("embed");
    for (int64_t i = 0; i < count; i++) {
        double product = 0, own = 0, first = 0;
        for (int64_t c = 0; c < hidden; c++) {
            product += (double)vectors[c] * vectors[i * hidden + c];
            own += (double)vectors[i * hidden + c] * vectors[i * hidden + c];
            first += (double)vectors[c] * vectors[c];
        }
        if (dnabert2_tokenize(model, argv[1 + i], NULL, 0, &tokens) != DNABERT2_OK) return failed("tokenize");
        printf("%s: %lld tokens, first number %.6f, cosine with the first %.4f\n", argv[1 + i], (long long)tokens,
               vectors[i * hidden], product / sqrt(own * first));
    }
    free(vectors);
    return dnabert2_free(model) == DNABERT2_OK ? EXIT_SUCCESS : failed("free");
}
