using Conformance.Ptx;
using static Tests.Ptx.PlantedFault;

namespace Tests.Ptx;

/// <summary>
/// Kernels with one planted fault each, of any kind but a race: the fault is found at its line, and the twin without it runs.
/// </summary>
public class FaultTests
{
    [Fact]
    public void An_access_past_the_end_of_a_buffer_is_found()
    {
        PtxFaultException fault = Finds(FaultKind.OutOfBounds, "!ld.global.u32 %r4, [%rd10+772];", "ld.global.u32 %r4, [%rd10+768];");
        Assert.Contains("byte 1024 of 'input', which has 1024 bytes", fault.Message, StringComparison.Ordinal);
        Assert.Contains("thread (63, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.OutOfBounds, "!st.global.u32 [%rd11+-4], %r0;", "st.global.u32 [%rd11], %r0;");
        Finds(FaultKind.OutOfBounds,
            "!ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+1024];",
            "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+1008];", 1);
        Finds(FaultKind.OutOfBounds, "mov.b64 %rd1, 0; !ld.global.u32 %r4, [%rd1];", "ld.global.u32 %r4, [%rd0];");
    }

    [Fact]
    public void An_access_outside_shared_or_local_variables_is_found()
    {
        Finds(FaultKind.OutOfBounds, "!st.shared.u32 [%r1+772], %r0;", "st.shared.u32 [%r1+768], %r0;");
        Finds(FaultKind.OutOfBounds, "!st.shared.u32 [%r1+-4], %r0;", "st.shared.u32 [%r1], %r0;");
        Finds(FaultKind.OutOfBounds, "!st.local.u32 [frame+32], %r0;", "st.local.u32 [frame+28], %r0;");
        Finds(FaultKind.OutOfBounds, "!st.shared.u32 [dynamic+64], %r0;", "st.shared.u32 [dynamic+60], %r0;", 1, 1, 64);
        Finds(FaultKind.OutOfBounds, "mov.u64 %rd2, tile; !st.global.u32 [%rd2], %r0;", "mov.u64 %rd2, tile; st.shared.u32 [%rd2], 3;");
        Finds(FaultKind.OutOfBounds,
            "mov.u64 %rd2, tile; cvta.shared.u64 %rd3, %rd2; !st.u32 [%rd3+1024], %r0;",
            "mov.u64 %rd2, tile; cvta.shared.u64 %rd3, %rd2; st.u32 [%rd3+1020], 4;");
        Finds(FaultKind.OutOfBounds, "mov.u64 %rd2, tile; cvta.to.shared.u64 %rd3, %rd2; !st.shared.u32 [%rd3], %r0;",
            "mov.u64 %rd2, tile; cvta.shared.u64 %rd3, %rd2; cvta.to.shared.u64 %rd3, %rd3; st.shared.u32 [%rd3], 5;");
    }

    [Fact]
    public void A_misaligned_access_is_found()
    {
        Finds(FaultKind.Misaligned, "!ld.global.u32 %r4, [%rd10+2];", "ld.global.u16 %rs4, [%rd10+2];");
        Finds(FaultKind.Misaligned, "!ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd0+8];", "ld.global.v2.u32 {%r4, %r5}, [%rd0+8];");
        Finds(FaultKind.Misaligned, "!st.shared.b64 [%r1], %rd9;", "st.shared.b32 [%r1], %r0;");
        Finds(FaultKind.Misaligned, "!cp.async.cg.shared.global [%r2], [%rd0+4], 16;", "cp.async.ca.shared.global [%r2], [%rd0+4], 4;", 1);
        Finds(FaultKind.Misaligned,
            "!cp.async.cg.shared.global [%r2+8], [%rd0], 16;",
            "cp.async.cg.shared.global [%r2+16], [%rd0], 16;", 1);
        const string fill = "st.shared.u32 [%r1], %r0; st.shared.u32 [%r1+128], %r0; st.shared.u32 [%r1+256], %r0; " +
            "st.shared.u32 [%r1+384], %r0; bar.sync 0; shl.b32 %r4, %r0, 4; add.u32 %r4, %r4, %r2; ";
        Finds(FaultKind.Misaligned,
            fill + "!ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r5, %r6}, [%r4+8];",
            fill + "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r5, %r6}, [%r4+16];", 32);
    }

    [Fact]
    public void A_read_of_memory_nothing_has_written_is_found()
    {
        PtxFaultException fault = Finds(FaultKind.UninitialisedRead,
            "st.shared.u32 [%r1], %r0; bar.sync 0; !ld.shared.u32 %r4, [%r1+4];",
            "st.shared.u32 [%r1], %r0; st.shared.u32 [tile+256], 0; bar.sync 0; ld.shared.u32 %r4, [%r1+4];");
        Assert.Contains("thread (63, 0, 0)", fault.Message, StringComparison.Ordinal);
        Finds(FaultKind.UninitialisedRead,
            "st.shared.u16 [%r1], %rs0; !ld.shared.u32 %r4, [%r1];",
            "st.shared.u16 [%r1], %rs0; ld.shared.u16 %rs4, [%r1];");
        Finds(FaultKind.UninitialisedRead,
            "st.local.u32 [frame], %r0; !ld.local.v2.u32 {%r4, %r5}, [frame];",
            "st.local.u32 [frame], %r0; ld.local.u32 %r4, [frame];");
        Finds(FaultKind.UninitialisedRead, "!ld.global.u32 %r4, [%rd11];", "st.global.u32 [%rd11], %r0; ld.global.u32 %r4, [%rd11];");
        Finds(FaultKind.UninitialisedRead, "!red.global.add.u32 [%rd1], 1;", "red.global.add.u32 [%rd0], 1;");
    }

    [Fact]
    public void Shared_memory_of_an_earlier_block_does_not_count_as_written() => Finds(FaultKind.UninitialisedRead,
        "mov.u32 %r4, %ctaid.x; setp.eq.u32 %p1, %r4, 0; @%p1 st.shared.u32 [%r1], %r0; !ld.shared.u32 %r5, [%r1];",
        "st.shared.u32 [%r1], %r0; ld.shared.u32 %r5, [%r1];", 32, 2);

    [Fact]
    public void A_barrier_that_not_all_threads_reach_is_found()
    {
        const string half = "setp.lt.u32 %p1, %r0, 16; ", warp = "setp.lt.u32 %p1, %r0, 32; ";
        Finds(FaultKind.DivergentBarrier, half + "!@%p1 bar.sync 0;", half + "bar.sync 0;");
        Finds(FaultKind.DivergentBarrier, warp + "!@%p1 bar.sync 0;", warp + "@%p1 bar.sync 1, 32;");
        Finds(FaultKind.DivergentBarrier, half + "@%p1 exit; !bar.sync 0;", half + "bar.sync 0; @%p1 exit;");
        Finds(FaultKind.DivergentBarrier,
            half + "@%p1 bra A; !bar.sync 0; bra B; A: add.u32 %r4, %r0, 1; B: ",
            half + "@%p1 bra A; mov.u32 %r4, 1; bra B; A: add.u32 %r4, %r0, 1; B: bar.sync 0; ");
        Finds(FaultKind.DivergentBarrier, warp + "!@%p1 bar.arrive 2, 64;", warp + "@%p1 bar.arrive 2, 64; @!%p1 bar.sync 2, 64;");
    }

    [Fact]
    public void A_warp_instruction_that_its_members_do_not_run_together_is_found()
    {
        const string half = "setp.lt.u32 %p1, %r0, 16; ";
        Finds(FaultKind.DivergentWarp,
            half + "!@%p1 shfl.sync.bfly.b32 %r4, %r0, 1, 31, -1;",
            half + "@%p1 shfl.sync.bfly.b32 %r4, %r0, 1, 31, 0xFFFF;", 32);
        Finds(FaultKind.DivergentWarp, "!shfl.sync.bfly.b32 %r4, %r0, 1, 31, 0xFFFF;", "shfl.sync.bfly.b32 %r4, %r0, 1, 31, -1;", 32);
        Finds(FaultKind.DivergentWarp, half + "!@%p1 bar.warp.sync -1;", half + "bar.warp.sync -1;", 32);
        const string sums = "{%f0, %f1, %f2, %f3}", factors = "{%r0, %r0, %r0, %r0}, {%r0, %r0}";
        const string mma = $"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {sums}, {factors}, {sums};";
        Finds(FaultKind.DivergentWarp, half + "!@%p1 " + mma, half + mma, 32);
        Finds(FaultKind.DivergentWarp, half + "!@%p1 bra.uni A; mov.u32 %r4, 1; A: ", half + "@%p1 bra A; mov.u32 %r4, 1; A: ", 32);
    }

    [Fact]
    public void A_shuffle_from_a_lane_that_does_not_take_part_is_found()
    {
        Finds(FaultKind.InactiveLane,
            "!shfl.sync.down.b32 %r4, %r0, 4, 31, -1;",
            "sub.u32 %r5, 19, %r0; shfl.sync.idx.b32 %r4, %r0, %r5, 31, -1;", 20);
        Finds(FaultKind.InactiveLane,
            "setp.lt.u32 %p1, %r0, 16; !@%p1 shfl.sync.idx.b32 %r4, %r0, 20, 31, 0xFFFF;",
            "setp.lt.u32 %p1, %r0, 16; @%p1 shfl.sync.idx.b32 %r4, %r0, 10, 31, 0xFFFF;", 32);
    }

    [Fact]
    public void An_endless_loop_is_ended_by_the_instruction_budget() => Finds(FaultKind.InstructionBudget,
        "mov.u32 %r4, 0; !HEAD: bra HEAD;", "mov.u32 %r4, 0; HEAD: add.u32 %r4, %r4, 1; setp.lt.u32 %p1, %r4, 100; @%p1 bra HEAD;");

    [Fact]
    public void A_trap_and_a_branch_index_out_of_range_are_faults()
    {
        Finds(FaultKind.Trap, "setp.eq.u32 %p1, %r0, 7; !@%p1 trap;", "setp.eq.u32 %p1, %r0, 77; @%p1 trap;");
        Finds(FaultKind.Trap,
            "T: .branchtargets A, B; !brx.idx %r0, T; A: B: ",
            "T: .branchtargets A, B; and.b32 %r4, %r0, 1; brx.idx %r4, T; A: B: ");
    }

    [Theory]
    [InlineData(99)]
    [InlineData(227)]
    public void More_shared_memory_than_the_limit_is_a_fault(int limitInKilobytes)
    {
        PtxKernel kernel = PtxModule.Parse(PtxText.Kernel(0, "st.shared.u32 [dynamic], 1;", "",
            ".extern .shared .align 16 .b8 dynamic[]; .shared .b8 fixed[512];")).Kernel("k");
        var machine = new PtxMachine { SharedMemoryLimit = limitInKilobytes * 1024 };
        // The kernel has 512 bytes of its own.
        machine.Launch(kernel, 1, 32, limitInKilobytes * 1024 - 512);
        var fault = Assert.Throws<PtxFaultException>(() => machine.Launch(kernel, 1, 32, limitInKilobytes * 1024 - 511));
        Assert.Equal(FaultKind.LaunchLimit, fault.Kind);
    }

    [Fact]
    public void Static_shared_memory_and_block_sizes_have_their_limits()
    {
        string text(int bytes) =>
            PtxText.Kernel(0, "mov.u32 %r1, tile;", $".shared .align 4 .b8 tile[{bytes}];", directives: ".maxntid 128, 1, 1");
        var machine = new PtxMachine();
        machine.Launch(PtxModule.Parse(text(49152)).Kernel("k"), 1, 128, 0);
        Assert.Equal(FaultKind.LaunchLimit,
            Assert.Throws<PtxFaultException>(() => machine.Launch(PtxModule.Parse(text(49156)).Kernel("k"), 1, 32, 0)).Kind);
        Assert.Equal(FaultKind.LaunchLimit,
            Assert.Throws<PtxFaultException>(() => machine.Launch(PtxModule.Parse(text(4)).Kernel("k"), 1, 129, 0)).Kind);
    }

    [Fact]
    public void Read_only_buffers_and_constants_cannot_be_written()
    {
        var machine = new PtxMachine();
        PtxKernel kernel = PtxModule.Parse(PtxText.Kernel(1, "st.global.u32 [%rd0], 1;")).Kernel("k");
        machine.Launch(kernel, 1, 1, 0, machine.Allocate(4));
        Assert.Equal(FaultKind.ReadOnly,
            Assert.Throws<PtxFaultException>(() => machine.Launch(kernel, 1, 1, 0, machine.Allocate(new int[1], readOnly: true))).Kind);
    }
}
