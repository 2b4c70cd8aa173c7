using System.Numerics.Tensors;
using Engine.Kernels;

namespace Dnabert2.Embeddings;

/// <summary>The vector of one strand of a record: its chunks, pooled by their numbers of tokens.</summary>
internal sealed class PooledStrand(int width, Pooling pooling)
{
    private readonly float[] _sum = new float[width];
    private double _weight;

    /// <summary>Chunks that are on their way.</summary>
    public int Open { get; set; }

    public int Chunks { get; private set; }

    /// <summary>Tokens of the chunks, special ones not counted.</summary>
    public long Tokens { get; private set; }

    public void Add(ReadOnlySpan<float> pooled, int tokens, int special)
    {
        if (pooling == Pooling.Max && Chunks > 0) TensorPrimitives.Max(_sum, pooled, _sum);
        else TensorPrimitives.MultiplyAdd(pooled, pooling == Pooling.Max ? 1 : tokens, _sum, _sum);
        _weight += tokens;
        Tokens += tokens - special;
        Chunks++;
        Open--;
    }

    public float[] Finish()
    {
        if (pooling != Pooling.Max) TensorPrimitives.Divide(_sum, (float)_weight, _sum);
        return _sum;
    }
}
