using Conformance.Cases;
using Conformance.Ptx;

namespace Tests.Ptx;

public class ControlFlowTests
{
    /// <summary>Runs a body that leaves its result in %r10; answers it per thread.</summary>
    private static uint[] Run(string body, int threads = 64, string declarations = "", string module = "")
    {
        var machine = new PtxMachine();
        PtxBuffer result = machine.Allocate(Enumerable.Repeat(0xDEADu, threads).ToArray(), "result");
        string store = "\nDONE:\n\tmul.wide.u32 %rd10, %r0, 4;\n\tadd.u64 %rd11, %rd0, %rd10;\n\tst.global.u32 [%rd11], %r10;\n";
        PtxText.Run(PtxText.Kernel(1, body + store, declarations, module), machine, threads, result);
        return result.ToArray<uint>();
    }

    private static void Check(string body, Func<uint, uint> reference, int threads = 64, string declarations = "", string module = "")
    {
        uint[] actual = Run(body, threads, declarations, module);
        for (uint i = 0; i < threads; i++) Assert.Equal((i, reference(i)), (i, actual[i]));
    }

    [Fact]
    public void Nested_branches_each_reach_the_right_threads() => Check("""
        	and.b32 %r1, %r0, 1;
        	setp.eq.u32 %p1, %r1, 0;
        	mov.u32 %r10, 0;
        	@%p1 bra EVEN;
        	setp.gt.u32 %p2, %r0, 20;
        	@%p2 bra BIG;
        	add.u32 %r10, %r10, 1;
        	bra.uni JOIN;
        BIG:
        	add.u32 %r10, %r10, 2;
        JOIN:
        	add.u32 %r10, %r10, 100;
        	bra END;
        EVEN:
        	setp.lt.u32 %p3, %r0, 10;
        	@!%p3 bra END;
        	add.u32 %r10, %r10, 7;
        END:
        	add.u32 %r10, %r10, 1000;
        """, i => 1000 + (i % 2 == 0 ? (i < 10 ? 7u : 0) : 100 + (i > 20 ? 2u : 1)));

    [Fact]
    public void Loops_run_a_different_number_of_times_in_each_lane() => Check("""
        	mov.u32 %r10, 0;
        	mov.u32 %r1, 0;
        HEAD:
        	setp.ge.u32 %p1, %r1, %r0;
        	@%p1 bra EXIT;
        	mov.u32 %r2, 0;
        INNER:
        	add.u32 %r10, %r10, 1;
        	add.u32 %r2, %r2, 1;
        	setp.le.u32 %p2, %r2, %r1;
        	@%p2 bra INNER;
        	add.u32 %r1, %r1, 1;
        	bra HEAD;
        EXIT:
        """, i => i * (i + 1) / 2, 70);

    [Fact]
    public void Break_and_continue_leave_the_loop_where_they_say() => Check("""
        	mov.u32 %r10, 0;
        	mov.u32 %r1, 0;
        HEAD:
        	setp.eq.u32 %p1, %r1, 40;
        	@%p1 bra EXIT;
        	add.u32 %r1, %r1, 1;
        	rem.u32 %r2, %r1, 3;
        	setp.eq.u32 %p2, %r2, 0;
        	@%p2 bra HEAD;
        	setp.gt.u32 %p3, %r1, %r0;
        	@%p3 bra EXIT;
        	add.u32 %r10, %r10, %r1;
        	bra HEAD;
        EXIT:
        """, i =>
        {
            uint sum = 0;
            for (uint k = 1; k <= 40; k++)
            {
                if (k % 3 == 0) continue;
                if (k > i) break;
                sum += k;
            }
            return sum;
        });

    [Fact]
    public void Threads_that_end_early_leave_the_others_running() => Check("""
        	mov.u32 %r10, 5;
        	setp.gt.u32 %p1, %r0, 40;
        	@%p1 exit;
        	and.b32 %r1, %r0, 3;
        	setp.eq.u32 %p2, %r1, 2;
        	@!%p2 bra ON;
        	ret;
        ON:
        	add.u32 %r10, %r10, %r0;
        """, i => i > 40 || i % 4 == 2 ? 0xDEAD : 5 + i);

    [Fact]
    public void An_indexed_branch_sends_each_thread_to_its_case() => Check("""
        	rem.u32 %r1, %r0, 3;
        	mov.u32 %r10, 0;
        TABLE: .branchtargets CASE0, CASE1, CASE2;
        	brx.idx %r1, TABLE;
        CASE0:
        	mov.u32 %r10, 10;
        	bra END;
        CASE1:
        	mov.u32 %r10, 20;
        CASE2:
        	add.u32 %r10, %r10, 3;
        END:
        	add.u32 %r10, %r10, %r0;
        """, i => i + (i % 3) switch { 0 => 10u, 1 => 23u, _ => 3u });

    [Fact]
    public void Calls_pass_parameters_and_results_and_can_be_nested_and_guarded() => Check("""
        	{
        	.param .b32 arg0;
        	.param .align 8 .b8 arg1[16];
        	.param .b32 out;
        	st.param.b32 [arg0], %r0;
        	st.param.b64 [arg1], 7;
        	st.param.b64 [arg1+8], 35;
        	call.uni (out), outer, (arg0, arg1);
        	ld.param.b32 %r10, [out];
        	}
        	{
        	.param .b32 arg0;
        	.param .b32 out;
        	st.param.b32 [arg0], %r10;
        	st.param.b32 [out], %r10;
        	setp.gt.u32 %p1, %r0, 9;
        	@%p1 call (out), twice, (arg0);
        	ld.param.b32 %r10, [out];
        	}
        """, i => (i < 5 ? 2 * i : i + 42) * (i > 9 ? 2u : 1), module: """
        .func (.param .b32 r) twice(.param .b32 x)
        {
        	.reg .b32 %r<3>;
        	ld.param.b32 %r1, [x];
        	shl.b32 %r2, %r1, 1;
        	st.param.b32 [r], %r2;
        	ret;
        }
        .visible .func (.param .b32 r) outer(.param .b32 n, .param .align 8 .b8 pair[16])
        {
        	.reg .b32 %r<5>;
        	.reg .b64 %rd<4>;
        	.reg .pred %p<2>;
        	ld.param.b32 %r1, [n];
        	setp.lt.u32 %p1, %r1, 5;
        	@!%p1 bra L1;
        	{
        	.param .b32 a;
        	.param .b32 b;
        	st.param.b32 [a], %r1;
        	call.uni (b), twice, (a);
        	ld.param.b32 %r2, [b];
        	}
        	st.param.b32 [r], %r2;
        	ret;
        L1:
        	ld.param.b64 %rd1, [pair];
        	ld.param.b64 %rd2, [pair+8];
        	add.s64 %rd3, %rd1, %rd2;
        	cvt.u32.u64 %r3, %rd3;
        	add.u32 %r4, %r3, %r1;
        	st.param.b32 [r], %r4;
        	ret;
        }
        """);

    [Fact]
    public void Local_memory_belongs_to_each_thread_and_generic_pointers_find_it() => Check("""
        	mov.u64 %rd1, frame;
        	cvta.local.u64 %rd2, %rd1;
        	st.local.v2.b32 [%rd1+8], {%r0, 77};
        	ld.b32 %r1, [%rd2+8];
        	st.b32 [%rd2], %r1;
        	bar.sync 0;
        	ld.local.b32 %r2, [frame];
        	ld.local.b32 %r3, [frame+12];
        	add.u32 %r10, %r2, %r3;
        """, i => i + 77, declarations: "\t.local .align 8 .b8 frame[16];");

    [Fact]
    public void Module_constants_and_three_dimensional_indices_are_readable()
    {
        string text = PtxText.Kernel(1, """
            	mov.u32 %r1, %tid.y;
            	mov.u32 %r2, %tid.z;
            	mov.u32 %r3, %ntid.y;
            	mov.u32 %r4, %ctaid.y;
            	mov.u32 %r5, %ntid.x;
            	mad.lo.u32 %r6, %r2, %r3, %r1;
            	mad.lo.u32 %r7, %r6, %r5, %r0;
            	mad.lo.u32 %r7, %r4, 30, %r7;
            	and.b32 %r8, %r7, 3;
            	mul.wide.u32 %rd1, %r8, 4;
            	mov.u64 %rd2, table;
            	add.u64 %rd3, %rd2, %rd1;
            	ld.const.b32 %r9, [%rd3];
            	mul.wide.u32 %rd4, %r7, 4;
            	add.u64 %rd5, %rd0, %rd4;
            	st.global.b32 [%rd5], %r9;
            """, module: ".const .align 4 .b32 table[4] = {11, 22, 33, 0x2C};");
        var machine = new PtxMachine();
        PtxBuffer result = machine.Allocate(60 * 4);
        machine.Launch(PtxModule.Parse(text).Kernel("k"), new Dim3(1, 2), new Dim3(5, 3, 2), 0, result);
        Assert.Equal(Enumerable.Range(0, 60).Select(i => 11 * (i % 4 + 1)), result.ToArray<int>());
    }
}
