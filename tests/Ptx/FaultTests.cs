using System.Globalization;

namespace Tests.Ptx;

/// <summary>Kernels with one planted fault each: the fault is found at its line, and the kernel without it runs.</summary>
public class FaultTests
{
    private const string Shared = "\t.shared .align 16 .b8 tile[1024];\n\t.local .align 16 .b8 frame[32];";

    /// <summary>%r1: this thread's word of the shared tile; %rd10: its word of p0; %rd11: its word of p1 (uninitialised, 1024 bytes).</summary>
    private const string Prologue = """
        	mov.u32 %r2, tile;
        	shl.b32 %r3, %r0, 2;
        	add.u32 %r1, %r2, %r3;
        	cvt.u64.u32 %rd9, %r3;
        	add.u64 %rd10, %rd0, %rd9;
        	add.u64 %rd11, %rd1, %rd9;

        """;

    private static LaunchReport Launch(string body, int threads, int blocks, int dynamicShared = 0, long budget = 1_000_000)
    {
        var machine = new PtxMachine { InstructionBudget = budget };
        PtxBuffer input = machine.Allocate(Enumerable.Range(0, 256).ToArray(), "input"), output = machine.Allocate(1024, "output");
        string text = PtxText.Kernel(2, Prologue + body, Shared, ".extern .shared .align 16 .b8 dynamic[];");
        return machine.Launch(PtxModule.Parse(text).Kernel("k"), blocks, threads, dynamicShared, input, output);
    }

    /// <summary>The body's line marked <c>//!</c> is the one the fault must name.</summary>
    private static PtxFaultException Finds(FaultKind kind, string faulty, string twin, int threads = 64, int blocks = 1, int dynamicShared = 0)
    {
        Launch(twin, threads, blocks, dynamicShared);
        var fault = Assert.Throws<PtxFaultException>(() => Launch(faulty, threads, blocks, dynamicShared));
        Assert.Equal(kind, fault.Kind);
        string[] lines = PtxText.Kernel(2, Prologue + faulty, Shared, ".extern .shared .align 16 .b8 dynamic[];").Split('\n');
        Assert.Contains("//!", lines[fault.Line - 1], StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"kernel 'k', line {fault.Line} ({lines[fault.Line - 1].Trim()})"), fault.Message, StringComparison.Ordinal);
        Assert.Contains("thread (", fault.Message, StringComparison.Ordinal);
        return fault;
    }

    [Fact]
    public void An_access_past_the_end_of_a_buffer_is_found()
    {
        PtxFaultException fault = Finds(FaultKind.OutOfBounds, "\tld.global.u32 %r4, [%rd10+772]; //!", "\tld.global.u32 %r4, [%rd10+768];");
        Assert.Contains("byte 1024 of 'input', which has 1024 bytes", fault.Message, StringComparison.Ordinal);
        Assert.Contains("thread (63, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.OutOfBounds, "\tst.global.u32 [%rd11+-4], %r0; //!", "\tst.global.u32 [%rd11], %r0;");
        Finds(FaultKind.OutOfBounds, "\tld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+1024]; //!", "\tld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+1008];", 1);
        Finds(FaultKind.OutOfBounds, "\tmov.b64 %rd1, 0;\n\tld.global.u32 %r4, [%rd1]; //!", "\tld.global.u32 %r4, [%rd0];");
    }

    [Fact]
    public void An_access_outside_shared_or_local_variables_is_found()
    {
        Finds(FaultKind.OutOfBounds, "\tst.shared.u32 [%r1+772], %r0; //!", "\tst.shared.u32 [%r1+768], %r0;");
        Finds(FaultKind.OutOfBounds, "\tst.shared.u32 [%r1+-4], %r0; //!", "\tst.shared.u32 [%r1], %r0;");
        Finds(FaultKind.OutOfBounds, "\tst.local.u32 [frame+32], %r0; //!", "\tst.local.u32 [frame+28], %r0;");
        Finds(FaultKind.OutOfBounds, "\tst.shared.u32 [dynamic+64], %r0; //!", "\tst.shared.u32 [dynamic+60], %r0;", 1, 1, 64);
        Finds(FaultKind.OutOfBounds, "\tmov.u64 %rd2, tile;\n\tst.global.u32 [%rd2], %r0; //!", "\tmov.u64 %rd2, tile;\n\tst.shared.u32 [%rd2], 3;");
        Finds(FaultKind.OutOfBounds, "\tmov.u64 %rd2, tile;\n\tcvta.shared.u64 %rd3, %rd2;\n\tst.u32 [%rd3+1024], %r0; //!", "\tmov.u64 %rd2, tile;\n\tcvta.shared.u64 %rd3, %rd2;\n\tst.u32 [%rd3+1020], 4;");
        Finds(FaultKind.OutOfBounds, "\tmov.u64 %rd2, tile;\n\tcvta.to.shared.u64 %rd3, %rd2;\n\tst.shared.u32 [%rd3], %r0; //!",
            "\tmov.u64 %rd2, tile;\n\tcvta.shared.u64 %rd3, %rd2;\n\tcvta.to.shared.u64 %rd3, %rd3;\n\tst.shared.u32 [%rd3], 5;");
    }

    [Fact]
    public void A_misaligned_access_is_found()
    {
        Finds(FaultKind.Misaligned, "\tld.global.u32 %r4, [%rd10+2]; //!", "\tld.global.u16 %rs4, [%rd10+2];");
        Finds(FaultKind.Misaligned, "\tld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+8]; //!", "\tld.global.v2.u32 {%r4, %r5}, [%rd0+8];");
        Finds(FaultKind.Misaligned, "\tst.shared.b64 [%r1], %rd9; //!", "\tst.shared.b32 [%r1], %r0;");
        Finds(FaultKind.Misaligned, "\tcp.async.cg.shared.global [%r2], [%rd0+4], 16; //!", "\tcp.async.ca.shared.global [%r2], [%rd0+4], 4;", 1);
        Finds(FaultKind.Misaligned, "\tcp.async.cg.shared.global [%r2+8], [%rd0], 16; //!", "\tcp.async.cg.shared.global [%r2+16], [%rd0], 16;", 1);
        string fill = "\tst.shared.u32 [%r1], %r0;\n\tst.shared.u32 [%r1+128], %r0;\n\tst.shared.u32 [%r1+256], %r0;\n\tst.shared.u32 [%r1+384], %r0;\n\tbar.sync 0;\n\tshl.b32 %r4, %r0, 4;\n\tadd.u32 %r4, %r4, %r2;\n";
        Finds(FaultKind.Misaligned, fill + "\tldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r5, %r6}, [%r4+8]; //!", fill + "\tldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r5, %r6}, [%r4+16];", 32);
    }

    [Fact]
    public void A_read_of_memory_nothing_has_written_is_found()
    {
        PtxFaultException fault = Finds(FaultKind.UninitialisedRead,
            "\tst.shared.u32 [%r1], %r0;\n\tbar.sync 0;\n\tld.shared.u32 %r4, [%r1+4]; //!", "\tst.shared.u32 [%r1], %r0;\n\tst.shared.u32 [tile+256], 0;\n\tbar.sync 0;\n\tld.shared.u32 %r4, [%r1+4];");
        Assert.Contains("thread (63, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.UninitialisedRead, "\tst.shared.u16 [%r1], %rs0;\n\tld.shared.u32 %r4, [%r1]; //!", "\tst.shared.u16 [%r1], %rs0;\n\tld.shared.u16 %rs4, [%r1];");
        Finds(FaultKind.UninitialisedRead, "\tst.local.u32 [frame], %r0;\n\tld.local.v2.u32 {%r4, %r5}, [frame]; //!", "\tst.local.u32 [frame], %r0;\n\tld.local.u32 %r4, [frame];");
        Finds(FaultKind.UninitialisedRead, "\tld.global.u32 %r4, [%rd11]; //!", "\tst.global.u32 [%rd11], %r0;\n\tld.global.u32 %r4, [%rd11];");
        Finds(FaultKind.UninitialisedRead, "\tred.global.add.u32 [%rd1], 1; //!", "\tred.global.add.u32 [%rd0], 1;");
    }

    [Fact]
    public void Shared_memory_of_an_earlier_block_does_not_count_as_written() => Finds(FaultKind.UninitialisedRead,
        "\tmov.u32 %r4, %ctaid.x;\n\tsetp.eq.u32 %p1, %r4, 0;\n\t@%p1 st.shared.u32 [%r1], %r0;\n\tld.shared.u32 %r5, [%r1]; //!",
        "\tst.shared.u32 [%r1], %r0;\n\tld.shared.u32 %r5, [%r1];", 32, 2);

    [Fact]
    public void A_race_in_shared_memory_between_warps_is_found()
    {
        // Thread t reads what thread t + 32 wrote.
        const string write = "\tst.shared.u32 [%r1], %r0;\n", neighbour = "\txor.b32 %r4, %r3, 128;\n\tadd.u32 %r4, %r4, %r2;\n";
        PtxFaultException fault = Finds(FaultKind.Race, "\tst.shared.u32 [tile+256], 1;\n" + write + neighbour + "\tsetp.gt.u32 %p1, %r0, 31;\n\t@%p1 ld.shared.u32 %r5, [%r4]; //!", write + neighbour + "\tbar.sync 0;\n\tld.shared.u32 %r5, [%r4];");
        Assert.Contains("was written by thread (0, 0, 0) at line", fault.Message, StringComparison.Ordinal);
        // A write after another warp's read, and two writes.
        const string firstReads = write + "\tbar.sync 0;\n" + neighbour + "\tsetp.gt.u32 %p1, %r0, 31;\n\t@%p1 ld.shared.u32 %r5, [%r4];\n";
        fault = Finds(FaultKind.Race, firstReads + "\t@!%p1 st.shared.u32 [%r1], 7; //!", firstReads + "\tbar.sync 0;\n\t@!%p1 st.shared.u32 [%r1], 7;");
        Assert.Contains("is written here and was read by thread (32, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.Race, write.Replace("\n", " //!\n", StringComparison.Ordinal) + neighbour + "\tst.shared.u32 [%r4], %r0;", write + neighbour + "\tbar.sync 0;\n\tst.shared.u32 [%r4], %r0;");
        Finds(FaultKind.Race, "\tst.shared.u32 [tile], %r0; //!", "\tst.shared.u32 [tile], 5;");
    }

    [Fact]
    public void A_read_by_several_warps_is_remembered_for_each_of_them() => Finds(FaultKind.Race,
        "\tst.shared.u32 [tile], 1;\n\tbar.sync 0;\n\tld.shared.u32 %r4, [tile];\n\tsetp.lt.u32 %p1, %r0, 32;\n\t@%p1 bar.sync 1, 32;\n\tsetp.eq.u32 %p2, %r0, 95;\n\t@%p2 st.shared.u32 [tile], 2; //!",
        "\tst.shared.u32 [tile], 1;\n\tbar.sync 0;\n\tld.shared.u32 %r4, [tile];\n\tbar.sync 0;\n\tsetp.eq.u32 %p2, %r0, 95;\n\t@%p2 st.shared.u32 [tile], 2;", 96);

    [Fact]
    public void A_race_between_lanes_of_a_warp_is_found_and_warp_synchronisation_prevents_it()
    {
        const string write = "\tst.shared.u32 [%r1], %r0;\n", neighbour = "\txor.b32 %r4, %r3, 4;\n\tadd.u32 %r4, %r4, %r2;\n", read = "\tld.shared.u32 %r5, [%r4];";
        Finds(FaultKind.Race, write + neighbour + read + " //!", write + neighbour + "\tbar.warp.sync 0xFFFFFFFF;\n" + read, 32);
        Finds(FaultKind.Race, write + neighbour + read + " //!", write + neighbour + "\tshfl.sync.idx.b32 %r6, %r0, 0, 31, -1;\n" + read, 32);
        Finds(FaultKind.Race, write + "\tsetp.lt.u32 %p1, %r0, 16;\n\t@%p1 bar.warp.sync 0xFFFF;\n" + neighbour + read + " //!", write + "\tbar.warp.sync -1;\n" + neighbour + read, 32);
    }

    [Fact]
    public void Named_barriers_order_the_warps_that_take_part_and_no_others()
    {
        // Warp 0 writes and arrives, warp 1 waits and reads; warp 2 does not take part.
        string body(int reader) => $"""
            	shr.u32 %r4, %r0, 5;
            	setp.eq.u32 %p1, %r4, 0;
            	setp.eq.u32 %p2, %r4, 1;
            	setp.eq.u32 %p3, %r4, {reader};
            	@%p1 st.shared.u32 [%r1], %r0;
            	@%p1 bar.arrive 3, 64;
            	@%p2 bar.sync 3, 64;
            	and.b32 %r5, %r3, 127;
            	add.u32 %r5, %r5, %r2;
            	@%p3 ld.shared.u32 %r6, [%r5]; //!
            """;
        Finds(FaultKind.Race, body(2), body(1), 96);
        // What the producer writes after its arrival is not covered.
        const string late = "\tshr.u32 %r4, %r0, 5;\n\tsetp.eq.u32 %p1, %r4, 0;\n\t@%p1 bar.arrive 3, 64;\n\t@%p1 st.shared.u32 [%r1], %r0;\n\t@!%p1 bar.sync 3, 64;\n\t@!%p1 ld.shared.u32 %r6, [%r1+-128]; //!";
        const string early = "\tshr.u32 %r4, %r0, 5;\n\tsetp.eq.u32 %p1, %r4, 0;\n\t@%p1 st.shared.u32 [%r1], %r0;\n\t@%p1 bar.arrive 3, 64;\n\t@!%p1 bar.sync 3, 64;\n\t@!%p1 ld.shared.u32 %r6, [%r1+-128];";
        Finds(FaultKind.Race, late, early);
    }

    [Fact]
    public void An_ordinary_access_beside_an_atomic_one_is_a_race()
    {
        const string zero = "\tsetp.eq.u32 %p1, %r0, 0;\n\t@%p1 st.shared.u32 [tile], 0;\n\tbar.sync 0;\n\tred.shared.add.u32 [tile], 1;\n";
        Finds(FaultKind.Race, zero + "\tld.shared.u32 %r4, [tile]; //!", zero + "\tbar.sync 0;\n\tld.shared.u32 %r4, [tile];");
    }

    [Fact]
    public void A_look_at_a_cp_async_destination_before_the_wait_is_found()
    {
        const string copy = "\tcp.async.ca.shared.global [%r1], [%rd10], 4;\n\tcp.async.commit_group;\n";
        const string second = "\tcp.async.ca.shared.global [%r1+256], [%rd10], 4;\n\tcp.async.commit_group;\n";
        Finds(FaultKind.AsyncCopyNotWaited, copy + "\tld.shared.u32 %r4, [%r1]; //!", copy + "\tcp.async.wait_group 0;\n\tld.shared.u32 %r4, [%r1];");
        Finds(FaultKind.AsyncCopyNotWaited, copy + second + "\tcp.async.wait_group 1;\n\tld.shared.u32 %r4, [%r1+256]; //!", copy + second + "\tcp.async.wait_group 1;\n\tld.shared.u32 %r4, [%r1];");
        Finds(FaultKind.AsyncCopyNotWaited, copy + "\tst.shared.u32 [%r1], %r0; //!", copy + "\tcp.async.wait_all;\n\tst.shared.u32 [%r1], %r0;");
        // The copy that no group holds is not complete when the groups are.
        Finds(FaultKind.AsyncCopyNotWaited, "\tcp.async.ca.shared.global [%r1], [%rd10], 4;\n\tcp.async.wait_group 0;\n\tld.shared.u32 %r4, [%r1]; //!", copy + "\tcp.async.wait_group 0;\n\tld.shared.u32 %r4, [%r1];");
        // The wait is the waiting thread's own: others need a barrier after it.
        const string other = "\txor.b32 %r4, %r3, 128;\n\tadd.u32 %r4, %r4, %r2;\n";
        Finds(FaultKind.AsyncCopyNotWaited, copy + "\tbar.sync 0;\n" + other + "\tld.shared.u32 %r5, [%r4]; //!", copy + "\tcp.async.wait_group 0;\n\tbar.sync 0;\n" + other + "\tld.shared.u32 %r5, [%r4];");
        Finds(FaultKind.Race, copy + "\tcp.async.wait_group 0;\n\txor.b32 %r4, %r3, 4;\n\tadd.u32 %r4, %r4, %r2;\n\tld.shared.u32 %r5, [%r4];\n", copy + "\tcp.async.wait_group 0;\n\tbar.sync 0;\n" + other + "\tld.shared.u32 %r5, [%r4];", mark: "ld.shared");
    }

    private static void Finds(FaultKind kind, string faulty, string twin, string mark) => Finds(kind, faulty.Replace($"\t{mark}.u32 %r5, [%r4];", $"\t{mark}.u32 %r5, [%r4]; //!", StringComparison.Ordinal), twin);

    [Fact]
    public void A_barrier_that_not_all_threads_reach_is_found()
    {
        const string half = "\tsetp.lt.u32 %p1, %r0, 16;\n", warp = "\tsetp.lt.u32 %p1, %r0, 32;\n";
        Finds(FaultKind.DivergentBarrier, half + "\t@%p1 bar.sync 0; //!", half + "\tbar.sync 0;");
        Finds(FaultKind.DivergentBarrier, warp + "\t@%p1 bar.sync 0; //!", warp + "\t@%p1 bar.sync 1, 32;");
        Finds(FaultKind.DivergentBarrier, half + "\t@%p1 exit;\n\tbar.sync 0; //!", half + "\tbar.sync 0;\n\t@%p1 exit;");
        Finds(FaultKind.DivergentBarrier, half + "\t@%p1 bra A;\n\tbar.sync 0; //!\n\tbra B;\nA:\n\tadd.u32 %r4, %r0, 1;\nB:\n", half + "\t@%p1 bra A;\n\tmov.u32 %r4, 1;\n\tbra B;\nA:\n\tadd.u32 %r4, %r0, 1;\nB:\n\tbar.sync 0;\n");
        Finds(FaultKind.DivergentBarrier, warp + "\t@%p1 bar.arrive 2, 64; //!", warp + "\t@%p1 bar.arrive 2, 64;\n\t@!%p1 bar.sync 2, 64;");
    }

    [Fact]
    public void A_warp_instruction_that_its_members_do_not_run_together_is_found()
    {
        const string half = "\tsetp.lt.u32 %p1, %r0, 16;\n";
        Finds(FaultKind.DivergentWarp, half + "\t@%p1 shfl.sync.bfly.b32 %r4, %r0, 1, 31, -1; //!", half + "\t@%p1 shfl.sync.bfly.b32 %r4, %r0, 1, 31, 0xFFFF;", 32);
        Finds(FaultKind.DivergentWarp, "\tshfl.sync.bfly.b32 %r4, %r0, 1, 31, 0xFFFF; //!", "\tshfl.sync.bfly.b32 %r4, %r0, 1, 31, -1;", 32);
        Finds(FaultKind.DivergentWarp, half + "\t@%p1 bar.warp.sync -1; //!", half + "\tbar.warp.sync -1;", 32);
        const string mma = "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2, %f3}, {%r0, %r0, %r0, %r0}, {%r0, %r0}, {%f0, %f1, %f2, %f3};";
        Finds(FaultKind.DivergentWarp, half + "\t@%p1 " + mma + " //!", half + "\t" + mma, 32);
        Finds(FaultKind.DivergentWarp, half + "\t@%p1 bra.uni A; //!\n\tmov.u32 %r4, 1;\nA:\n", half + "\t@%p1 bra A;\n\tmov.u32 %r4, 1;\nA:\n", 32);
    }

    [Fact]
    public void A_shuffle_from_a_lane_that_does_not_take_part_is_found()
    {
        Finds(FaultKind.InactiveLane, "\tshfl.sync.down.b32 %r4, %r0, 4, 31, -1; //!", "\tsub.u32 %r5, 19, %r0;\n\tshfl.sync.idx.b32 %r4, %r0, %r5, 31, -1;", 20);
        Finds(FaultKind.InactiveLane, "\tsetp.lt.u32 %p1, %r0, 16;\n\t@%p1 shfl.sync.idx.b32 %r4, %r0, 20, 31, 0xFFFF; //!", "\tsetp.lt.u32 %p1, %r0, 16;\n\t@%p1 shfl.sync.idx.b32 %r4, %r0, 10, 31, 0xFFFF;", 32);
    }

    [Fact]
    public void A_race_in_global_memory_is_found_between_blocks_and_within_one()
    {
        PtxFaultException fault = Finds(FaultKind.Race, "\tmov.u32 %r4, %ctaid.x;\n\tst.global.u32 [%rd11], %r4; //!", "\tst.global.u32 [%rd11], %r0;", 64, 2);
        Assert.Contains("was written by block (0, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.Race, "\tst.global.u32 [%rd11], %r0;\n\tld.global.u32 %r5, [%rd1]; //!", "\tst.global.u32 [%rd11], %r0;\n\tbar.sync 0;\n\tld.global.u32 %r5, [%rd1];");
        Finds(FaultKind.Race, "\tld.global.u32 %r5, [%rd0];\n\tst.global.u32 [%rd0], %r0; //!", "\tld.global.u32 %r5, [%rd0];\n\tbar.sync 0;\n\tst.global.u32 [%rd0], 5;");
        // Blocks are never ordered by their barriers.
        Finds(FaultKind.Race, "\tld.global.u32 %r5, [%rd0]; //!\n\tbar.sync 0;\n\tst.global.u32 [%rd0], 5;", "\tld.global.u32 %r5, [%rd0];\n\tbar.sync 0;\n\tst.global.u32 [%rd11], 5;", 64, 2);
        Finds(FaultKind.Race, "\tst.global.u32 [%rd11], %r0;\n\tld.global.nc.u32 %r5, [%rd11]; //!", "\tst.global.u32 [%rd11], %r0;\n\tld.global.u32 %r5, [%rd11];");
        Finds(FaultKind.Race, "\tred.global.add.u32 [%rd0], 1;\n\tld.global.u32 %r5, [%rd0]; //!", "\tred.global.add.u32 [%rd0], 1;\n\tbar.sync 0;\n\tld.global.u32 %r5, [%rd0];");
    }

    [Fact]
    public void A_fence_and_an_atomic_counter_order_the_last_block_after_the_others()
    {
        // Each block writes its part, then counts itself; the last one reads every part.
        static string body(string fence) => $"""
            	mov.u32 %r4, %ctaid.x;
            	mul.wide.u32 %rd3, %r4, 4;
            	add.u64 %rd4, %rd1, %rd3;
            	st.global.u32 [%rd4], %r4;
            	{fence}
            	atom.global.add.u32 %r5, [%rd0], 1;
            	setp.eq.u32 %p1, %r5, 2;
            	@%p1 ld.global.u32 %r6, [%rd1]; //!
            """;
        Finds(FaultKind.Race, body(""), body("membar.gl;"), 1, 3);
        Finds(FaultKind.Race, body("membar.cta;"), body("fence.acq_rel.gpu;"), 1, 3);
    }

    [Fact]
    public void An_endless_loop_is_ended_by_the_instruction_budget() => Finds(FaultKind.InstructionBudget,
        "\tmov.u32 %r4, 0;\nHEAD:\n\tbra HEAD; //!", "\tmov.u32 %r4, 0;\nHEAD:\n\tadd.u32 %r4, %r4, 1;\n\tsetp.lt.u32 %p1, %r4, 100;\n\t@%p1 bra HEAD;");

    [Fact]
    public void A_trap_and_a_branch_index_out_of_range_are_faults()
    {
        Finds(FaultKind.Trap, "\tsetp.eq.u32 %p1, %r0, 7;\n\t@%p1 trap; //!", "\tsetp.eq.u32 %p1, %r0, 77;\n\t@%p1 trap;");
        Finds(FaultKind.Trap, "T: .branchtargets A, B;\n\tbrx.idx %r0, T; //!\nA:\nB:\n", "T: .branchtargets A, B;\n\tand.b32 %r4, %r0, 1;\n\tbrx.idx %r4, T;\nA:\nB:\n");
    }

    [Theory]
    [InlineData(99)]
    [InlineData(227)]
    public void More_shared_memory_than_the_limit_is_a_fault(int limitInKilobytes)
    {
        PtxKernel kernel = PtxModule.Parse(PtxText.Kernel(0, "\tst.shared.u32 [dynamic], 1;", "", ".extern .shared .align 16 .b8 dynamic[];\n.shared .b8 fixed[512];")).Kernel("k");
        var machine = new PtxMachine { SharedMemoryLimit = limitInKilobytes * 1024 };
        // The kernel has 512 bytes of its own.
        machine.Launch(kernel, 1, 32, limitInKilobytes * 1024 - 512);
        var fault = Assert.Throws<PtxFaultException>(() => machine.Launch(kernel, 1, 32, limitInKilobytes * 1024 - 511));
        Assert.Equal(FaultKind.LaunchLimit, fault.Kind);
    }

    [Fact]
    public void Static_shared_memory_and_block_sizes_have_their_limits()
    {
        string text(int bytes) => PtxText.Kernel(0, "\tmov.u32 %r1, tile;", $"\t.shared .align 4 .b8 tile[{bytes}];", directives: ".maxntid 128, 1, 1");
        var machine = new PtxMachine();
        machine.Launch(PtxModule.Parse(text(49152)).Kernel("k"), 1, 128, 0);
        Assert.Equal(FaultKind.LaunchLimit, Assert.Throws<PtxFaultException>(() => machine.Launch(PtxModule.Parse(text(49156)).Kernel("k"), 1, 32, 0)).Kind);
        Assert.Equal(FaultKind.LaunchLimit, Assert.Throws<PtxFaultException>(() => machine.Launch(PtxModule.Parse(text(4)).Kernel("k"), 1, 129, 0)).Kind);
    }

    [Fact]
    public void Read_only_buffers_and_constants_cannot_be_written()
    {
        var machine = new PtxMachine();
        PtxKernel kernel = PtxModule.Parse(PtxText.Kernel(1, "\tst.global.u32 [%rd0], 1;")).Kernel("k");
        machine.Launch(kernel, 1, 1, 0, machine.Allocate(4));
        Assert.Equal(FaultKind.ReadOnly, Assert.Throws<PtxFaultException>(() => machine.Launch(kernel, 1, 1, 0, machine.Allocate(new int[1], readOnly: true))).Kind);
    }
}
