using Conformance.Ptx;

namespace Tests.Ptx;

public class MatrixTests
{
    private const int M = 16, N = 8;

    private static ushort[] Random(int count, int seed, bool bfloat)
    {
        var random = new Random(seed);
        PtxFloat.Format format = bfloat ? PtxFloat.BFloat16 : PtxFloat.Half;
        return [.. Enumerable.Range(0, count).Select(_ => (ushort)PtxFloat.Encode(random.NextDouble() * 4 - 2, format))];
    }

    private static double Value(ushort bits, bool bfloat) => PtxFloat.Decode(bits, bfloat ? PtxType.BF16 : PtxType.F16);

    private static void CheckProduct(ushort[] a, ushort[] b, float[] c, float[] actual, int depth, bool bfloat)
    {
        for (int row = 0; row < M; row++)
        {
            for (int column = 0; column < N; column++)
            {
                double expected = c[row * N + column];
                for (int k = 0; k < depth; k++) expected += Value(a[row * depth + k], bfloat) * Value(b[k * N + column], bfloat);
                Assert.Equal((float)expected, actual[row * N + column], 1e-5f * 16);
            }
        }
    }

    /// <summary>Every fragment register is loaded from memory by the layout in the PTX manual's figures.</summary>
    [Theory]
    [InlineData(16, true)]
    [InlineData(16, false)]
    [InlineData(8, true)]
    public void A_matrix_product_of_hand_loaded_fragments_equals_the_naive_product(int depth, bool bfloat)
    {
        string type = bfloat ? "bf16" : "f16";
        var body = new System.Text.StringBuilder("\tshr.u32 %r1, %r0, 2;\n\tand.b32 %r2, %r0, 3;\n\tshl.b32 %r2, %r2, 1;\n");
        for (int i = 0; i < depth / 4; i++)
            for (int half = 0; half < 2; half++) Element($"%rs{2 * i + half}", "%rd0", i % 2 * 8, depth, i / 2 * 8 + half, true);
        for (int i = 0; i < depth / 4; i++) body.Append($"\tmov.b32 %r{20 + i}, {{%rs{2 * i}, %rs{2 * i + 1}}};\n");
        for (int i = 0; i < depth / 8; i++)
        {
            for (int half = 0; half < 2; half++)
            {
                body.Append($"\tadd.u32 %r5, %r2, {8 * i + half};\n\tmad.lo.u32 %r6, %r5, {N}, %r1;\n\tmul.wide.u32 %rd10, %r6, 2;\n");
                body.Append($"\tadd.u64 %rd11, %rd1, %rd10;\n\tld.global.u16 %rs{half}, [%rd11];\n");
            }
            body.Append($"\tmov.b32 %r{30 + i}, {{%rs0, %rs1}};\n");
        }
        for (int i = 0; i < 4; i++) Element($"%f{i}", "%rd2", i / 2 * 8, N, i % 2, true);
        string left = string.Join(", ", Enumerable.Range(20, depth / 4).Select(i => $"%r{i}"));
        string right = string.Join(", ", Enumerable.Range(30, depth / 8).Select(i => $"%r{i}"));
        const string sums = "{%f0, %f1, %f2, %f3}";
        body.Append($"\tmma.sync.aligned.m16n8k{depth}.row.col.f32.{type}.{type}.f32 {sums}, {{{left}}}, {{{right}}}, {sums};\n");
        for (int i = 0; i < 4; i++) Element($"%f{i}", "%rd3", i / 2 * 8, N, i % 2, false);

        ushort[] a = Random(M * depth, 1, bfloat), b = Random(depth * N, 2, bfloat);
        float[] c = [.. Enumerable.Range(0, M * N).Select(i => i / 8f - 5)];
        var machine = new PtxMachine();
        PtxBuffer d = machine.Allocate(M * N * 4);
        PtxText.Run(PtxText.Kernel(4, body.ToString()), machine, 32, machine.Allocate(a), machine.Allocate(b), machine.Allocate(c), d);
        CheckProduct(a, b, c, d.ToArray<float>(), depth, bfloat);

        // Row group + rowOffset, column pair + columnOffset of a row-major matrix.
        void Element(string register, string pointer, int rowOffset, int width, int columnOffset, bool load)
        {
            bool single = register[1] == 'f';
            int size = single ? 4 : 2;
            body.Append($"\tadd.u32 %r5, %r1, {rowOffset};\n\tmad.lo.u32 %r6, %r5, {width}, %r2;\n");
            body.Append($"\tmul.wide.u32 %rd10, %r6, {size};\n\tadd.u64 %rd11, {pointer}, %rd10;\n");
            string address = $"[%rd11+{columnOffset * size}]", loaded = single ? "f32" : "u16";
            body.Append(load ? $"\tld.global.{loaded} {register}, {address};\n" : $"\tst.global.f32 {address}, {register};\n");
        }
    }

    /// <summary>
    /// A by rows through ldmatrix.x4, B by rows through ldmatrix.x2.trans: how every tensor-core kernel feeds mma from shared memory.
    /// </summary>
    [Fact]
    public void Tiles_copied_by_cp_async_and_read_by_ldmatrix_multiply_to_the_naive_product()
    {
        const string body = """
            	shl.b32 %r1, %r0, 4;
            	cvt.u64.u32 %rd10, %r1;
            	add.u64 %rd11, %rd0, %rd10;
            	mov.u32 %r2, tileA;
            	add.u32 %r3, %r2, %r1;
            	cp.async.cg.shared.global [%r3], [%rd11], 16;
            	setp.lt.u32 %p1, %r0, 16;
            	add.u64 %rd12, %rd1, %rd10;
            	mov.u32 %r4, tileB;
            	add.u32 %r5, %r4, %r1;
            	@%p1 cp.async.cg.shared.global.L2::128B [%r5], [%rd12], 16;
            	cp.async.commit_group;
            	cp.async.wait_group 0;
            	bar.sync 0;
            	and.b32 %r6, %r0, 15;
            	shl.b32 %r6, %r6, 5;
            	and.b32 %r7, %r0, 16;
            	add.u32 %r8, %r6, %r7;
            	add.u32 %r8, %r8, %r2;
            	ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r20, %r21, %r22, %r23}, [%r8];
            	and.b32 %r9, %r0, 15;
            	shl.b32 %r9, %r9, 4;
            	add.u32 %r9, %r9, %r4;
            	ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r30, %r31}, [%r9];
            	mov.f32 %f0, 0f3F800000;
            	mov.f32 %f1, 0f3F800000;
            	mov.f32 %f2, 0f3F800000;
            	mov.f32 %f3, 0f3F800000;
            mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
            	{%f0, %f1, %f2, %f3}, {%r20, %r21, %r22, %r23}, {%r30, %r31}, {%f0, %f1, %f2, %f3};
            	shr.u32 %r10, %r0, 2;
            	and.b32 %r11, %r0, 3;
            	shl.b32 %r12, %r10, 5;
            	shl.b32 %r13, %r11, 3;
            	add.u32 %r14, %r12, %r13;
            	cvt.u64.u32 %rd13, %r14;
            	add.u64 %rd14, %rd2, %rd13;
            	st.global.v2.f32 [%rd14], {%f0, %f1};
            	st.global.v2.f32 [%rd14+256], {%f2, %f3};
            """;
        ushort[] a = Random(M * 16, 3, true), b = Random(16 * N, 4, true);
        var machine = new PtxMachine();
        PtxBuffer d = machine.Allocate(M * N * 4);
        string text = PtxText.Kernel(3, body, "\t.shared .align 128 .b8 tileA[512];\n\t.shared .align 128 .b8 tileB[256];");
        LaunchReport report = PtxText.Run(text, machine, 32, machine.Allocate(a), machine.Allocate(b), d);
        CheckProduct(a, b, [.. Enumerable.Repeat(1f, M * N)], d.ToArray<float>(), 16, true);
        // Rows of 32 bytes meet every fourth row in one bank; rows of 16 bytes meet none.
        Assert.Equal(2, report.Shared.Single(s => s.Opcode.Contains("x4", StringComparison.Ordinal)).Degree);
        Assert.Equal(1, report.Shared.Single(s => s.Opcode.Contains("x2", StringComparison.Ordinal)).Degree);
        Assert.Equal(1, report.Count("mma"));
    }

    [Fact]
    public void A_short_cp_async_fills_the_rest_with_zeros_and_reads_nothing_beyond()
    {
        const string body = """
            	shl.b32 %r1, %r0, 4;
            	cvt.u64.u32 %rd10, %r1;
            	add.u64 %rd11, %rd0, %rd10;
            	mov.u32 %r2, tile;
            	add.u32 %r3, %r2, %r1;
            	shl.b32 %r4, %r0, 3;
            	sub.s32 %r5, 11, %r4;
            	max.s32 %r5, %r5, 0;
            	min.s32 %r5, %r5, 8;
            	shl.b32 %r5, %r5, 1;
            	cp.async.cg.shared.global [%r3], [%rd11], 16, %r5;
            	cp.async.wait_all;
            	ld.shared.v4.b32 {%r6, %r7, %r8, %r9}, [%r3];
            	add.u64 %rd12, %rd1, %rd10;
            	st.global.v4.b32 [%rd12], {%r6, %r7, %r8, %r9};
            """;
        var machine = new PtxMachine();
        PtxBuffer result = machine.Allocate(4 * 16);
        LaunchReport report = PtxText.Run(PtxText.Kernel(2, body, "\t.shared .align 16 .b8 tile[64];"), machine, 4,
            machine.Allocate(Enumerable.Range(1, 11).Select(i => (ushort)i).ToArray()), result);
        Assert.Equal(Enumerable.Range(1, 32).Select(i => (ushort)(i <= 11 ? i : 0)), result.ToArray<ushort>());
        // Two lanes read 22 bytes: one sector, and none for the lanes that read nothing.
        AccessSite read = report.Global.Single(s => s.Opcode.StartsWith("cp", StringComparison.Ordinal));
        Assert.Equal((1L, 1L), (read.Accesses, read.Transactions));
    }
}
