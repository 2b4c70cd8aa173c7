using Conformance.Ptx;

namespace Tests.Ptx;

public class WarpTests
{
    /// <summary>Runs a body on one block; it leaves its result in %r10, which comes back per thread.</summary>
    private static uint[] Run(string body, int threads = 32, string declarations = "")
    {
        var machine = new PtxMachine();
        PtxBuffer result = machine.Allocate(new uint[threads], "result");
        string store = "\n\tmul.wide.u32 %rd10, %r0, 4;\n\tadd.u64 %rd11, %rd0, %rd10;\n\tst.global.u32 [%rd11], %r10;\n";
        PtxText.Run(PtxText.Kernel(1, body + store, declarations), machine, threads, result);
        return result.ToArray<uint>();
    }

    [Theory]
    [InlineData("up", 3, 0x0)]
    [InlineData("down", 5, 0x1F)]
    [InlineData("bfly", 9, 0x1F)]
    [InlineData("idx", 17, 0x1F)]
    [InlineData("up", 2, 0x1800)]
    [InlineData("down", 3, 0x181F)]
    [InlineData("bfly", 12, 0x181F)]
    [InlineData("idx", 6, 0x181F)]
    public void A_shuffle_reads_the_lane_that_the_mode_and_its_segment_name(string mode, int b, int c)
    {
        uint[] actual = Run($"""
            	add.u32 %r1, %r0, 100;
            	shfl.sync.{mode}.b32 %r2|%p1, %r1, {b}, {c}, 0xFFFFFFFF;
            	selp.b32 %r3, 1000, 0, %p1;
            	add.u32 %r10, %r2, %r3;
            """);
        int width = c >> 8 == 0 ? 32 : 8;
        for (int lane = 0; lane < 32; lane++)
        {
            int start = lane / width * width, end = start + width;
            int source = mode switch { "up" => lane - b, "down" => lane + b, "bfly" => lane ^ b, _ => start + b % width };
            // A butterfly may read below its segment, only above it is clamped.
            bool valid = mode == "bfly" ? source < end : source >= start && source < end;
            Assert.Equal((lane, (uint)(100 + (valid ? source + 1000 : lane))), (lane, actual[lane]));
        }
    }

    [Fact]
    public void A_butterfly_reduction_gives_every_lane_the_sum()
    {
        string body = "\tcvt.rn.f32.u32 %f1, %r0;\n";
        for (int step = 16; step > 0; step /= 2) body += $"\tshfl.sync.bfly.b32 %f2, %f1, {step}, 31, -1;\n\tadd.f32 %f1, %f1, %f2;\n";
        Assert.All(Run(body + "\tcvt.rzi.u32.f32 %r10, %f1;\n"), sum => Assert.Equal(496u, sum));
    }

    [Fact]
    public void Votes_and_matches_see_the_lanes_that_run_them()
    {
        Assert.All(Run("\tsetp.lt.u32 %p1, %r0, 5;\n\tvote.sync.ballot.b32 %r10, %p1, -1;\n"), v => Assert.Equal(0x1Fu, v));
        Assert.All(Run("\tsetp.lt.u32 %p1, %r0, 40;\n\tvote.sync.all.pred %p2, %p1, -1;\n\tselp.u32 %r10, 1, 0, %p2;\n"),
            v => Assert.Equal(1u, v));
        Assert.All(Run("\tsetp.eq.u32 %p1, %r0, 40;\n\tvote.sync.any.pred %p2, %p1, -1;\n\tselp.u32 %r10, 1, 0, %p2;\n"),
            v => Assert.Equal(0u, v));
        uint[] matches = Run("\trem.u32 %r1, %r0, 5;\n\tmatch.any.sync.b32 %r10, %r1, -1;\n");
        for (int lane = 0; lane < 32; lane++)
            Assert.Equal((uint)Enumerable.Range(0, 32).Where(i => i % 5 == lane % 5).Sum(i => 1L << i), matches[lane]);
        Assert.All(Run("\tredux.sync.add.u32 %r10, %r0, -1;\n"), v => Assert.Equal(496u, v));
        Assert.All(Run("\tneg.s32 %r1, %r0;\n\tredux.sync.min.s32 %r10, %r1, -1;\n"), v => Assert.Equal(-31, (int)v));
        uint[] active = Run("\tsetp.lt.u32 %p1, %r0, 7;\n\tmov.u32 %r10, 0;\n\t@!%p1 bra END;\n\tactivemask.b32 %r10;\nEND:\n");
        for (int lane = 0; lane < 32; lane++) Assert.Equal(lane < 7 ? 0x7Fu : 0, active[lane]);
    }

    [Fact]
    public void A_shuffle_in_a_branch_works_among_the_threads_of_its_mask()
    {
        uint[] actual = Run("""
            	mov.u32 %r10, 0;
            	setp.lt.u32 %p1, %r0, 16;
            	@!%p1 bra END;
            	shfl.sync.bfly.b32 %r10, %r0, 8, 31, 0xFFFF;
            END:
            """);
        for (uint lane = 0; lane < 32; lane++) Assert.Equal(lane < 16 ? lane ^ 8 : 0, actual[lane]);
    }

    [Fact]
    public void Barrier_reductions_count_the_whole_block()
    {
        uint[] actual = Run("""
            	setp.gt.u32 %p1, %r0, 49;
            	bar.red.popc.u32 %r1, 0, %p1;
            	bar.red.or.pred %p2, 0, %p1;
            	bar.red.and.pred %p3, 0, %p1;
            	selp.u32 %r2, 1000, 0, %p2;
            	selp.u32 %r3, 5000, 0, %p3;
            	add.u32 %r10, %r1, %r2;
            	add.u32 %r10, %r10, %r3;
            """, 100);
        Assert.All(actual, v => Assert.Equal(1050u, v));
    }

    [Fact]
    public void Atomics_on_shared_and_global_memory_lose_no_update()
    {
        var machine = new PtxMachine();
        PtxBuffer totals = machine.Allocate(new uint[] { 0, 0, 1000, 0 });
        string text = PtxText.Kernel(1, """
            	setp.eq.u32 %p1, %r0, 0;
            	@%p1 st.shared.u32 [total], 0;
            	bar.sync 0;
            	red.shared.add.u32 [total], %r0;
            	atom.shared.add.u32 %r1, [total], 1;
            	bar.sync 0;
            	@%p1 ld.shared.u32 %r2, [total];
            	@%p1 red.global.add.u32 [%rd0], %r2;
            	cvt.rn.f32.u32 %f1, %r0;
            	red.global.add.f32 [%rd0+4], %f1;
            	atom.global.min.u32 %r3, [%rd0+8], %r0;
            	atom.global.cas.b32 %r4, [%rd0+12], 0, 9;
            """, "\t.shared .align 4 .u32 total;");
        machine.Launch(PtxModule.Parse(text).Kernel("k"), 3, 64, 0, totals);
        Assert.Equal(3u * (2016 + 64), totals.As<uint>()[0]);
        Assert.Equal(3f * 2016, totals.As<float>()[1]);
        Assert.Equal([0u, 9u], totals.As<uint>()[2..].ToArray());
    }
}
