using AttentionVariant;
using Dnabert2.Benchmarking;
using Engine.Kernels;
using Engine.KernelCompiler;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Autograd;
using Tests.Cases;

namespace Tests.Gpu;

/// <summary>A score modification that no kernel was compiled for ahead; built with -p:Ilgpu=true only.</summary>
public sealed class OwnScoreModificationTests
{
    [Fact]
    public void A_modification_of_ones_own_is_compiled_while_the_program_runs_and_equals_the_reference()
    {
        using Backend backend = new CudaBackend(new InterpretedDevice());
        ScoreModificationCompiler.Compile<Ramp>(backend);
        foreach (int[] lengths in (int[][])[[1], [65, 0, 7], [130]])
            OpCheck.Run(new AttentionCase<Ramp>(lengths, 2, 8, new Ramp(0.3f)), backend);
        OpCheck.Run(new AttentionCase<Ramp>([9], 1, 5, new Ramp(2)), backend);
    }

    [Fact]
    public void Its_gradient_equals_central_differences_of_the_reference()
    {
        Backend backend = new CudaBackend(new InterpretedDevice());
        ScoreModificationCompiler.Compile<Ramp>(backend);
        using var check = new GradientCheck(backend);
        (Engine.Autograd.Variable qkv, double[] values) = check.Input("qkv", 12, 3 * 2 * 4);
        var borders = check.Arena.RentCuSeqlens([9, 3]);
        Engine.Autograd.Variable y = new Engine.Autograd.Attention<Ramp>(2, new Ramp(0.7f)).Forward(check.Tape, qkv, borders);
        check.Compare(y, () => Reference.Attention(values, [9, 3], 2, 4, new Ramp(0.7f)).Result);
    }

    [Fact]
    public void The_sample_is_compiled_with_dropout_too_and_equals_its_definition()
    {
        using Backend backend = new CudaBackend(new InterpretedDevice());
        ScoreModificationCompiler.Compile<DistanceDecay>(backend, dropout: true);
        AttentionErrors errors = AttentionCheck.Run(backend, new DistanceDecay(20), heads: 1);
        Assert.True(errors is { Forward: < 1e-5, Backward: < 1e-4 }, errors.ToString());
        OpCheck.Run(new AttentionCase<DistanceDecay>([9, 3], 1, 8, new DistanceDecay(4), dropout: 0.5f), backend);
    }

    [Fact]
    public void Without_it_and_on_the_CPU_a_sentence_says_what_is_missing()
    {
        using Backend gpu = new CudaBackend(new InterpretedDevice()), cpu = CpuBackend.Create(1);
        var op = new AttentionCase<Ramp>([3], 1, 8, new Ramp(1));
        Assert.Contains("«attention_ramp_f32»", Assert.Throws<NotSupportedException>(() => OpCheck.Run(op, gpu)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ScoreModificationCompiler.Compile<Ramp>(cpu));
        ScoreModificationCompiler.Compile<Ramp>(gpu);
        Assert.Contains("already", Assert.Throws<ArgumentException>(() => ScoreModificationCompiler.Compile<Ramp>(gpu)).Message, StringComparison.Ordinal);
    }

    /// <summary>Scores fall with the distance: <c>score / (1 + slope · |query − key|)</c>, with a slope of its own for each head.</summary>
    private readonly struct Ramp(float slope) : IScoreModification<Ramp>
    {
        private readonly float _slope = slope;

        public static Ramp ForHead(in Ramp mod, int head, int heads) => new(mod._slope * (head + 1));

        public static T Score<T>(in Ramp mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => score / T.MultiplyAdd(mod._slope, T.Abs(query - key), 1f);

        public static T Derivative<T>(in Ramp mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => 1f / T.MultiplyAdd(mod._slope, T.Abs(query - key), 1f);
    }
}
