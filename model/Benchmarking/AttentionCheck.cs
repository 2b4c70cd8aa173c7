using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Benchmarking;

/// <summary>How far attention with a score modification is from its definition.</summary>
/// <param name="Forward">The largest error of the result, in units of its largest magnitude (at least 1).</param>
/// <param name="Backward">That of the gradient of qkv.</param>
public readonly record struct AttentionErrors(double Forward, double Backward);

/// <summary>
/// Holds attention with any score modification, one's own too, against plain loops in float64 over the same source, and its gradient
/// against central differences of those. Errors of about 1e-6 are those of fp32; a wrong <c>Derivative</c> or <c>Keys</c> shows as one of
/// 1e-2 or more.
/// </summary>
public static class AttentionCheck
{
    private const double Step = 1e-5;

    /// <summary>
    /// Checks a modification on small sequences: an empty one, one token, and more than the tiles of either backend hold.
    /// </summary>
    /// <typeparam name="TMod">The modification.</typeparam>
    /// <param name="backend">Where to compute; on a GPU, the modification was compiled before.</param>
    /// <param name="mod">
    /// Its parameters; a table that it looks up is in the memory of this process, so the backend is on the CPU then.
    /// </param>
    /// <param name="heads">Heads.</param>
    public static AttentionErrors Run<TMod>(Backend backend, TMod mod, int heads = 2)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        const int HeadSize = 8;
        AttentionErrors small = Run(backend, mod, heads, HeadSize, [7, 0, 1, 5], everyElement: true);
        AttentionErrors large = Run(backend, mod, heads, HeadSize, [210, 65], everyElement: false);
        return new(Math.Max(small.Forward, large.Forward), Math.Max(small.Backward, large.Backward));
    }

    private static AttentionErrors Run<TMod>(Backend backend, TMod mod, int heads, int headSize, int[] lengths, bool everyElement)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int tokens = lengths.Sum(), width = 3 * heads * headSize;
        using Arena activations = new(backend), gradients = new(backend);
        var tape = Tape.ForTraining(activations, gradients);
        double[] x = Normal(tokens * width, site: 1), weights = Normal(tokens * width / 3, site: 2);
        Variable qkv = tape.Track(Upload(x, tape.Rent(tokens, width, DType.F32)));
        Variable y = new Attention<TMod>(heads, mod).Forward(tape, qkv, activations.RentCuSeqlens(lengths));
        double forward = Error(Reference(x, lengths, heads, headSize, mod), Read(y.Data));
        tape.Backward(y, Upload(weights, tape.RentGradient(y.Data.Shape, DType.F32)));
        float[] dx = Read(tape.GradientOf(qkv));
        if (everyElement) return new(forward, Error([.. x.Select((_, i) => Difference(i, i + 1))], dx));
        // Along one direction: all of them would take minutes.
        double[] direction = Normal(x.Length, site: 3);
        double expected = Difference(0, x.Length, direction), actual = dx.Zip(direction, (d, v) => d * v).Sum();
        return new(forward, Math.Abs(expected - actual) / Math.Max(1, Math.Sqrt(dx.Sum(d => (double)d * d))));

        double Difference(int first, int end, double[]? along = null)
        {
            double Loss(double step)
            {
                var moved = (double[])x.Clone();
                for (int i = first; i < end; i++) moved[i] += step * (along?[i] ?? 1);
                return Reference(moved, lengths, heads, headSize, mod).Zip(weights, (v, w) => v * w).Sum();
            }

            return (Loss(Step) - Loss(-Step)) / (2 * Step);
        }

        Tensor Upload(double[] values, Tensor tensor)
        {
            backend.Upload<float>(Array.ConvertAll(values, v => (float)v), tensor);
            return tensor;
        }

        float[] Read(Tensor tensor)
        {
            var values = new float[tensor.Count];
            backend.Download<float>(tensor, values);
            return values;
        }
    }

    /// <summary>softmax(mod(Q Kᵀ / sqrt(d))) V for each sequence and head; [tokens, heads · headSize].</summary>
    private static double[] Reference<TMod>(double[] qkv, int[] lengths, int heads, int headSize, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int hidden = heads * headSize, start = 0;
        var y = new double[qkv.Length / 3];
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            int length = lengths[sequence];
            for (int head = 0; head < heads; head++)
            {
                TMod ofHead = TMod.ForSequence(TMod.ForHead(mod, head, heads), sequence);
                for (int query = 0; query < length; query++) Query(head, query, length, ofHead);
            }

            start += length;
        }

        return y;

        void Query(int head, int query, int length, TMod ofHead)
        {
            int row = start + query, column = head * headSize;
            var scores = new double[length];
            for (int key = 0; key < length; key++)
            {
                double dot = 0;
                for (int d = 0; d < headSize; d++)
                    dot += qkv[(row * 3 * hidden) + column + d] * qkv[((start + key) * 3 * hidden) + hidden + column + d];
                scores[key] = TMod.Score<Float64>(ofHead, dot / Math.Sqrt(headSize), query, key).Value;
            }

            double maximum = scores.Max();
            if (double.IsNegativeInfinity(maximum)) return;
            double sum = scores.Sum(s => Math.Exp(s - maximum));
            for (int key = 0; key < length; key++)
                for (int d = 0; d < headSize; d++)
                    y[(row * hidden) + column + d] += Math.Exp(scores[key] - maximum) / sum
                        * qkv[((start + key) * 3 * hidden) + (2 * hidden) + column + d];
        }
    }

    private static double[] Normal(int count, uint site)
    {
        var values = new float[count];
        new Philox(23, 0, site).FillNormal(values, 1);
        return Array.ConvertAll(values, v => (double)v);
    }

    private static double Error(double[] expected, float[] actual)
    {
        double scale = Math.Max(1, expected.Max(Math.Abs)), error = 0;
        // NaN is larger than any.
        for (int i = 0; i < expected.Length; i++) error = Math.Max(error, Math.Abs(expected[i] - actual[i]) / scale);
        return error;
    }
}
