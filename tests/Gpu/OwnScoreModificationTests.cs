using AttentionVariant;
using Conformance.Cases;
using Conformance.Gpu;
using Dnabert2.Benchmarking;
using Engine.KernelCompiler;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Autograd;
using Tests.Weights;

namespace Tests.Gpu;

/// <summary>Score modifications that no kernel was compiled for ahead.</summary>
[Trait("Category", "Slow")]
public sealed class OwnScoreModificationTests
{
    [Fact]
    public void A_modification_of_ones_own_is_compiled_while_the_program_runs_and_equals_the_reference()
    {
        using Backend backend = new CudaBackend(new InterpretedDevice());
        foreach (int[] lengths in (int[][])[[1], [65, 0, 7], [130]])
            OpCheck.Run(new AttentionCase<Ramp>(lengths, 2, 8, new Ramp(0.3f)), backend);
        OpCheck.Run(new AttentionCase<Ramp>([9], 1, 5, new Ramp(2)), backend);
    }

    [Fact]
    public void Its_gradient_equals_central_differences_of_the_reference()
    {
        Backend backend = new CudaBackend(new InterpretedDevice());
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
        AttentionErrors errors = AttentionCheck.Run(backend, new DistanceDecay(20), heads: 1);
        Assert.True(errors is { Forward: < 1e-5, Backward: < 1e-4 }, errors.ToString());
        OpCheck.Run(new AttentionCase<DistanceDecay>([9, 3], 1, 8, new DistanceDecay(4), dropout: 0.5f), backend);
    }

    [Fact]
    public void Without_a_compiler_a_sentence_says_what_is_missing()
    {
        Backend gpu = CudaDevices.TryOpen(
            new FakeDriver(), 0, out Backend? backend, out string? obstacle) ? backend : throw new InvalidOperationException(obstacle);
        using (gpu)
        {
            string message =
                Assert.Throws<NotSupportedException>(() => OpCheck.Run(new AttentionCase<Ramp>([3], 1, 8, new Ramp(1)), gpu)).Message;
            Assert.StartsWith("attention with Ramp is not among the kernels", message, StringComparison.Ordinal);
            Assert.Contains("CudaDevices.Open(compiler: new IlgpuKernelCompiler())", message, StringComparison.Ordinal);
            OpCheck.Run(new AttentionCase<Alibi>([3], 1, 8, default), gpu);
        }
    }

    [Fact]
    public void A_backend_of_the_driver_compiles_what_it_runs()
    {
        var compiler = new IlgpuKernelCompiler(TestKernels.Cache);
        Backend gpu = CudaDevices.TryOpen(new FakeDriver(), 0, out Backend? backend, out string? obstacle, compiler: compiler)
            ? backend : throw new InvalidOperationException(obstacle);
        using (gpu) OpCheck.Run(new AttentionCase<Ramp>([3], 1, 8, new Ramp(1)), gpu);
    }

    [Fact]
    public void Modifications_of_one_name_have_kernels_of_their_own()
    {
        string[] names = [ScoreModificationName<Ramp>.Value, ScoreModificationName<Other.Ramp>.Value,
            ScoreModificationName<Other.Scaled<Causal>>.Value, ScoreModificationName<Other.Scaled<Alibi>>.Value];
        Assert.Equal(4, names.Distinct().Count());
        Assert.All(names[..2], name => Assert.Matches("^ramp_[0-9a-f]{16}$", name));
        Assert.All(names[2..], name => Assert.Matches("^scaled_1_[0-9a-f]{16}$", name));
        Assert.Equal("slidingwindow", ScoreModificationName<SlidingWindow>.Value);
        using Backend backend = new CudaBackend(new InterpretedDevice());
        OpCheck.Run(new AttentionCase<Ramp>([9], 1, 8, new Ramp(0.5f)), backend);
        OpCheck.Run(new AttentionCase<Other.Ramp>([9], 1, 8, default), backend);
        OpCheck.Run(new AttentionCase<Other.Scaled<Causal>>([9], 1, 8, default), backend);
    }

    [Fact]
    public void What_was_compiled_is_found_on_disk_unless_it_is_damaged()
    {
        using var folder = new TempFolder();
        string entry = $"attention_{ScoreModificationName<Ramp>.Value}_f32";
        (CompiledKernel Kernel, byte[] Text) first = Compile(expected: 1), second = Compile(expected: 0);
        Assert.Equal(first.Text, second.Text);
        Assert.Equal(first.Kernel.Parameters, second.Kernel.Parameters);
        string file = Assert.Single(Directory.GetFiles(folder["cache"]));
        byte[] whole = File.ReadAllBytes(file);
        foreach (byte[] damaged in (byte[][])[[], whole[..(whole.Length / 2)], [.. whole[..200], (byte)~whole[200], .. whole[201..]]])
        {
            File.WriteAllBytes(file, damaged);
            Assert.Equal(first.Text, Compile(expected: 1).Text);
        }

        // Another kernel's content under its name.
        entry = entry.Replace("_f32", "_any_f32", StringComparison.Ordinal);
        Compile(expected: 1);
        File.Copy(file, Directory.GetFiles(folder["cache"], "*_any_f32-*").Single(), overwrite: true);
        Assert.Equal(entry, Compile(expected: 1).Kernel.Entry);
        Assert.Equal(2, Directory.GetFiles(folder["cache"]).Length);

        (CompiledKernel Kernel, byte[] Text) Compile(int expected)
        {
            var compiler = new IlgpuKernelCompiler(folder["cache"]);
            (CompiledKernel Kernel, byte[] Text) kernel = compiler.Compile<Ramp>(entry);
            Assert.Equal(expected, compiler.Compilations);
            return kernel;
        }
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_time_alone()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder["file"], "");
        foreach (string cache in (string[])[folder["file"], Path.Combine(folder["file"], "below"), ""])
        {
            var compiler = new IlgpuKernelCompiler(cache);
            Assert.NotEmpty(compiler.Compile<Other.Ramp>($"attention_{ScoreModificationName<Other.Ramp>.Value}_f32").Text);
            Assert.Equal(1, compiler.Compilations);
        }
    }

    [Fact]
    public void What_the_compiler_does_not_know_is_refused_by_name()
    {
        NotSupportedException fault = Assert.Throws<NotSupportedException>(
            () => new IlgpuKernelCompiler("").Compile<Other.Unknown>($"attention_{ScoreModificationName<Other.Unknown>.Value}_f32"));
        Assert.Contains("attention_unknown_", fault.Message, StringComparison.Ordinal);
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

    /// <summary>Modifications that have a name in common with others, and one that no kernel can have.</summary>
    private static class Other
    {
        public readonly struct Ramp : IScoreModification<Ramp>
        {
            public static T Score<T>(in Ramp mod, T score, T query, T key)
                where T : unmanaged, IReal<T>
                => score + (query - key);
        }

        public readonly struct Scaled<TInner> : IScoreModification<Scaled<TInner>>
            where TInner : unmanaged, IScoreModification<TInner>
        {
            public static T Score<T>(in Scaled<TInner> mod, T score, T query, T key)
                where T : unmanaged, IReal<T>
                => TInner.Score(default, score + score, query, key);
        }

        public readonly struct Unknown : IScoreModification<Unknown>
        {
            public static T Score<T>(in Unknown mod, T score, T query, T key)
                where T : unmanaged, IReal<T>
                => new List<T> { score }[0];
        }
    }
}
