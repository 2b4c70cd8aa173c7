using Conformance.Ptx;
using static Tests.Ptx.PlantedFault;

namespace Tests.Ptx;

/// <summary>Kernels whose accesses nothing orders: each race is found at its line, and the twin that orders them runs.</summary>
public class RaceTests
{
    [Fact]
    public void A_race_in_shared_memory_between_warps_is_found()
    {
        // Thread t reads what thread t + 32 wrote.
        const string write = "st.shared.u32 [%r1], %r0; ", neighbour = "xor.b32 %r4, %r3, 128; add.u32 %r4, %r4, %r2; ";
        PtxFaultException fault = Finds(FaultKind.Race,
            "st.shared.u32 [tile+256], 1; " + write + neighbour + "setp.gt.u32 %p1, %r0, 31; !@%p1 ld.shared.u32 %r5, [%r4];",
            write + neighbour + "bar.sync 0; ld.shared.u32 %r5, [%r4];");
        Assert.Contains("was written by thread (0, 0, 0) at line", fault.Message, StringComparison.Ordinal);
        // A write after another warp's read, and two writes.
        const string firstReads = write + "bar.sync 0; " + neighbour + "setp.gt.u32 %p1, %r0, 31; @%p1 ld.shared.u32 %r5, [%r4]; ";
        fault = Finds(FaultKind.Race,
            firstReads + "!@!%p1 st.shared.u32 [%r1], 7;",
            firstReads + "bar.sync 0; @!%p1 st.shared.u32 [%r1], 7;");
        Assert.Contains("is written here and was read by thread (32, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.Race,
            "!" + write + neighbour + "st.shared.u32 [%r4], %r0;",
            write + neighbour + "bar.sync 0; st.shared.u32 [%r4], %r0;");
        Finds(FaultKind.Race, "!st.shared.u32 [tile], %r0;", "st.shared.u32 [tile], 5;");
    }

    [Fact]
    public void A_read_by_several_warps_is_remembered_for_each_of_them() => Finds(FaultKind.Race,
        "st.shared.u32 [tile], 1; bar.sync 0; ld.shared.u32 %r4, [tile]; setp.eq.u32 %p2, %r0, 95; !@%p2 st.shared.u32 [tile], 2;",
        "st.shared.u32 [tile], 1; bar.sync 0; ld.shared.u32 %r4, [tile]; bar.sync 0; setp.eq.u32 %p2, %r0, 95;" +
        "@%p2 st.shared.u32 [tile], 2;", 96);

    [Fact]
    public void A_race_in_any_part_of_a_wide_access_is_found()
    {
        const string fill = "st.shared.u32 [%r1], 7; st.shared.u32 [%r1+256], 8; bar.sync 0; setp.gt.u32 %p1, %r0, 31; ";
        const string read = "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [tile]; ", wide = "st.shared.v4.u32 [tile], {%r0, 1, 2, 3}; ";
        Finds(FaultKind.Race, fill + "@%p1 " + read + "!@!%p1 st.shared.u32 [tile+12], 1;",
            fill + "@%p1 " + read + "@!%p1 st.shared.u32 [tile+16], 1;");
        Finds(FaultKind.Race, fill + "@%p1 st.shared.u32 [tile+8], 1; !@!%p1 " + read,
            fill + "@%p1 st.shared.u32 [tile+16], 1; @!%p1 " + read);
        Finds(FaultKind.Race, fill + "@%p1 ld.shared.u32 %r4, [tile+12]; setp.eq.u32 %p2, %r0, 0; !@%p2 " + wide,
            fill + "@%p1 ld.shared.u32 %r4, [tile+16]; setp.eq.u32 %p2, %r0, 0; @%p2 " + wide);
        const string global = "setp.gt.u32 %p1, %r0, 31; ", readGlobal = "ld.global.v2.u32 {%r4, %r5}, [%rd0]; ";
        Finds(FaultKind.Race, global + "!@%p1 " + readGlobal + "@!%p1 st.global.u32 [%rd0+4], 9;",
            global + "@%p1 " + readGlobal + "@!%p1 st.global.u32 [%rd0+8], 9;");
    }

    [Fact]
    public void Reads_by_several_lanes_warps_or_blocks_are_remembered_for_all_of_them()
    {
        const string read = "ld.global.u32 %r4, [%rd0]; setp.eq.u32 %p1, %r0, ";
        // The last reader may write only when the others are known to be done.
        Finds(FaultKind.Race, read + "31; !@%p1 st.global.u32 [%rd0], 9;", read + "31; bar.warp.sync -1; @%p1 st.global.u32 [%rd0], 9;",
            32);
        Finds(FaultKind.Race, read + "63; bar.warp.sync -1; !@%p1 st.global.u32 [%rd0], 9;",
            read + "63; bar.sync 0; @%p1 st.global.u32 [%rd0], 9;");
        const string last = "mov.u32 %r5, %ctaid.x; setp.eq.u32 %p1, %r5, 2; ";
        Finds(FaultKind.Race, "ld.global.u32 %r4, [%rd0]; " + last + "!@%p1 st.global.u32 [%rd0], 9;",
            last + "@%p1 ld.global.u32 %r4, [%rd0]; @%p1 st.global.u32 [%rd0], 9;", 1, 3);
    }

    [Fact]
    public void A_race_between_lanes_of_a_warp_is_found_and_warp_synchronisation_prevents_it()
    {
        const string write = "st.shared.u32 [%r1], %r0; ", neighbour = "xor.b32 %r4, %r3, 4; add.u32 %r4, %r4, %r2; ",
            read = "ld.shared.u32 %r5, [%r4];";
        Finds(FaultKind.Race, write + neighbour + "!" + read, write + neighbour + "bar.warp.sync 0xFFFFFFFF; " + read, 32);
        Finds(FaultKind.Race, write + neighbour + "!" + read, write + neighbour + "shfl.sync.idx.b32 %r6, %r0, 0, 31, -1; " + read, 32);
        Finds(FaultKind.Race,
            write + "setp.lt.u32 %p1, %r0, 16; @%p1 bar.warp.sync 0xFFFF; " + neighbour + "!" + read,
            write + "bar.warp.sync -1; " + neighbour + read, 32);
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
            	!@%p3 ld.shared.u32 %r6, [%r5];
            """;
        Finds(FaultKind.Race, body(2), body(1), 96);
        // What the producer writes after its arrival is not covered.
        const string first = "setp.lt.u32 %p1, %r0, 32; ", arrive = "@%p1 bar.arrive 3, 64; ", write = "@%p1 st.shared.u32 [%r1], %r0; ";
        const string wait = "@!%p1 bar.sync 3, 64; ", read = "@!%p1 ld.shared.u32 %r6, [%r1+-128];";
        Finds(FaultKind.Race, first + arrive + write + wait + "!" + read, first + write + arrive + wait + read);
    }

    [Fact]
    public void An_ordinary_access_beside_an_atomic_one_is_a_race()
    {
        const string zero = "setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [tile], 0; bar.sync 0; red.shared.add.u32 [tile], 1; ";
        Finds(FaultKind.Race, zero + "!ld.shared.u32 %r4, [tile];", zero + "bar.sync 0; ld.shared.u32 %r4, [tile];");
    }

    [Fact]
    public void A_look_at_a_cp_async_destination_before_the_wait_is_found()
    {
        const string copy = "cp.async.ca.shared.global [%r1], [%rd10], 4; cp.async.commit_group; ";
        const string second = "cp.async.ca.shared.global [%r1+256], [%rd10], 4; cp.async.commit_group; ";
        Finds(FaultKind.AsyncCopyNotWaited, copy + "!ld.shared.u32 %r4, [%r1];", copy + "cp.async.wait_group 0; ld.shared.u32 %r4, [%r1];");
        Finds(FaultKind.AsyncCopyNotWaited,
            copy + second + "cp.async.wait_group 1; !ld.shared.u32 %r4, [%r1+256];",
            copy + second + "cp.async.wait_group 1; ld.shared.u32 %r4, [%r1];");
        Finds(FaultKind.AsyncCopyNotWaited, copy + "!st.shared.u32 [%r1], %r0;", copy + "cp.async.wait_all; st.shared.u32 [%r1], %r0;");
        // The copy that no group holds is not complete when the groups are.
        Finds(FaultKind.AsyncCopyNotWaited,
            "cp.async.ca.shared.global [%r1], [%rd10], 4; cp.async.wait_group 0; !ld.shared.u32 %r4, [%r1];",
            copy + "cp.async.wait_group 0; ld.shared.u32 %r4, [%r1];");
        // The wait is the waiting thread's own: others need a barrier after it.
        const string other = "xor.b32 %r4, %r3, 128; add.u32 %r4, %r4, %r2; ";
        Finds(FaultKind.AsyncCopyNotWaited,
            copy + "bar.sync 0; " + other + "!ld.shared.u32 %r5, [%r4];",
            copy + "cp.async.wait_group 0; bar.sync 0; " + other + "ld.shared.u32 %r5, [%r4];");
        Finds(FaultKind.Race,
            copy + "cp.async.wait_group 0; xor.b32 %r4, %r3, 4; add.u32 %r4, %r4, %r2; !ld.shared.u32 %r5, [%r4];",
            copy + "cp.async.wait_group 0; bar.sync 0; " + other + "ld.shared.u32 %r5, [%r4];");
    }

    [Fact]
    public void A_race_in_global_memory_is_found_between_blocks_and_within_one()
    {
        PtxFaultException fault = Finds(FaultKind.Race,
            "mov.u32 %r4, %ctaid.x; !st.global.u32 [%rd11], %r4;",
            "st.global.u32 [%rd11], %r0;", 64, 2);
        Assert.Contains("was written by block (0, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.Race,
            "st.global.u32 [%rd11], %r0; !ld.global.u32 %r5, [%rd1];",
            "st.global.u32 [%rd11], %r0; bar.sync 0; ld.global.u32 %r5, [%rd1];");
        Finds(FaultKind.Race,
            "ld.global.u32 %r5, [%rd0]; !st.global.u32 [%rd0], %r0;",
            "ld.global.u32 %r5, [%rd0]; bar.sync 0; st.global.u32 [%rd0], 5;");
        // Blocks are never ordered by their barriers.
        Finds(FaultKind.Race,
            "!ld.global.u32 %r5, [%rd0]; bar.sync 0; st.global.u32 [%rd0], 5;",
            "ld.global.u32 %r5, [%rd0]; bar.sync 0; st.global.u32 [%rd11], 5;", 64, 2);
        Finds(FaultKind.Race,
            "st.global.u32 [%rd11], %r0; !ld.global.nc.u32 %r5, [%rd11];",
            "st.global.u32 [%rd11], %r0; ld.global.u32 %r5, [%rd11];");
        Finds(FaultKind.Race,
            "red.global.add.u32 [%rd0], 1; !ld.global.u32 %r5, [%rd0];",
            "red.global.add.u32 [%rd0], 1; bar.sync 0; ld.global.u32 %r5, [%rd0];");
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
            	!@%p1 ld.global.u32 %r6, [%rd1];
            """;
        Finds(FaultKind.Race, body(""), body("membar.gl;"), 1, 3);
        Finds(FaultKind.Race, body("membar.cta;"), body("fence.acq_rel.gpu;"), 1, 3);
    }
}
