using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>Copies by tensor maps, the barriers that count their bytes, and kernels with one planted fault each.</summary>
public class BulkCopyTests
{
    private const int Rows = 40, Columns = 72, Box = 64, Bytes = Box * Box * 2;

    private const string Copy =
        "\t@%p1 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r3, %r4}], [%r2];\n";
    private const string Wait = "\tW:\n\tmbarrier.try_wait.parity.shared::cta.b64 %p2, [%r2], 0;\n\t@!%p2 bra W;\n";

    /// <summary>One thread has the box at (column, row) copied; all write what they then see of it.</summary>
    private static string Kernel(int column, int row) => PtxText.Header + $$"""
        .visible .entry k(
        	.param .align 64 .b8 map[128],
        	.param .b64 p0
        )
        {
        	.reg .pred %p<8>;
        	.reg .b32 %r<32>;
        	.reg .b64 %rd<16>;
        	.shared .align 1024 .b8 tile[{{Bytes}}];
        	.shared .align 8 .b8 bar[8];
        	mov.u32 %r0, %tid.x;
        	ld.param.b64 %rd0, [p0];
        	mov.b64 %rd1, map;
        	cvta.param.u64 %rd1, %rd1;
        	mov.u32 %r1, tile;
        	mov.u32 %r2, bar;
        	mov.u32 %r3, {{column}};
        	mov.u32 %r4, {{row}};
        	setp.eq.u32 %p1, %r0, 63;
        	@%p1 mbarrier.init.shared::cta.b64 [%r2], 1;
        	@%p1 fence.proxy.async.shared::cta;
        	bar.sync 0;
        	@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], {{Bytes}};
        {{Copy}}{{Wait}}	shl.b32 %r5, %r0, 7;
        	add.u32 %r6, %r1, %r5;
        	cvt.u64.u32 %rd2, %r5;
        	add.u64 %rd3, %rd0, %rd2;
        {{string.Concat(Enumerable.Range(0, 8).Select(i =>
            $"\tld.shared.v4.b32 {{%r10, %r11, %r12, %r13}}, [%r6+{16 * i}];\n"
            + $"\tst.global.v4.b32 [%rd3+{16 * i}], {{%r10, %r11, %r12, %r13}};\n"))}}	ret;
        }
        """;

    private static ushort[] Run(string text, Func<TensorMapBits, byte[]>? encode = null)
    {
        var machine = new PtxMachine { InstructionBudget = 1_000_000 };
        PtxBuffer matrix = machine.Allocate(Enumerable.Range(1, Rows * Columns).Select(i => (ushort)i).ToArray()),
            result = machine.Allocate(Bytes);
        var bits = new TensorMapBits(matrix.Address, Columns, Rows, Columns * 2, Box, Box, 2);
        PtxText.Run(text, machine, Box, encode?.Invoke(bits) ?? bits.Encode(), result);
        return result.ToArray<ushort>();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(64, 0)]
    [InlineData(8, 33)]
    [InlineData(-8, -3)]
    [InlineData(128, 0)]
    public void A_box_arrives_exchanged_by_its_rows_with_zeros_outside_the_matrix(int column, int row)
    {
        ushort[] tile = Run(Kernel(column, row));
        for (int i = 0; i < Box; i++)
        {
            for (int j = 0; j < Box; j++)
            {
                int at = i * Box + (j / 8 ^ i % 8) * 8 + j % 8;
                bool inside = row + i >= 0 && row + i < Rows && column + j >= 0 && column + j < Columns;
                Assert.Equal(inside ? (row + i) * Columns + column + j + 1 : 0, tile[at]);
            }
        }
    }

    [Theory]
    [InlineData(Wait, "", FaultKind.AsyncCopyNotWaited)]
    [InlineData(Wait, "\tsetp.lt.u32 %p3, %r0, 32;\n\t@%p3 bra R;\n" + Wait + "\tR:\n", FaultKind.Race)]
    [InlineData("\t@%p1 fence.proxy.async.shared::cta;\n", "", FaultKind.ProxyFence)]
    [InlineData("[%r2], 8192", "[%r2], 8208", FaultKind.DivergentBarrier)]
    [InlineData("[%r2], 8192", "[%r2], 4096", FaultKind.DivergentBarrier)]
    [InlineData("[%r2], 1;", "[%r2], 2;", FaultKind.DivergentBarrier)]
    [InlineData("[%r2], 1;", "[%r2], 0;", FaultKind.Trap)]
    [InlineData(Copy, "\t@%p1 mbarrier.arrive.shared::cta.b64 _, [%r2];\n" + Copy, FaultKind.Trap)]
    [InlineData("\tbar.sync 0;\n", "", FaultKind.UninitialisedRead)]
    [InlineData("\tmov.u32 %r1, tile;\n", "\tmov.u32 %r1, tile;\n\tadd.u32 %r1, %r1, 16;\n", FaultKind.Misaligned)]
    [InlineData("\tmov.u32 %r2, bar;\n", "\tmov.u32 %r2, bar;\n\tadd.u32 %r2, %r2, 4;\n", FaultKind.Misaligned)]
    [InlineData("\tcvta.param.u64 %rd1, %rd1;\n", "\tadd.u64 %rd1, %rd1, 8;\n\tcvta.param.u64 %rd1, %rd1;\n", FaultKind.Trap)]
    [InlineData("\tcvta.param.u64 %rd1, %rd1;\n", "", FaultKind.Trap)]
    [InlineData(Copy, "\tst.shared.b32 [%r1], 1;\n" + Copy, FaultKind.Race)]
    public void A_planted_fault_is_found(string line, string instead, object kind)
    {
        string text = Kernel(0, 0), faulty = text.Replace(line, instead, StringComparison.Ordinal);
        Assert.NotEqual(text, faulty);
        Run(text);
        var fault = Assert.Throws<PtxFaultException>(() => Run(faulty));
        Assert.Equal((FaultKind)kind, fault.Kind);
    }

    [Fact]
    public void A_parameter_that_is_no_map_and_a_map_that_a_driver_refuses_are_found()
    {
        Assert.Equal(FaultKind.Trap, Assert.Throws<PtxFaultException>(() => Run(Kernel(0, 0), _ => new byte[TensorMapBits.Bytes])).Kind);
        Assert.Throws<ArgumentException>(() => Run(Kernel(0, 0), bits => (bits with { Address = bits.Address + 8 }).Encode()));
        Assert.Throws<ArgumentException>(() => Run(Kernel(0, 0), bits => (bits with { Stride = bits.Stride + 2 }).Encode()));
        Assert.Throws<ArgumentException>(() => Run(Kernel(0, 0), bits => (bits with { BoxInner = 128 }).Encode()));
    }

    [Fact]
    public void A_matrix_that_ends_before_its_map_says_is_read_past_its_end()
    {
        var fault = Assert.Throws<PtxFaultException>(() => Run(Kernel(0, 0), bits => (bits with { Outer = Rows + 1 }).Encode()));
        Assert.Equal(FaultKind.OutOfBounds, fault.Kind);
    }
}
