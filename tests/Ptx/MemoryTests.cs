using Conformance.Ptx;

namespace Tests.Ptx;

/// <summary>What loads, stores and atomic operations move, by width and type.</summary>
public class MemoryTests
{
    [Theory]
    [InlineData("s8", 32, 0xFFFF_FF80)]
    [InlineData("u8", 32, 0x80)]
    [InlineData("b8", 16, 0x80)]
    [InlineData("s8", 16, 0xFF80)]
    [InlineData("s16", 32, 0xFFFF_F180)]
    [InlineData("u16", 32, 0xF180)]
    [InlineData("s16", 64, 0xFFFF_FFFF_FFFF_F180)]
    [InlineData("s32", 64, 0xFFFF_FFFF_E2D3_F180)]
    [InlineData("u32", 64, 0xE2D3_F180)]
    [InlineData("b64", 64, 0x8000_0000_E2D3_F180)]
    public void A_load_narrower_than_its_register_is_extended_by_its_type(string type, int registerBits, ulong expected)
    {
        var machine = new PtxMachine();
        PtxBuffer from = machine.Allocate(new[] { 0x8000_0000_E2D3_F180 }), to = machine.Allocate(new ulong[1]);
        string body = $"\tld.global.{type} d, [%rd0];\n\tst.global.b{registerBits} [%rd1], d;\n";
        PtxText.Run(PtxText.Kernel(2, body, $"\t.reg .b{registerBits} d;\n"), machine, 1, from, to);
        Assert.Equal(expected, to.As<ulong>()[0]);
        // The same from the kernel's parameters.
        string parameter = $"\tld.param.{type} d, [p0];\n\tst.global.b{registerBits} [%rd1], d;\n";
        PtxText.Run(PtxText.Kernel(2, parameter, $"\t.reg .b{registerBits} d;\n"), machine, 1, 0x8000_0000_E2D3_F180, to);
        Assert.Equal(expected, to.As<ulong>()[0]);
    }

    [Theory]
    [InlineData("b8", 1)]
    [InlineData("u16", 2)]
    [InlineData("b32", 4)]
    public void A_store_narrower_than_its_register_writes_the_low_bytes_only(string type, int bytes)
    {
        var machine = new PtxMachine();
        PtxBuffer to = machine.Allocate(Enumerable.Repeat((byte)0xEE, 8).ToArray());
        PtxText.Run(PtxText.Kernel(1, $"\tmov.b64 %rd1, 0x0807060504030201;\n\tst.global.{type} [%rd0], %rd1;\n"), machine, 1, to);
        Assert.Equal(Enumerable.Range(1, 8).Select(i => (byte)(i <= bytes ? i : 0xEE)), to.ToArray<byte>());
    }

    [Fact]
    public void Vectors_move_through_all_spaces_in_order()
    {
        const string body = """
            	ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd0];
            	st.shared.v4.f32 [tile], {%f4, %f3, %f2, %f1};
            	ld.shared.v2.b64 {%rd2, %rd3}, [tile];
            	st.local.v2.b64 [frame], {%rd3, %rd2};
            	ld.local.v4.b32 {%r1, _, %r3, %r4}, [frame];
            	st.global.cs.v4.b32 [%rd1], {%r1, 7, %r3, %r4};
            """;
        var machine = new PtxMachine();
        PtxBuffer from = machine.Allocate(new[] { 1f, 2f, 3f, 4f }), to = machine.Allocate(16);
        PtxText.Run(PtxText.Kernel(2, body, "\t.shared .align 16 .b8 tile[16];\n\t.local .align 16 .b8 frame[16];"), machine, 1, from, to);
        Assert.Equal([2f, 1f, 4f, 3f], [to.As<float>()[0], 1f, to.As<float>()[2], to.As<float>()[3]]);
        Assert.Equal(7, to.As<int>()[1]);
    }

    [Theory]
    [InlineData("add.u32", 0xFFFF_FFFE, 5, 3)]
    [InlineData("add.u64", 0xFFFF_FFFE, 5, 0x1_0000_0003)]
    [InlineData("min.s32", 0xFFFF_FFFE, 5, 0xFFFF_FFFE)]
    [InlineData("min.u32", 0xFFFF_FFFE, 5, 5)]
    [InlineData("max.s32", 0xFFFF_FFFE, 5, 5)]
    [InlineData("max.u32", 0xFFFF_FFFE, 5, 0xFFFF_FFFE)]
    [InlineData("and.b32", 0b1100, 0b1010, 0b1000)]
    [InlineData("or.b32", 0b1100, 0b1010, 0b1110)]
    [InlineData("xor.b32", 0b1100, 0b1010, 0b0110)]
    [InlineData("exch.b64", 12, 13, 13)]
    [InlineData("inc.u32", 6, 7, 7)]
    [InlineData("inc.u32", 7, 7, 0)]
    [InlineData("dec.u32", 0, 7, 7)]
    [InlineData("dec.u32", 5, 7, 4)]
    [InlineData("add.f32", 0x3F80_0000, 0x4000_0000, 0x4040_0000)]
    [InlineData("add.f64", 0x3FF0_0000_0000_0000, 0x4000_0000_0000_0000, 0x4008_0000_0000_0000)]
    [InlineData("add.noftz.f16x2", 0x3C00_4000, 0x3C00_4000, 0x4000_4400)]
    [InlineData("add.noftz.bf16x2", 0x3F80_4000, 0x3F80_4000, 0x4000_4080)]
    public void An_atomic_operation_updates_memory_and_answers_the_old_value(string operation, ulong before, ulong operand, ulong after)
    {
        int bits = operation.EndsWith("64", StringComparison.Ordinal) ? 64 : 32;
        string body = $"\tmov.b{bits} a, {operand};\n\tatom.global.{operation} d, [%rd0], a;\n\tst.global.b{bits} [%rd1], d;\n";
        var machine = new PtxMachine();
        PtxBuffer place = machine.Allocate(new[] { before }), old = machine.Allocate(new ulong[1]);
        PtxText.Run(PtxText.Kernel(2, body, $"\t.reg .b{bits} a, d;\n"), machine, 1, place, old);
        Assert.Equal((before, after), (old.As<ulong>()[0], place.As<ulong>()[0]));
    }

    [Fact]
    public void Compare_and_swap_writes_only_when_it_finds_what_it_expects()
    {
        const string body = """
            	atom.global.cas.b32 %r1, [%rd0], 3, 9;
            	atom.global.cas.b32 %r2, [%rd0], 3, 11;
            	st.global.v2.b32 [%rd1], {%r1, %r2};
            """;
        var machine = new PtxMachine();
        PtxBuffer place = machine.Allocate(new[] { 3 }), old = machine.Allocate(8);
        PtxText.Run(PtxText.Kernel(2, body), machine, 1, place, old);
        Assert.Equal([9, 3, 9], [place.As<int>()[0], .. old.ToArray<int>()]);
    }

    [Fact]
    public void Unwritten_bytes_of_a_result_are_counted()
    {
        var machine = new PtxMachine();
        PtxBuffer result = machine.Allocate(64);
        PtxText.Run(PtxText.Kernel(1, "\tst.global.b16 [%rd0+6], 1;"), machine, 1, result);
        Assert.Equal(62, result.UnwrittenBytes);
    }
}
