using System.Diagnostics.CodeAnalysis;
using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>
/// Memory that is handed out front to back and taken back all at once or down to a mark. It grows by whole storages; when it is next
/// empty these are joined into one of the size that was needed, so that a steady workload allocates nothing.
/// </summary>
/// <param name="backend">Where the memory lies.</param>
public sealed class Arena(Backend backend) : IScratch, IDisposable
{
    private const int Alignment = 64;
    private const long SmallestChunk = 1 << 20;
    private readonly List<Storage> _chunks = [];
    private int _chunk;
    private long _used;
    private long _before;

    /// <summary>The backend whose memory this is.</summary>
    public Backend Backend { get; } = backend;

    /// <summary>
    /// Whether it asks for pages of the ordinary size: for what is written once and read from end to end. Large ones would save some
    /// per cent of a pass of few tokens, but a virtual machine may take a second to come by half a gigabyte of them.
    /// </summary>
    internal bool OrdinaryPages { get; set; }

    /// <summary>The most bytes that were in use at one time.</summary>
    public long HighWater { get; private set; }

    /// <summary>Bytes it holds of its backend's memory, in use or not.</summary>
    public long Bytes
    {
        get
        {
            long bytes = 0;
            foreach (Storage chunk in _chunks) bytes += chunk.Bytes;
            return bytes;
        }
    }

    /// <summary>A tensor of uninitialised elements, valid until the arena is reset below it.</summary>
    public Tensor Rent(Shape shape, DType dtype)
    {
        long bytes = (shape.Count * dtype.Size() + Alignment - 1) / Alignment * Alignment;
        while (_chunk < _chunks.Count && _used + bytes > _chunks[_chunk].Bytes)
        {
            _before += _used;
            _used = 0;
            _chunk++;
        }

        if (_chunk == _chunks.Count) _chunks.Add(Backend.Allocate(Math.Max(bytes, Math.Max(SmallestChunk, _before / 2)), OrdinaryPages));
        var tensor = new Tensor(_chunks[_chunk], _used, shape, dtype);
        _used += bytes;
        HighWater = Math.Max(HighWater, _before + _used);
        return tensor;
    }

    /// <summary>The borders of packed sequences of these lengths.</summary>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    /// <param name="longestStep">What <see cref="CuSeqlens.Longest"/> is rounded up to a multiple of.</param>
    /// <exception cref="ArgumentException">There is no sequence, a length is negative, or the sum exceeds 2³¹ − 1.</exception>
    public CuSeqlens RentCuSeqlens(ReadOnlySpan<int> lengths, int longestStep = 1)
    {
        if (lengths.IsEmpty) throw new ArgumentException("a batch has at least one sequence", nameof(lengths));
        Span<int> borders = lengths.Length < 1024 ? stackalloc int[lengths.Length + 1] : new int[lengths.Length + 1];
        long total = borders[0] = 0;
        int longest = 0;
        double squaredLengths = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            total += lengths[i];
            if (lengths[i] < 0 || total > int.MaxValue)
                throw new ArgumentException($"sequence {i}: a length of {lengths[i]} tokens after {total - lengths[i]}", nameof(lengths));
            borders[i + 1] = (int)total;
            longest = Math.Max(longest, lengths[i]);
            squaredLengths += (double)lengths[i] * lengths[i];
        }

        Tensor tensor = Rent(new Shape(borders.Length), DType.I32);
        Backend.Upload<int>(borders, tensor);
        return new CuSeqlens(tensor, (int)total, (longest + longestStep - 1) / longestStep * longestStep, longest, squaredLengths);
    }

    /// <summary>The present position.</summary>
    public ArenaMark Mark() => new(_chunk, _used, _before);

    /// <summary>Takes back everything rented since the mark.</summary>
    public void Reset(ArenaMark mark) => (_chunk, _used, _before) = (mark.Chunk, mark.Used, mark.Before);

    /// <summary>Takes back everything.</summary>
    public void Reset()
    {
        Reset(default(ArenaMark));
        if (_chunks.Count <= 1) return;
        long total = HighWater;
        Free();
        _chunks.Add(Backend.Allocate(total, OrdinaryPages));
    }

    /// <summary>Returns the memory to the backend.</summary>
    public void Dispose()
    {
        Reset(default(ArenaMark));
        Free();
    }

    private void Free()
    {
        foreach (Storage chunk in _chunks) chunk.Dispose();
        _chunks.Clear();
    }
}

/// <summary>A position in an <see cref="Arena"/>.</summary>
[SuppressMessage("Performance", "CA1815:Override equals and operator equals on value types", Justification = "marks are not compared")]
public readonly struct ArenaMark
{
    internal ArenaMark(int chunk, long used, long before) => (Chunk, Used, Before) = (chunk, used, before);

    internal int Chunk { get; }

    internal long Used { get; }

    internal long Before { get; }
}
