namespace Engine.Kernels;

/// <summary>
/// The embedding layer: <c>s[t] = word[id[t]] + type[typeId[t]]</c>, <c>y = LN(s)</c>. ids, type ids: [tokens]; word:
/// [vocabulary, width]; type: [types, width]; s, y: [tokens, width], which may be one; statistics as in <see cref="LayerNormRow"/>, or
/// null; position, null or [positions, width], and with it cuSeqlens: the row of a token's place in its sequence is added, too. Ids are
/// checked by the caller. Without type ids, all are 0.
/// </summary>
internal readonly unsafe struct EmbeddingJob<T>(
    int* ids, int* typeIds, float* word, float* type, float* weight, float* bias, float eps, float* s, float* y, float* statistics,
    float* position, int* cuSeqlens, int tokens, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(tokens, 1, worker, workers);
        int sequence = 0;
        for (int t = start; t < end; t++)
        {
            float* sum = s + ((long)t * width), typeRow = type + ((typeIds == null ? 0L : typeIds[t]) * width);
            Elementwise.Add<T>(word + ((long)ids[t] * width), typeRow, sum, width);
            if (position != null)
            {
                while (cuSeqlens[sequence + 1] <= t) sequence++;
                Elementwise.Add<T>(sum, position + ((long)(t - cuSeqlens[sequence]) * width), sum, width);
            }

            LayerNormRow.Normalise<T>(
                sum, y + ((long)t * width), width, weight, bias, eps, statistics == null ? null : statistics + (2L * t));
        }
    }
}

/// <summary>
/// The gradient of the embeddings: every row of dy is added to the rows that were gathered, in the order of the tokens whatever the
/// number of workers: each takes a range of columns. Either table may be null. Rows of the id <c>padding</c> are added to no word.
/// </summary>
internal readonly unsafe struct EmbeddingGradientJob<T>(
    int* ids, int* typeIds, float* dy, float* wordGradient, float* typeGradient, int padding, int tokens, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, T.Lanes, worker, workers);
        for (int t = 0; t < tokens; t++)
        {
            float* row = dy + ((long)t * width);
            if (wordGradient != null && ids[t] != padding) Add(wordGradient + ((long)ids[t] * width), row, start, end);
            if (typeGradient != null) Add(typeGradient + ((typeIds == null ? 0L : typeIds[t]) * width), row, start, end);
        }
    }

    private static void Add(float* table, float* row, int start, int end) =>
        Elementwise.Add<T>(table + start, row + start, table + start, end - start);
}
