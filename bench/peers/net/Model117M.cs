using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Peers;

/// <summary>The 117M shape, its inputs and its counts, as model117m.py has them.</summary>
internal static class Model117M
{
    public const int Vocabulary = 4096, Hidden = 768, Layers = 12, Heads = 12, HeadSize = Hidden / Heads, Intermediate = 3072;
    public const double Epsilon = 1e-12;
    public const int Pad = 3, Mask = 4;

    /// <summary>The bias of what is padding, which softmax makes 0 of.</summary>
    public const float NoScore = -1e30f;
    private const double LinearParameters = 113_246_208;
    private const double HeadParameters = (Hidden * Hidden) + (Vocabulary * Hidden);

    /// <summary>The timing input: [CLS], pseudo-random ordinary tokens, [SEP]; never padded.</summary>
    public static int[][] TimingRows(int batch, int length) => [.. Enumerable.Range(0, batch).Select(b =>
        Enumerable.Range(0, length).Select(t => Token(b, t, length)).ToArray())];

    private static int Token(int b, int t, int length)
    {
        if (t == 0) return 1;
        if (t == length - 1) return 2;
        uint u = unchecked(((uint)((b * length) + t) * 2654435761u) + 374761393u);
        return 5 + (int)((u >> 8) % (Vocabulary - 5));
    }

    /// <summary>Rows of ids, one a line.</summary>
    public static int[][] ReadIds(string path, int most = int.MaxValue) => [.. File.ReadLines(path).Take(most)
        .Select(line => line.Split(' ').Select(word => int.Parse(word, CultureInfo.InvariantCulture)).ToArray())];

    /// <summary>Rows with [PAD] behind them to the longest: [rows, length].</summary>
    public static long[] Padded(int[][] rows, out int length)
    {
        length = rows.Max(row => row.Length);
        var ids = new long[rows.Length * length];
        Array.Fill(ids, Pad);
        for (int b = 0; b < rows.Length; b++)
            for (int t = 0; t < rows[b].Length; t++) ids[(b * length) + t] = rows[b][t];
        return ids;
    }

    /// <summary>ALiBi: [heads, length, length].</summary>
    public static float[] Alibi(int length)
    {
        var bias = new float[Heads * length * length];
        int at = 0;
        foreach (float slope in Slopes())
            for (int i = 0; i < length; i++)
                for (int j = 0; j < length; j++) bias[at++] = -slope * Math.Abs(i - j);
        return bias;
    }

    private static IEnumerable<float> Slopes()
    {
        return PowerOfTwo(8).Concat(PowerOfTwo(16).Where((_, i) => i % 2 == 0).Take(Heads - 8));

        static IEnumerable<float> PowerOfTwo(int n)
        {
            double start = Math.Pow(2, -Math.Pow(2, -(Math.Log2(n) - 3)));
            return Enumerable.Range(1, n).Select(i => (float)Math.Pow(start, i));
        }
    }

    /// <summary>Mean over sequences of Σ_d ((d mod 7) − 3) · mean_t hidden[b, t, d], of hidden [rows, length, hidden].</summary>
    public static double Checksum(ReadOnlySpan<float> hidden, int[][] rows)
    {
        int length = hidden.Length / (rows.Length * Hidden);
        double total = 0;
        var mean = new double[Hidden];
        for (int b = 0; b < rows.Length; b++)
        {
            Array.Clear(mean);
            for (int t = 0; t < rows[b].Length; t++)
            {
                ReadOnlySpan<float> token = hidden.Slice(((b * length) + t) * Hidden, Hidden);
                for (int d = 0; d < mean.Length; d++) mean[d] += token[d];
            }

            for (int d = 0; d < mean.Length; d++) total += mean[d] / rows[b].Length * ((d % 7) - 3);
        }

        return Math.Round(total / rows.Length, 5);
    }

    public static double ForwardFlops(int[][] rows) => rows.Sum(row => ForwardFlops(row.Length));

    /// <summary>Forward and twice that for backward; the MLM head on masked positions only.</summary>
    public static double TrainingFlops(int[][] rows, int masked) => 3 * (ForwardFlops(rows) + (2 * HeadParameters * masked));

    private static double ForwardFlops(double length) =>
        (2 * LinearParameters * length) + (4 * length * Hidden * length * Layers);

    /// <summary>The tensors of a safetensors file: name and shape, and how its float32 bytes are read.</summary>
    public static IEnumerable<(string Name, long[] Shape, Action<Span<byte>> Read)> Tensors(string path)
    {
        using FileStream file = File.OpenRead(path);
        var size = new byte[8];
        file.ReadExactly(size);
        var text = new byte[MemoryMarshal.Read<long>(size)];
        file.ReadExactly(text);
        using var header = JsonDocument.Parse(text);
        foreach (JsonProperty tensor in header.RootElement.EnumerateObject().Where(tensor => tensor.Name != "__metadata__"))
        {
            long start = size.Length + text.Length + tensor.Value.GetProperty("data_offsets")[0].GetInt64();
            long[] shape = [.. tensor.Value.GetProperty("shape").EnumerateArray().Select(length => length.GetInt64())];
            yield return (tensor.Name, shape, bytes =>
            {
                file.Position = start;
                file.ReadExactly(bytes);
            }
            );
        }
    }
}
