/*
 * DNABERT-2 from C: vectors, tokens and predictions of DNA sequences, by libdnabert2, which needs no .NET.
 *
 * Every function may be called from any thread, and one model from several at once. Functions that return int return 0, or a
 * dnabert2_status; dnabert2_last_error() then says what went wrong, in UTF-8, of the last call of the same thread. No argument leads to
 * a crash but a pointer that is neither null nor valid: a handle that was freed, or never was one, is an error.
 */
#ifndef DNABERT2_H
#define DNABERT2_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    DNABERT2_OK = 0,
    DNABERT2_BAD_ARGUMENT = 1, /* a null pointer, a wrong length, a handle that was freed */
    DNABERT2_BAD_DATA = 2,     /* no DNA, or a damaged file of a model */
    DNABERT2_IO = 3,           /* a file is missing or cannot be read */
    DNABERT2_FAILED = 4        /* anything else; no memory, for instance */
} dnabert2_status;

/* A loaded model; 0 is none. */
typedef uint64_t dnabert2_model;

/* The version of the library, such as "0.1.0". It stays as long as the library is loaded. */
const char *dnabert2_version(void);

/* What went wrong in the last call of this thread that failed; "" if none did. It stays until the next call of this thread. */
const char *dnabert2_last_error(void);

/*
 * Loads a model. folder: that of a model, an adapter or a run, in UTF-8; NULL: the small model that is part of the library.
 * threads: how many threads compute, 0 for one a core.
 */
int dnabert2_load(const char *folder, int32_t threads, dnabert2_model *model);

/* Frees a model, once calls that use it have returned. 0 is ignored. */
int dnabert2_free(dnabert2_model model);

/* The numbers of a vector of dnabert2_embed, or -1. */
int64_t dnabert2_hidden_size(dnabert2_model model);

/* The numbers that dnabert2_predict gives for a sequence: the classes of a fine-tuned model, 1 of a regression; 0 of a model that was
 * not fine-tuned; or -1. */
int64_t dnabert2_num_labels(dnabert2_model model);

/*
 * Vectors of sequences: the mean of the vectors of their tokens; long ones are embedded in overlapping pieces and never cut.
 * sequences: count texts of A, C, G, T, U, N and IUPAC codes in any case, each ended by a zero. vectors: [count][hidden size];
 * length: the floats that it has room for, which must be exactly these.
 */
int dnabert2_embed(dnabert2_model model, const char *const *sequences, int64_t count, float *vectors, int64_t length);

/*
 * The ids of a sequence's tokens, special ones included. ids: NULL, or room for capacity of them. count: how many there are; where that is
 * more than capacity, the first ones are written and DNABERT2_BAD_ARGUMENT is returned, unless ids is NULL.
 */
int dnabert2_tokenize(dnabert2_model model, const char *sequence, int32_t *ids, int64_t capacity, int64_t *count);

/* Probabilities of a fine-tuned model, or values of a regression: [count][number of labels]. */
int dnabert2_predict(dnabert2_model model, const char *const *sequences, int64_t count, float *outputs, int64_t length);

/* The name of a class, in UTF-8, or NULL. It stays until the next call of this thread. */
const char *dnabert2_label(dnabert2_model model, int64_t index);

#ifdef __cplusplus
}
#endif
#endif
