using System.Text;
using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>Products of four warps on hand-laid tiles, and kernels with one planted fault each.</summary>
public class WarpgroupTests
{
    private const int M = 64, N = 64, K = 16, TileBytes = 8192;

    private static readonly string Sums = string.Join(", ", Enumerable.Range(0, N / 2).Select(i => $"%f{i}"));

    private static string Multiply(int left, int right) =>
        $"wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {{{Sums}}}, %rd3, %rd4, %p1, 1, 1, {left}, {right};";

    /// <summary>
    /// Copies the two images to shared memory, multiplies and writes every register; descriptors come without addresses, which lie in their
    /// lowest bits.
    /// </summary>
    private static string Body(int left, int right)
    {
        var body = new StringBuilder("""
            	mul.wide.u32 %rd10, %r0, 16;
            	add.u64 %rd11, %rd0, %rd10;
            	add.u64 %rd12, %rd1, %rd10;
            	cvt.u32.u64 %r1, %rd10;
            	mov.u32 %r2, left;
            	mov.u32 %r4, right;
            	add.u32 %r3, %r2, %r1;
            	add.u32 %r5, %r4, %r1;

            """);
        for (int at = 0; at < TileBytes; at += 2048)
            foreach ((string from, string to) in ((string, string)[])[("%rd11", "%r3"), ("%rd12", "%r5")])
                body.Append(
                    $"\tld.global.v4.b32 {{%r10, %r11, %r12, %r13}}, [{from}+{at}];\n\tst.shared.v4.b32 [{to}+{at}], "
                    + $"{{%r10, %r11, %r12, %r13}};\n");
        body.Append("\tfence.proxy.async.shared::cta;\n\tbar.sync 0;\n\tsetp.eq.u32 %p1, 0, 0;\n");
        foreach ((string tile, string descriptor) in ((string, string)[])[("%r2", "%rd3"), ("%r4", "%rd4")])
            body.Append($"\tshr.u32 %r6, {tile}, 4;\n\tcvt.u64.u32 %rd13, %r6;\n\tadd.u64 {descriptor}, {descriptor}, %rd13;\n");
        for (int i = 0; i < N / 2; i++) body.Append($"\tmov.f32 %f{i}, 0f3F800000;\n");
        body.Append(
            $"\twgmma.fence.sync.aligned;\n\t{Multiply(left, right)}\n\twgmma.commit_group.sync.aligned;\n\twgmma.wait_group.sync.aligned "
            + "0;\n");
        body.Append($"\tmul.wide.u32 %rd14, %r0, {N / 2 * 4};\n\tadd.u64 %rd15, %rd2, %rd14;\n");
        for (int i = 0; i < N / 2; i++) body.Append($"\tst.global.f32 [%rd15+{i * 4}], %f{i};\n");
        return body.ToString();
    }

    private static float[] Run(string body, byte[] left, byte[] right, ulong leftDescriptor, ulong rightDescriptor, int threads = 128)
    {
        var machine = new PtxMachine { InstructionBudget = 1_000_000 };
        PtxBuffer result = machine.Allocate(threads * N / 2 * 4);
        string text =
            PtxText.Kernel(5, body, $"\t.shared .align 1024 .b8 left[{TileBytes}];\n\t.shared .align 1024 .b8 right[{TileBytes}];");
        PtxText.Run(text, machine, threads, machine.Allocate(left), machine.Allocate(right), result, leftDescriptor, rightDescriptor);
        return result.ToArray<float>();
    }

    /// <summary>
    /// The place of an element, as the canonical layouts are written in units of 16 bytes: by depth ((8, n), 2) : ((W, stride), 1), or
    /// ((8, n), 2) : ((1, stride), leading) without a swizzle; by position ((W, n), (8, 2)) : ((1, leading), (W, stride)), or ((1, n), (8,
    /// 2)) : ((X, stride), (1, leading)).
    /// </summary>
    private static int Place(int position, int depth, int swizzle, bool byColumns, int leading, int stride)
    {
        int w = 1 << swizzle, unit, inner;
        if (byColumns)
        {
            int chunk = position / 8;
            inner = position % 8;
            unit = swizzle == 0
                ? chunk * stride + depth % 8 + depth / 8 * leading
                : chunk % w + chunk / w * leading + depth % 8 * w + depth / 8 * stride;
        }
        else
        {
            inner = depth % 8;
            unit = swizzle == 0
                ? position % 8 + position / 8 * stride + depth / 8 * leading
                : position % 8 * w + position / 8 * stride + depth / 8;
        }
        int address = unit * 16 + inner * 2;
        return address ^ ((address >> 7 & w - 1) << 4);
    }

    private static (byte[] Image, ulong Descriptor, float[] Values) Lay(int seed, int swizzle, bool byColumns)
    {
        int w = 1 << swizzle;
        // Parts of eight rows, one after the other; by position, two such parts for each width.
        (int leading, int stride) = (swizzle, byColumns) switch
        {
            (0, true) => (8, 16),
            (0, false) => (256, 8),
            (_, true) => (16 * w, 8 * w),
            _ => (1, 8 * w),
        };
        var image = new byte[TileBytes];
        image.AsSpan().Fill(0xFF);
        var values = new float[M * K];
        var random = new Random(seed);
        for (int position = 0; position < M; position++)
        {
            for (int depth = 0; depth < K; depth++)
            {
                ushort bits = (ushort)PtxFloat.Encode(random.NextDouble() * 4 - 2, PtxFloat.BFloat16);
                values[position * K + depth] = (float)PtxFloat.Decode(bits, PtxType.BF16);
                BitConverter.GetBytes(bits).CopyTo(image, Place(position, depth, swizzle, byColumns, leading, stride));
            }
        }
        ulong mode = swizzle switch { 0 => 0UL, 1 => 3, 2 => 2, _ => 1 };
        return (image, mode << 62 | (ulong)stride << 32 | (ulong)leading << 16, values);
    }

    [Theory]
    [InlineData(3, false, 3, false)]
    [InlineData(3, false, 3, true)]
    [InlineData(3, true, 3, true)]
    [InlineData(2, true, 2, false)]
    [InlineData(1, false, 1, true)]
    [InlineData(0, false, 0, true)]
    [InlineData(0, true, 0, false)]
    public void A_product_of_tiles_laid_by_hand_equals_the_naive_product(
        int leftSwizzle, bool leftByColumns, int rightSwizzle, bool rightByColumns)
    {
        var (left, leftDescriptor, x) = Lay(1, leftSwizzle, leftByColumns);
        var (right, rightDescriptor, y) = Lay(2, rightSwizzle, rightByColumns);
        float[] actual = Run(Body(leftByColumns ? 1 : 0, rightByColumns ? 1 : 0), left, right, leftDescriptor, rightDescriptor);
        for (int row = 0; row < M; row++)
        {
            for (int column = 0; column < N; column++)
            {
                // The manual's figure: warp, row of eight, pair of columns, upper half.
                int thread = row / 16 * 32 + row % 8 * 4 + column % 8 / 2, register = column / 8 * 4 + (row % 16 >= 8 ? 2 : 0) + column % 2;
                double expected = 1;
                for (int k = 0; k < K; k++) expected += (double)x[row * K + k] * y[column * K + k];
                Assert.Equal((float)expected, actual[thread * (N / 2) + register], 1e-4f);
            }
        }
    }

    [Fact]
    public void The_sums_are_not_read_where_the_predicate_is_false()
    {
        var (image, descriptor, _) = Lay(1, 3, false);
        float[] with = Run(Body(0, 0), image, image, descriptor, descriptor);
        float[] without = Run(
            Body(0, 0).Replace("setp.eq.u32 %p1", "setp.ne.u32 %p1", StringComparison.Ordinal), image, image, descriptor, descriptor);
        for (int i = 0; i < with.Length; i++) Assert.Equal(with[i] - 1, without[i], 1e-4f);
    }

    [Theory]
    [InlineData("\twgmma.fence.sync.aligned;\n", "", FaultKind.AsyncRegisters)]
    [InlineData("\twgmma.fence.sync.aligned;\n", "\twgmma.fence.sync.aligned;\n\tmov.f32 %f3, 0f00000000;\n", FaultKind.AsyncRegisters)]
    [InlineData("\twgmma.wait_group.sync.aligned 0;\n", "", FaultKind.AsyncRegisters)]
    [InlineData("\twgmma.wait_group.sync.aligned 0;\n", "\twgmma.wait_group.sync.aligned 1;\n", FaultKind.AsyncRegisters)]
    [InlineData("\twgmma.commit_group.sync.aligned;\n", "", FaultKind.AsyncRegisters)]
    [InlineData("\twgmma.commit_group.sync.aligned;\n", "\twgmma.commit_group.sync.aligned;\n\tmov.f32 %f31, 0f00000000;\n",
        FaultKind.AsyncRegisters)]
    [InlineData("\tfence.proxy.async.shared::cta;\n", "", FaultKind.ProxyFence)]
    [InlineData("\tbar.sync 0;\n", "", FaultKind.UninitialisedRead)]
    [InlineData("\tsetp.eq.u32 %p1", "\tst.shared.b32 [%r3], %r10;\n\tfence.proxy.async.shared::cta;\n\tsetp.eq.u32 %p1", FaultKind.Race)]
    [InlineData("\tsetp.eq.u32 %p1", "\tst.shared.b32 [%r3], %r10;\n\tbar.sync 0;\n\tsetp.eq.u32 %p1", FaultKind.ProxyFence)]
    [InlineData("\twgmma.wait_group", "\tst.shared.b32 [%r3], 7;\n\twgmma.wait_group", FaultKind.Race)]
    [InlineData("\twgmma.fence", "\tadd.u64 %rd3, %rd3, 8;\n\twgmma.fence", FaultKind.Misaligned)]
    [InlineData("\twgmma.fence", "\tadd.u64 %rd3, %rd3, 16384;\n\twgmma.fence", FaultKind.Trap)]
    [InlineData("\twgmma.fence", "\tcvt.u64.u32 %rd20, %r0;\n\tadd.u64 %rd3, %rd3, %rd20;\n\twgmma.fence", FaultKind.DivergentWarp)]
    [InlineData("\twgmma.fence", "\tshr.u32 %r20, %r0, 5;\n\tshl.b32 %r20, %r20, 1;\n\tcvt.u64.u32 %rd20, %r20;\n\tadd.u64 "
        + "%rd3, %rd3, %rd20;\n\twgmma.fence", FaultKind.DivergentWarp)]
    [InlineData("\twgmma.fence", "\tsetp.gt.u32 %p1, %r0, 3;\n\twgmma.fence", FaultKind.DivergentWarp)]
    [InlineData("\twgmma.fence.sync.aligned;\n", "\tsetp.gt.u32 %p2, %r0, 3;\n\t@%p2 wgmma.fence.sync.aligned;\n", FaultKind.DivergentWarp)]
    public void A_planted_fault_is_found(string line, string instead, object kind)
    {
        var (image, descriptor, _) = Lay(1, 3, false);
        string body = Body(0, 0), faulty = body.Replace(line, instead, StringComparison.Ordinal);
        Assert.NotEqual(body, faulty);
        Run(body, image, image, descriptor, descriptor);
        var fault = Assert.Throws<PtxFaultException>(() => Run(faulty, image, image, descriptor, descriptor));
        Assert.Equal((FaultKind)kind, fault.Kind);
    }

    [Fact]
    public void A_tile_that_is_given_free_before_the_wait_and_overwritten_is_found()
    {
        // A fifth warp writes to the left tile as soon as the four have arrived.
        var (image, descriptor, _) = Lay(1, 3, false);
        string body = "\tsetp.gt.u32 %p3, %r0, 127;\n\t@%p3 bra B;\n" + Body(0, 0)
            .Replace(
                "\tbar.sync 0;\n", "\tB:\n\tbar.sync 0;\n\t@!%p3 bra A;\n\tbar.sync 1, 160;\n\tst.shared.b32 [left], 7;\n\tret;\n\tA:\n",
                StringComparison.Ordinal);
        const string Wait = "\twgmma.wait_group.sync.aligned 0;\n", Free = "\tbar.arrive 1, 160;\n";
        string right = body.Replace(Wait, Wait + Free, StringComparison.Ordinal),
            wrong = body.Replace(Wait, Free + Wait, StringComparison.Ordinal);
        Run(right, image, image, descriptor, descriptor, 160);
        Assert.Equal(FaultKind.Race, Assert.Throws<PtxFaultException>(() => Run(wrong, image, image, descriptor, descriptor, 160)).Kind);
    }

    [Fact]
    public void Three_warps_are_no_warpgroup()
    {
        var (image, descriptor, _) = Lay(1, 3, false);
        var fault = Assert.Throws<PtxFaultException>(() => Run(Body(0, 0), image, image, descriptor, descriptor, 96));
        Assert.Equal(FaultKind.DivergentWarp, fault.Kind);
    }

    [Fact]
    public void A_product_may_follow_on_the_same_sums_without_a_wait_or_a_fence()
    {
        var (image, descriptor, _) = Lay(1, 3, false);
        float[] once = Run(Body(0, 0), image, image, descriptor, descriptor);
        string twice = Body(0, 0).Replace(Multiply(0, 0), Multiply(0, 0) + "\n\t" + Multiply(0, 0), StringComparison.Ordinal);
        float[] sums = Run(twice, image, image, descriptor, descriptor);
        for (int i = 0; i < once.Length; i++) Assert.Equal(2 * once[i] - 1, sums[i], 1e-3f);
    }
}
