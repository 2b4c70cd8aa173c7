namespace Engine.Kernels;

/// <summary>
/// The embedding layer: <c>y[t] = LN(word[id[t]] + type[typeId[t]])</c>. ids, type ids: [tokens]; word: [vocabulary, width]; type:
/// [types, width]; y: [tokens, width]. Ids are checked by the caller. Without type ids, all are 0.
/// </summary>
internal readonly unsafe struct EmbeddingJob<TS, TV>(
    int* ids, int* typeIds, float* word, float* type, float* weight, float* bias, float eps, float* y, int tokens, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(tokens, 1, worker, workers);
        for (int t = start; t < end; t++)
        {
            float* row = y + ((long)t * width);
            float* typeRow = type + ((typeIds == null ? 0L : typeIds[t]) * width);
            Elementwise.Add<TS, TV>(word + ((long)ids[t] * width), typeRow, row, width);
            LayerNorm.Row<TS, TV>(row, width, weight, bias, eps);
        }
    }
}
