using Conformance.Cases;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

internal sealed partial class BFloat16Checks
{
    /// <summary>
    /// Attention on tensor cores, and its gradient: errors at most twice those of <see cref="NaiveAttention"/> in the type, both against
    /// float64, and two runs that agree bit by bit. Returns the errors, each followed by the naive one.
    /// </summary>
    public string Attention<TMod>(int[] lengths, int heads, int headSize, TMod mod, bool gradient = true, float dropout = 0)
        where TMod : unmanaged, IScoreModification<TMod>
        => Attention(lengths, heads, headSize, mod, mod, gradient, dropout);

    /// <summary>That with relative biases, whose table is uploaded.</summary>
    public string RelativeAttention(int[] lengths, int headSize, RelativeTable table)
    {
        const int Heads = 1;
        var mod = new RelativeBias(new BiasTable(DeviceMemory.Address(Wide(table.Values.ToArray())), Heads, table.Values.Length));
        string errors = Attention(lengths, Heads, headSize, table.Here, mod, gradient: true, dropout: 0);
        GC.KeepAlive(table);
        return errors;
    }

    private string Attention<TMod>(int[] lengths, int heads, int headSize, TMod here, TMod mod, bool gradient, float dropout)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int tokens = lengths.Sum(), hidden = heads * headSize;
        var dropped = new AttentionMask(new Philox(0x9876543210, 3, 8), dropout);
        double[] qkv = Normal(tokens * 3 * hidden, 1), dy = Normal(tokens * hidden, 1);
        var exact = new NaiveAttention(tokens, heads, headSize, dropout: dropped);
        var naive = new NaiveAttention(tokens, heads, headSize, v => (float)(BFloat16)(float)v, dropped);
        exact.Run(qkv, dy, lengths, here);
        naive.Run(qkv, dy, lengths, here);
        AttentionResults first = Run(), second = Run();
        for (int i = 0; i < exact.LogSumExp.Length; i++)
            Check.Near(exact.LogSumExp[i], first.LogSumExp[i], 1e-5 * Math.Max(1, Math.Abs(exact.LogSumExp[i])), $"log-sum-exp {i}");
        Check.That(first.Y.AsSpan().SequenceEqual(second.Y), "two runs differ");
        string errors = Compare("y", exact.Y, naive.Y, first.Y, _ => true);
        if (!gradient) return errors;
        Check.That(first.DQkv.AsSpan().SequenceEqual(second.DQkv), "the gradients of two runs differ");
        foreach ((string name, int part) in ((string, int)[])[("dQ", 0), ("dK", 1), ("dV", 2)])
            errors += "; " + Compare(name, exact.DQkv, naive.DQkv, first.DQkv, i => i / hidden % 3 == part);
        return errors;

        AttentionResults Run()
        {
            Tensor input = Narrow(qkv),
                borders = _memory.Upload<int>([0, .. lengths.Select((_, i) => lengths[..(i + 1)].Sum())], DType.I32);
            TMod[] ofHeads = [.. Enumerable.Range(0, heads).Select(h => TMod.ForHead(mod, h, heads))];
            var mods = new HeadParameters(_memory.Upload(ofHeads, DType.U8), heads);
            Tensor y = _memory.Rent(DType.BF16, tokens, hidden), lse = _memory.Rent(DType.F32, heads, tokens);
            Tensor delta = _memory.Rent(DType.F32, heads, tokens), gradients = Narrow(dy);
            Tensor dqkv = _memory.Rent(DType.BF16, tokens, 3 * hidden), stream = _memory.Upload<uint>([0x76543210, 0x98, 3], DType.I32);
            float scale = (float)(1 / Math.Sqrt(headSize));
            Forward();
            if (gradient)
            {
                device.Launch(
                    GpuKernels.AttentionDelta.For(DType.BF16),
                    new() { Y = y, Dy = gradients, Delta = delta, Tokens = tokens, HeadSize = headSize }, (tokens + 7) / 8, heads);
                KeysValues();
                Queries();
            }

            return new(ReadNarrow(y), _memory.Read<float>(lse), gradient ? ReadNarrow(dqkv) : []);

            // Queries, keys or values within a tensor of all three.
            Tensor Part(Tensor tensor, int part) => tensor.Slice(part * hidden, new Shape((int)(tensor.Count - (part * hidden))));

            int Blocks(int rows) => (lengths.Max() + rows - 1) / rows;

            void Forward() => device.Launch(
                AttentionChoice<TMod>.Forward(DType.BF16, headSize, dropout > 0),
                new()
                {
                    Queries = Part(input, 0),
                    Keys = Part(input, 1),
                    Values = Part(input, 2),
                    CuSeqlens = borders,
                    KeyCuSeqlens = borders,
                    Mods = mods,
                    Sinks = default,
                    LogSumExp = lse,
                    Y = y,
                    HeadSize = headSize,
                    Tokens = tokens,
                    QueryStride = 3 * hidden,
                    KeyStride = 3 * hidden,
                    Group = 1,
                    Scale = scale,
                    RandomState = stream,
                    Threshold = dropped.Threshold,
                    KeptScale = dropped.Scale,
                    Site = 8,
                },
                Blocks(headSize <= 64 && dropout == 0 ? 128 : 64), heads, lengths.Length);

            void KeysValues() => device.Launch(
                AttentionChoice<TMod>.KeysValues(DType.BF16, headSize, dropout > 0),
                new()
                {
                    Queries = Part(input, 0),
                    Keys = Part(input, 1),
                    Values = Part(input, 2),
                    CuSeqlens = borders,
                    KeyCuSeqlens = borders,
                    Mods = mods,
                    LogSumExp = lse,
                    Delta = delta,
                    Dy = gradients,
                    DKeys = Part(dqkv, 1),
                    DValues = Part(dqkv, 2),
                    HeadSize = headSize,
                    Tokens = tokens,
                    QueryStride = 3 * hidden,
                    KeyStride = 3 * hidden,
                    Group = 1,
                    Scale = scale,
                    RandomState = stream,
                    Threshold = dropped.Threshold,
                    KeptScale = dropped.Scale,
                    Site = 8,
                },
                Blocks(64), heads, lengths.Length);

            void Queries() => device.Launch(
                AttentionChoice<TMod>.Queries(DType.BF16, headSize, dropout > 0),
                new()
                {
                    Queries = Part(input, 0),
                    Keys = Part(input, 1),
                    Values = Part(input, 2),
                    CuSeqlens = borders,
                    KeyCuSeqlens = borders,
                    Mods = mods,
                    LogSumExp = lse,
                    Delta = delta,
                    Dy = gradients,
                    DQueries = dqkv,
                    HeadSize = headSize,
                    Tokens = tokens,
                    QueryStride = 3 * hidden,
                    KeyStride = 3 * hidden,
                    Group = 1,
                    Scale = scale,
                    RandomState = stream,
                    Threshold = dropped.Threshold,
                    KeptScale = dropped.Scale,
                    Site = 8,
                },
                Blocks(64), heads, lengths.Length);
        }
    }

    private static string Compare(string name, double[] exact, double[] naive, float[] actual, Func<int, bool> chosen)
    {
        double largest = 0, largestNaive = 0, squares = 0, squaresNaive = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            if (!chosen(i)) continue;
            double error = Math.Abs(actual[i] - exact[i]), errorNaive = Math.Abs(naive[i] - exact[i]);
            Check.That(double.IsFinite(error), $"{name}, element {i} is {actual[i]}");
            (largest, largestNaive) = (Math.Max(largest, error), Math.Max(largestNaive, errorNaive));
            (squares, squaresNaive) = (squares + (error * error), squaresNaive + (errorNaive * errorNaive));
        }

        // Where the naive error is 0 (one token attends to itself), that of fp32 sums remains.
        const double Sums = 1e-5;
        Check.That(largest <= (2 * largestNaive) + Sums, $"{name}: the largest error is {largest:E2}, naively {largestNaive:E2}");
        double ratio = Math.Sqrt(squares / Math.Max(squaresNaive, double.Epsilon));
        Check.That(Math.Sqrt(squares) <= (2 * Math.Sqrt(squaresNaive)) + Sums, $"{name}: the error is {ratio:F2} times the naive one");
        return FormattableString.Invariant($"{name} {largest:E2}/{largestNaive:E2} rms {(squaresNaive > 0 ? ratio : 0):F2}");
    }

    private sealed record AttentionResults(float[] Y, float[] LogSumExp, float[] DQkv);
}
