using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>Registers that share a slot of the register file, and those that are read before they are written.</summary>
public class RegisterSlotsTests
{
    private const uint Unwritten = 0x7FF7_DEAD;

    [Fact]
    public void Values_that_are_not_needed_at_the_same_time_share_a_slot()
    {
        string chain = string.Concat(Enumerable.Range(1, 40).Select(i => $"\tadd.u32 %r{i}, %r{i - 1}, 1;\n"));
        PtxKernel kernel = Parse(chain + Store("%r40"));
        Assert.InRange(kernel.RegisterSlots - kernel.Constants.Count - kernel.Specials.Count, 1, 8);
        Assert.Empty(kernel.Unwritten);
        Assert.Equal(Lanes(lane => lane + 40), Run(kernel));
    }

    [Fact]
    public void What_is_read_before_it_is_written_is_no_number_in_every_block()
    {
        // Between the blocks the slots of others hold what the earlier block left.
        string others = string.Concat(Enumerable.Range(3, 20).Select(i => $"\tadd.u32 %r{i}, %r0, {i};\n"));
        PtxKernel kernel = Parse("\tmov.u32 %r2, %r1;\n" + others + "\tmov.u32 %r1, 5;\n" + Store("%r2"));
        Assert.Single(kernel.Unwritten);
        Assert.All(Run(kernel, blocks: 3), value => Assert.Equal(Unwritten, value));
    }

    [Fact]
    public void What_one_path_leaves_unwritten_is_no_number_where_the_paths_meet()
    {
        PtxKernel kernel = Parse("""
            	setp.lt.u32 %p1, %r0, 8;
            	@%p1 bra FEW;
            	mov.u32 %r5, 1;
            	add.u32 %r6, %r5, %r0;
            	bra MEET;
            FEW:
            	add.u32 %r7, %r0, 2;
            	add.u32 %r8, %r7, 3;
            MEET:

            """ + Store("%r6"));
        Assert.Equal(Lanes(lane => lane < 8 ? Unwritten : lane + 1), Run(kernel));
    }

    [Fact]
    public void What_a_guard_leaves_out_keeps_its_value()
    {
        PtxKernel kernel = Parse("""
            	setp.lt.u32 %p1, %r0, 8;
            	@%p1 mov.u32 %r5, 7;
            	add.u32 %r6, %r0, 1;
            	@!%p1 mov.u32 %r6, %r5;

            """ + Store("%r6"));
        Assert.Equal(Lanes(lane => lane < 8 ? lane + 1 : Unwritten), Run(kernel));
    }

    [Fact]
    public void A_value_from_before_a_loop_lasts_through_all_of_its_turns()
    {
        PtxKernel kernel = Parse("""
            	add.u32 %r5, %r0, 100;
            	mov.u32 %r6, 0;
            	mov.u32 %r9, 0;
            TURN:
            	add.u32 %r7, %r6, 1;
            	add.u32 %r9, %r9, %r5;
            	mul.lo.u32 %r8, %r7, 3;
            	xor.b32 %r10, %r8, %r7;
            	mov.u32 %r6, %r7;
            	setp.le.u32 %p1, %r6, %r0;
            	@%p1 bra TURN;

            """ + Store("%r9"));
        Assert.Equal(Lanes(lane => (lane + 1) * (lane + 100)), Run(kernel));
    }

    [Fact]
    public void Paths_that_part_do_not_disturb_each_other()
    {
        // Each path has its own values, which may share slots, while %r4 is kept for after they meet.
        string few = string.Concat(Enumerable.Range(10, 10).Select(i => $"\tadd.u32 %r{i}, %r{(i == 10 ? 0 : i - 1)}, 1;\n"));
        string many = string.Concat(Enumerable.Range(30, 10).Select(i => $"\tadd.u32 %r{i}, %r{(i == 30 ? 0 : i - 1)}, 2;\n"));
        PtxKernel kernel = Parse($"""
            	mul.lo.u32 %r4, %r0, 1000;
            	setp.lt.u32 %p1, %r0, 8;
            	@%p1 bra FEW;
            {many}	add.u32 %r5, %r39, 0;
            	bra MEET;
            FEW:
            {few}	add.u32 %r5, %r19, 0;
            MEET:
            	add.u32 %r6, %r4, %r5;

            """ + Store("%r6"));
        Assert.Equal(Lanes(lane => (1000 * lane) + lane + (lane < 8 ? 10u : 20u)), Run(kernel));
    }

    private static uint[] Lanes(Func<uint, uint> value) => [.. Enumerable.Range(0, 32).Select(lane => value((uint)lane))];

    private static string Store(string register) =>
        $"\tmul.wide.u32 %rd8, %r0, 4;\n\tadd.u64 %rd9, %rd0, %rd8;\n\tst.global.u32 [%rd9], {register};\n";

    private static PtxKernel Parse(string body) => PtxModule.Parse(PtxText.Kernel(1, body)).Kernel("k");

    private static uint[] Run(PtxKernel kernel, int blocks = 1)
    {
        var machine = new PtxMachine();
        PtxBuffer result = machine.Allocate(4 * 32);
        machine.Launch(kernel, blocks, 32, 0, result);
        return result.ToArray<uint>();
    }
}
