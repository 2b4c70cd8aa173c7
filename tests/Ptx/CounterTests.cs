using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>The costs counted for accesses with a known pattern.</summary>
public class CounterTests
{
    private static LaunchReport Run(string body, int threads = 32)
    {
        var machine = new PtxMachine();
        PtxBuffer buffer = machine.Allocate(new byte[65536]);
        return PtxText.Run(PtxText.Kernel(1, body, "\t.shared .align 128 .b8 tile[32768];"), machine, threads, buffer);
    }

    [Theory]
    [InlineData(4, "b32", 1, 1)]
    [InlineData(8, "b32", 2, 1)]
    [InlineData(128, "b32", 32, 1)]
    [InlineData(132, "b32", 1, 1)]
    [InlineData(0, "b32", 1, 1)]
    [InlineData(2, "b16", 1, 1)]
    [InlineData(8, "b64", 1, 2)]
    [InlineData(16, "b64", 2, 2)]
    [InlineData(128, "b64", 16, 2)]
    [InlineData(16, "v4.b32", 1, 4)]
    [InlineData(32, "v4.b32", 2, 4)]
    [InlineData(128, "v4.b32", 8, 4)]
    [InlineData(144, "v4.b32", 1, 4)]
    public void Bank_conflicts_follow_from_the_stride(int stride, string type, int degree, int phases)
    {
        string value = type == "b16" ? "%rs1" : type == "b64" ? "%rd9" : type == "b32" ? "5" : "{5, 5, 5, 5}";
        LaunchReport report = Run($"\tmov.u32 %r1, tile;\n\tmad.lo.u32 %r2, %r0, {stride}, %r1;\n\tst.shared.{type} [%r2], {value};\n");
        AccessSite site = Assert.Single(report.Shared);
        Assert.Equal((1L, degree, (long)phases, (long)(phases * degree)), (site.Accesses, site.Degree, site.Ideal, site.Transactions));
        Assert.Equal(degree > 1, report.BankConflicts.Any());
    }

    [Theory]
    [InlineData(64, 4)]
    [InlineData(128, 8)]
    [InlineData(80, 1)]
    [InlineData(16, 1)]
    public void Ldmatrix_conflicts_are_counted_for_the_eight_rows_of_each_matrix(int stride, int degree)
    {
        LaunchReport report = Run($$"""
            	mov.u32 %r1, tile;
            	mad.lo.u32 %r2, %r0, {{stride}}, %r1;
            	st.shared.v4.b32 [%r2], {0, 0, 0, 0};
            	bar.sync 0;
            	ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r3, %r4, %r5, %r6}, [%r2];
            """);
        AccessSite site = report.Shared.Single(s => s.Opcode.StartsWith("ldmatrix", StringComparison.Ordinal));
        Assert.Equal((degree, 4L, 4L * degree), (site.Degree, site.Ideal, site.Transactions));
    }

    [Theory]
    [InlineData("b32", 4, 4, 4)]
    [InlineData("b32", 32, 32, 4)]
    [InlineData("b32", 0, 1, 1)]
    [InlineData("v4.b32", 16, 16, 16)]
    [InlineData("v4.b32", 64, 32, 16)]
    [InlineData("b16", 2, 2, 2)]
    public void Global_sectors_follow_from_the_stride(string type, int stride, int sectors, int ideal)
    {
        string to = type == "b16" ? "%rs1" : type == "b32" ? "%r5" : "{%r5, %r6, %r7, %r8}";
        LaunchReport report = Run($"\tmul.wide.u32 %rd1, %r0, {stride};\n\tadd.u64 %rd2, %rd0, %rd1;\n\tld.global.{type} {to}, [%rd2];\n");
        AccessSite site = Assert.Single(report.Global);
        Assert.Equal((1L, (long)sectors, (long)ideal, sectors), (site.Accesses, site.Transactions, site.Ideal, site.Degree));
        Assert.Equal((sectors, ideal), (report.Sectors, report.IdealSectors));
    }

    [Fact]
    public void A_misplaced_row_costs_one_sector_more()
    {
        LaunchReport report = Run("\tmul.wide.u32 %rd1, %r0, 4;\n\tadd.u64 %rd2, %rd0, %rd1;\n\tld.global.b32 %r5, [%rd2+4];\n");
        Assert.Equal((5L, 4L), (report.Sectors, report.IdealSectors));
    }

    [Fact]
    public void A_generic_access_is_counted_where_it_points()
    {
        LaunchReport report = Run("""
            	mov.u64 %rd1, tile;
            	cvta.shared.u64 %rd2, %rd1;
            	mul.wide.u32 %rd3, %r0, 8;
            	add.u64 %rd4, %rd2, %rd3;
            	st.b32 [%rd4], 1;
            	add.u64 %rd5, %rd0, %rd3;
            	st.b32 [%rd5], 1;
            """);
        Assert.Equal(2, Assert.Single(report.Shared).Degree);
        Assert.Equal(8, Assert.Single(report.Global).Transactions);
    }

    [Fact]
    public void Cp_async_counts_its_read_and_its_write()
    {
        LaunchReport report = Run("""
            	mul.wide.u32 %rd1, %r0, 16;
            	add.u64 %rd2, %rd0, %rd1;
            	mov.u32 %r1, tile;
            	mad.lo.u32 %r2, %r0, 128, %r1;
            	cp.async.cg.shared.global [%r2], [%rd2], 16;
            """);
        Assert.Equal((16L, 16L), (report.Sectors, report.IdealSectors));
        Assert.Equal((8, 32L, 4L), (report.Shared[0].Degree, report.Shared[0].Transactions, report.Shared[0].Ideal));
    }

    [Fact]
    public void Instructions_are_counted_by_opcode_with_the_lanes_that_ran_them()
    {
        LaunchReport report = Run("""
            	mov.u32 %r1, 0;
            LOOP:
            	add.u32 %r1, %r1, 1;
            	setp.lt.u32 %p1, %r1, %r0;
            	@%p1 bra LOOP;
            	setp.lt.u32 %p2, %r0, 3;
            	@%p2 mul.lo.u32 %r2, %r1, %r1;
            """);
        // Lane 0 and 1 run the loop once, lane t runs it t times.
        Assert.Equal((31L, 1 + 31 * 32 / 2L), report.ByOpcode["add.u32"]);
        Assert.Equal((1L, 3L), report.ByOpcode["mul.lo.u32"]);
        Assert.Equal(31, report.Count("add"));
        Assert.Equal(0, report.Count("ad"));
        Assert.Equal(report.ByOpcode.Values.Sum(o => o.Warps), report.WarpInstructions);
    }
}
