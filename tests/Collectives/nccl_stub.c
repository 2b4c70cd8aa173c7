/* NCCL, played: notes each call in its form, and moves bytes between the ranks of one process, which are threads of it. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char internal[128]; } ncclUniqueId;
typedef struct { int rank, ranks; } communicator;
typedef struct message { int from, to; size_t bytes; char *data; struct message *next; } message;
typedef struct { void *address; size_t bytes; int peer; communicator *comm; } expected;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static message *first, *last;
static char calls[65536];
static size_t length;
static __thread expected receives[64];
static __thread int received;

static void note(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    length += vsnprintf(calls + length, sizeof calls - length, format, values);
    va_end(values);
}

/* What was called since the last time. */
int stub_calls(char *text, int size)
{
    pthread_mutex_lock(&lock);
    int n = (int)length < size ? (int)length : size;
    memcpy(text, calls, n);
    length = 0;
    pthread_mutex_unlock(&lock);
    return n;
}

const char *ncclGetErrorString(int result) { return result == 5 ? "invalid usage" : "unknown"; }

int ncclGetVersion(int *version) { *version = 21803; return 0; }

int ncclGetUniqueId(ncclUniqueId *id)
{
    for (int i = 0; i < 128; i++) id->internal[i] = (char)(3 * i + 1);
    return 0;
}

int ncclCommInitRank(communicator **comm, int ranks, ncclUniqueId id, int rank)
{
    int right = 1;
    for (int i = 0; i < 128; i++) right &= id.internal[i] == (char)(3 * i + 1);
    if (!right || rank < 0 || rank >= ranks || ranks > 8) return 5;
    *comm = malloc(sizeof(communicator));
    (*comm)->rank = rank;
    (*comm)->ranks = ranks;
    return 0;
}

int ncclCommAbort(communicator *comm)
{
    pthread_mutex_lock(&lock);
    note("%d abort\n", comm->rank);
    pthread_mutex_unlock(&lock);
    free(comm);
    return 0;
}

int ncclGroupStart(void) { received = 0; return 0; }

int ncclSend(const void *address, size_t count, int type, int peer, communicator *comm, void *stream)
{
    message *m = malloc(sizeof(message));
    pthread_mutex_lock(&lock);
    note("%d send %zu of type %d to %d on stream %zu\n", comm->rank, count, type, peer, (size_t)stream);
    *m = (message){ comm->rank, peer, count, malloc(count), NULL };
    memcpy(m->data, address, count);
    if (last) last->next = m; else first = m;
    last = m;
    pthread_cond_broadcast(&arrived);
    pthread_mutex_unlock(&lock);
    return peer == comm->rank ? 5 : 0;
}

int ncclRecv(void *address, size_t count, int type, int peer, communicator *comm, void *stream)
{
    pthread_mutex_lock(&lock);
    note("%d receive %zu of type %d from %d on stream %zu\n", comm->rank, count, type, peer, (size_t)stream);
    pthread_mutex_unlock(&lock);
    receives[received++] = (expected){ address, count, peer, comm };
    return 0;
}

int ncclGroupEnd(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < received; i++)
    {
        for (;;)
        {
            message *before = NULL, *m = first;
            for (; m && !(m->from == receives[i].peer && m->to == receives[i].comm->rank); m = m->next) before = m;
            if (!m) { pthread_cond_wait(&arrived, &lock); continue; }
            if (m->bytes != receives[i].bytes) abort();
            memcpy(receives[i].address, m->data, m->bytes);
            if (before) before->next = m->next; else first = m->next;
            if (last == m) last = before;
            free(m->data);
            free(m);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return 0;
}
