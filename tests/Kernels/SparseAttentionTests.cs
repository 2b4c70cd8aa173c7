using AttentionVariant;
using Conformance.Cases;
using Conformance.Gpu;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Autograd;

namespace Tests.Kernels;

/// <summary>Score modifications that know the sequence, and those whose visible keys are a union of intervals.</summary>
public sealed class SparseAttentionTests
{
    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Masks_of_several_intervals_equal_the_reference_forward_and_backward(string form)
    {
        foreach (float dropout in (float[])[0, 0.3f])
        {
            Check(form, [9, 0, 1, 30], new GlobalWindow(2, 3), dropout);
            Check(form, [23], new Blocks(5), dropout);
            Check(form, [31, 2], new EveryOtherBlock(3), dropout);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Masks_of_several_intervals_equal_the_reference_over_many_tiles(string form)
    {
        using Backend backend = Backends.Create(form, 2);
        int[] lengths = form == "gpu" ? [150, 0, 65] : [700, 0, 129];
        OpCheck.Run(new AttentionCase<GlobalWindow>(lengths, 1, 8, new GlobalWindow(3, 21)), backend);
        OpCheck.Run(new AttentionCase<Blocks>(lengths, 1, 8, new Blocks(17)), backend);
        OpCheck.Run(new AttentionCase<EveryOtherBlock>(lengths, 1, 8, new EveryOtherBlock(33)), backend);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_mask_of_documents_and_a_parameter_of_each_sequence_equal_the_reference(string form)
    {
        var documents = new DocumentTable([3, 5, 1], [], [1], [7, 2]);
        Check(form, documents.Lengths, documents.Here, 0, (backend, rent) => documents.On(backend, rent));
        ScoreTable scales = ScoreTable.Normal(3, 1);
        Check(form, [4, 0, 9], new SequenceScale(scales.Here), 0.2f, (backend, rent) => new SequenceScale(scales.On(backend, rent)));
        GC.KeepAlive(documents);
        GC.KeepAlive(scales);
    }

    [Fact]
    public void A_document_in_a_sequence_attends_as_it_does_alone()
    {
        var documents = new DocumentTable([70, 131], [5, 1, 40]);
        float[] together = Run([201, 46], documents.Here), alone = Run([70, 131, 5, 1, 40], default(NoModification));
        for (int i = 0; i < alone.Length; i++) Assert.Equal(alone[i], together[i], 2e-6f);
        GC.KeepAlive(documents);

        static float[] Run<TMod>(int[] lengths, TMod mod)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            using Backend backend = CpuBackend.Create(1);
            using var inputs = new BackendRun.Inputs(backend);
            Tensor qkv = inputs.Normal(lengths.Sum(), 24), y = inputs.Empty(lengths.Sum(), 8);
            backend.Run(new AttentionForward<TMod>(qkv, inputs.Arena.RentCuSeqlens(lengths), 2, mod, default, y));
            return inputs.Read(y);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_pairs_computed_are_at_most_a_tenth_more_than_the_visible_ones(bool backward)
    {
        const int Length = 4096;
        var documents = new DocumentTable([1024, 100, 1948, 1024]);
        Assert.InRange(Ratio(new GlobalWindow(64, 512), backward, Length), 1, 1.1);
        Assert.InRange(Ratio(new Blocks(512), backward, Length), 1, 1.1);
        Assert.InRange(Ratio(new EveryOtherBlock(256), backward, Length), 1, 1.1);
        Assert.InRange(Ratio(documents.Here, backward, Length), 1, 1.1);
        Assert.InRange(Ratio(default(Causal), backward, Length), 1, 1.1);
        // Without an answer of Keys the same mask costs all pairs.
        Assert.True(Ratio(default(AllKeys), backward, Length) > 3);
        GC.KeepAlive(documents);
    }

    private static unsafe double Ratio<TMod>(TMod mod, bool backward, int length)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        long pairs = 0;
        using Backend backend = CpuBackend.Create(1);
        using var inputs = new BackendRun.Inputs(backend);
        CuSeqlens borders = inputs.Arena.RentCuSeqlens([length]);
        var counted = new Counted<TMod>(mod, &pairs);
        Tensor qkv = inputs.Normal(length, 3), y = inputs.Empty(length, 1), lse = inputs.Empty(1, length);
        backend.Run(new AttentionForward<Counted<TMod>>(qkv, borders, 1, counted, lse, y));
        if (backward)
        {
            pairs = 0;
            backend.Run(new AttentionBackward<Counted<TMod>>(qkv, borders, 1, counted, lse, y, y, inputs.Empty(length, 3)));
        }

        double visible = 0;
        TMod ofSequence = TMod.ForSequence(mod, 0);
        for (int query = 0; query < length; query++)
            for (int key = 0; key < length; key++)
                if (TMod.Score<Float64>(ofSequence, 0.0, query, key).Value > double.NegativeInfinity) visible++;
        return pairs / visible;
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void On_a_GPU_tiles_that_the_mask_hides_are_skipped_forward_and_backward()
    {
        LongTests.SkipUnlessAsked();
        // Borders are those of tiles, so that what is computed is what is visible. Each of the three kernels multiplies tiles.
        const int Length = 768;
        long[] dense = Products(128, (_, _) => default(NoModification));
        Assert.Equal(3, dense.Length);
        var documents = new DocumentTable([256, 128, 384]);
        Assert.Equal(Of(dense, 4 + 1 + 9), Products(Length, documents.On));
        Assert.Equal(Of(dense, 18), Products(Length, (_, _) => new EveryOtherBlock(128)));
        Assert.Equal(Of(dense, 2 + (4 * 3) + 2), Products(Length, (_, _) => new Blocks(128)));
        // The block of the global token sees all; the others see its tile of 64, then their own 128 or 64 and one of 64 on each side.
        long[] global = Products(Length, (_, _) => new GlobalWindow(1, 64));
        Assert.InRange(global[0], dense[0] * (6 + (5 * 2)), dense[0] * (6 + (5 * 2.5)));

        static long[] Of(long[] dense, int squares) => [.. dense.Select(count => count * squares)];
    }

    /// <summary>The tensor cores' products in each kernel of a forward and a backward pass.</summary>
    private static long[] Products<TMod>(int length, Func<Backend, Rent, TMod> on)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        const int HeadSize = 32;
        var device = new InterpretedDevice();
        using Backend backend = new CudaBackend(device, DType.BF16);
        using var arena = new Arena(backend);
        CuSeqlens borders = arena.RentCuSeqlens([length]);
        Tensor qkv = Zeros(3 * HeadSize), y = Zeros(HeadSize), lse = arena.Rent(new Shape(1, length), DType.F32);
        TMod mod = on(backend, arena.Rent);
        backend.Run(new AttentionForward<TMod>(qkv, borders, 1, mod, lse, y));
        backend.Run(new AttentionBackward<TMod>(qkv, borders, 1, mod, lse, y, y, Zeros(3 * HeadSize)));
        return [.. device.Reports.Select(r => (long)r.Report.Count("mma")).Where(count => count > 0)];

        Tensor Zeros(int width)
        {
            Tensor tensor = arena.Rent(new Shape(length, width), DType.BF16);
            backend.Clear(tensor);
            return tensor;
        }
    }

    private static void Check<TMod>(string form, int[] lengths, TMod here, float dropout, Func<Backend, Rent, TMod>? on = null)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        const int Heads = 2, Size = 3;
        using var check = new GradientCheck(Backends.Create(form, 2));
        (Engine.Autograd.Variable qkv, double[] values) = check.Input("qkv", lengths.Sum(), 3 * Heads * Size);
        TMod mod = on is null ? here : on(check.Backend, check.Arena.Rent);
        Engine.Autograd.Variable y = new Engine.Autograd.Attention<TMod>(check.Parameters, Heads, mod, dropout)
            .Forward(check.Tape, qkv, check.Arena.RentCuSeqlens(lengths));
        var dropped = new AttentionMask(check.Random(0), dropout);
        check.Compare(y, () => Reference.Attention(values, lengths, Heads, Size, here, dropped).Result);
    }

    /// <summary>A narrow window that does not say so.</summary>
    private readonly struct AllKeys : IScoreModification<AllKeys>
    {
        public static T Score<T>(in AllKeys mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => T.IfLess(500f, T.Abs(query - key), float.NegativeInfinity, score);
    }
}
