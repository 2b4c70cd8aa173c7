using System.Numerics;
using Conformance.Cases;

namespace Tests.Ptx;

public class InstructionTests
{
    private static readonly ulong[] Interesting =
    [
        0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
        0x1_0000_0000, 0x1234_5678_9ABC_DEF0, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFE, 0xFFFF_FFFF_FFFF_FFFF,
    ];

    /// <summary>All pairs of interesting values, then random ones.</summary>
    private static (ulong[] A, ulong[] B, ulong[] C) Integers(int bits)
    {
        var random = new Random(17);
        ulong mask = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        List<ulong> a = [], b = [], c = [];
        foreach (ulong x in Interesting)
        {
            foreach (ulong y in Interesting)
            {
                a.Add(x & mask);
                b.Add(y & mask);
                c.Add((ulong)random.NextInt64() & mask);
            }
        }
        for (int i = 0; i < 300; i++)
        {
            a.Add((ulong)random.NextInt64(long.MinValue, long.MaxValue) & mask);
            b.Add(((ulong)random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64)) & mask);
            c.Add((ulong)random.NextInt64(long.MinValue, long.MaxValue) & mask);
        }
        return ([.. a], [.. b], [.. c]);
    }

    private static void Check(string instruction, int resultBits, int bits, Func<ulong, ulong, ulong, ulong> reference, int thirdBits = 0)
    {
        (ulong[] a, ulong[] b, ulong[] c) = Integers(bits);
        if (thirdBits > bits) c = [.. c.Select((x, i) => x * 0x9E37_79B9_7F4A_7C15 + (ulong)i)];
        ulong[] actual = PtxText.Apply(instruction, resultBits, [bits, bits, thirdBits == 0 ? bits : thirdBits], [a, b, c]);
        for (int i = 0; i < a.Length; i++)
        {
            ulong expected = reference(a[i], b[i], c[i]);
            if (resultBits < 64) expected &= (1UL << resultBits) - 1;
            Assert.True(expected == actual[i],
                $"{instruction} a=0x{a[i]:X} b=0x{b[i]:X} c=0x{c[i]:X}: 0x{actual[i]:X}, not 0x{expected:X}");
        }
    }

    [Fact]
    public void Thirty_two_bit_integer_arithmetic_wraps_and_is_signed_where_it_says()
    {
        Check("add.s32 d, a, b;", 32, 32, (a, b, _) => (uint)a + (uint)b);
        Check("sub.u32 d, a, b;", 32, 32, (a, b, _) => (uint)((uint)a - (uint)b));
        Check("mul.lo.s32 d, a, b;", 32, 32, (a, b, _) => (uint)((int)a * (int)b));
        Check("mul.hi.s32 d, a, b;", 32, 32, (a, b, _) => (uint)((long)(int)a * (int)b >> 32));
        Check("mul.hi.u32 d, a, b;", 32, 32, (a, b, _) => (a * b) >> 32);
        Check("mul.wide.s32 d, a, b;", 64, 32, (a, b, _) => (ulong)((long)(int)a * (int)b));
        Check("mul.wide.u32 d, a, b;", 64, 32, (a, b, _) => a * b);
        Check("mad.lo.s32 d, a, b, c;", 32, 32, (a, b, c) => (uint)((int)a * (int)b + (int)c));
        Check("mad.hi.u32 d, a, b, c;", 32, 32, (a, b, c) => (uint)(a * b >> 32) + (uint)c);
        Check("mad.wide.s32 d, a, b, c;", 64, 32, (a, b, c) => (ulong)((long)(int)a * (int)b + (long)c), 64);
        Check("mad.wide.u32 d, a, b, c;", 64, 32, (a, b, c) => a * b + c, 64);
        Check("min.s32 d, a, b;", 32, 32, (a, b, _) => (uint)Math.Min((int)a, (int)b));
        Check("max.u32 d, a, b;", 32, 32, (a, b, _) => Math.Max(a, b));
        Check("neg.s32 d, a;", 32, 32, (a, _, _) => (uint)-(int)a);
        Check("abs.s32 d, a;", 32, 32, (a, _, _) => (int)a < 0 ? (uint)-(int)a : (uint)a);
        Check("div.s32 d, a, b;", 32, 32, (a, b, _) => (int)b == 0 ? uint.MaxValue : (ulong)((long)(int)a / (int)b));
        Check("rem.s32 d, a, b;", 32, 32, (a, b, _) => (int)b == 0 ? a : (ulong)((long)(int)a % (int)b));
        Check("div.u32 d, a, b;", 32, 32, (a, b, _) => b == 0 ? uint.MaxValue : a / b);
        Check("rem.u32 d, a, b;", 32, 32, (a, b, _) => b == 0 ? a : a % b);
        Check("add.sat.s32 d, a, b;", 32, 32, (a, b, _) => (ulong)Math.Clamp((long)(int)a + (int)b, int.MinValue, int.MaxValue));
        Check("sad.s32 d, a, b, c;", 32, 32, (a, b, c) => (uint)c + (ulong)Math.Abs((long)(int)a - (int)b));
        Check("mul24.lo.u32 d, a, b;", 32, 32, (a, b, _) => (a & 0xFFFFFF) * (b & 0xFFFFFF));
    }

    [Fact]
    public void Sixteen_and_sixty_four_bit_integers_keep_their_width()
    {
        Check("add.u16 d, a, b;", 16, 16, (a, b, _) => a + b);
        Check("mul.lo.s16 d, a, b;", 16, 16, (a, b, _) => a * b);
        Check("mul.wide.s16 d, a, b;", 32, 16, (a, b, _) => (ulong)((short)a * (short)b));
        Check("max.s16 d, a, b;", 16, 16, (a, b, _) => (ulong)Math.Max((short)a, (short)b));
        Check("shr.s16 d, a, 3;", 16, 16, (a, _, _) => (ulong)((short)a >> 3));
        Check("add.s64 d, a, b;", 64, 64, (a, b, _) => a + b);
        Check("mul.lo.u64 d, a, b;", 64, 64, (a, b, _) => a * b);
        Check("mul.hi.u64 d, a, b;", 64, 64, (a, b, _) => Math.BigMul(a, b, out _));
        Check("mul.hi.s64 d, a, b;", 64, 64, (a, b, _) => (ulong)((Int128)(long)a * (long)b >> 64));
        Check("mad.lo.s64 d, a, b, c;", 64, 64, (a, b, c) => a * b + c);
        Check("div.s64 d, a, b;", 64, 64, (a, b, _) => b == 0 ? ulong.MaxValue : (long)b == -1 ? 0 - a : (ulong)((long)a / (long)b));
        Check("rem.u64 d, a, b;", 64, 64, (a, b, _) => b == 0 ? a : a % b);
        Check("min.s64 d, a, b;", 64, 64, (a, b, _) => (ulong)Math.Min((long)a, (long)b));
        Check("abs.s64 d, a;", 64, 64, (a, _, _) => (long)a < 0 ? 0 - a : a);
    }

    [Fact]
    public void Logic_shifts_and_bit_fields_follow_the_manual()
    {
        Check("and.b32 d, a, b;", 32, 32, (a, b, _) => a & b);
        Check("or.b64 d, a, b;", 64, 64, (a, b, _) => a | b);
        Check("xor.b16 d, a, b;", 16, 16, (a, b, _) => a ^ b);
        Check("not.b32 d, a;", 32, 32, (a, _, _) => ~a);
        Check("cnot.b32 d, a;", 32, 32, (a, _, _) => a == 0 ? 1UL : 0);
        Check("shl.b32 d, a, b;", 32, 32, (a, b, _) => b > 31 ? 0 : a << (int)b);
        Check("shr.u32 d, a, b;", 32, 32, (a, b, _) => b > 31 ? 0 : a >> (int)b);
        Check("shr.s32 d, a, b;", 32, 32, (a, b, _) => (ulong)((int)a >> (int)Math.Min(b, 31)));
        Check("{ .reg .b32 s; cvt.u32.u64 s, b; shr.s64 d, a, s; }", 64, 64, (a, b, _) => (ulong)((long)a >> (int)Math.Min((uint)b, 63)));
        Check("shf.l.wrap.b32 d, a, b, c;", 32, 32, (a, b, c) => (b << 32 | a) << (int)(c & 31) >> 32);
        Check("shf.r.clamp.b32 d, a, b, c;", 32, 32, (a, b, c) => (b << 32 | a) >> (int)Math.Min(c, 32));
        Check("popc.b32 d, a;", 32, 32, (a, _, _) => (ulong)BitOperations.PopCount(a));
        Check("clz.b32 d, a;", 32, 32, (a, _, _) => (ulong)BitOperations.LeadingZeroCount((uint)a));
        Check("clz.b64 d, a;", 32, 64, (a, _, _) => (ulong)BitOperations.LeadingZeroCount(a));
        Check("bfind.u32 d, a;", 32, 32, (a, _, _) => a == 0 ? uint.MaxValue : (ulong)BitOperations.Log2(a));
        Check("brev.b32 d, a;", 32, 32, (a, _, _) => Enumerable.Range(0, 32).Aggregate(0UL, (r, i) => r | (a >> i & 1) << (31 - i)));
        Check("lop3.b32 d, a, b, c, 0xE8;", 32, 32, (a, b, c) => (a & b) | (a & c) | (b & c));
        Check("lop3.b32 d, a, b, c, 0x96;", 32, 32, (a, b, c) => a ^ b ^ c);
        Check("lop3.b32 d, a, b, c, 0xCA;", 32, 32, (a, b, c) => (a & b) | (~a & c));
        Check("prmt.b32 d, a, b, 0x5410;", 32, 32, (a, b, _) => (a & 0xFFFF) | (b & 0xFFFF) << 16);
        Check("prmt.b32 d, a, b, 0x7632;", 32, 32, (a, b, _) => a >> 16 | (b >> 16) << 16);
        Check("prmt.b32 d, a, b, 0xBBBB;", 32, 32, (a, _, _) => (int)a < 0 ? uint.MaxValue : 0UL);
        Check("bfe.u32 d, a, 5, 9;", 32, 32, (a, _, _) => a >> 5 & 0x1FF);
        Check("bfe.s32 d, a, 24, 20;", 32, 32, (a, _, _) => (ulong)((int)a >> 24));
        Check("bfe.s32 d, a, 4, 8;", 32, 32, (a, _, _) => (ulong)(sbyte)(a >> 4));
        Check("bfi.b32 d, a, b, 8, 12;", 32, 32, (a, b, _) => (b & ~0xFFF00UL) | (a << 8 & 0xFFF00));
        Check("bfi.b64 d, a, b, 40, 60;", 64, 64, (a, b, _) => (b & 0xFF_FFFF_FFFF) | a << 40);
    }

    [Fact]
    public void Comparisons_distinguish_signed_and_unsigned_and_combine_with_predicates()
    {
        Check("{ setp.lt.s32 p, a, b; selp.u32 d, 1, 0, p; }", 32, 32, (a, b, _) => (int)a < (int)b ? 1UL : 0);
        Check("{ setp.lt.u32 p, a, b; selp.u32 d, 1, 0, p; }", 32, 32, (a, b, _) => a < b ? 1UL : 0);
        Check("{ setp.hs.u64 p, a, b; selp.u64 d, 1, 0, p; }", 64, 64, (a, b, _) => a >= b ? 1UL : 0);
        Check("{ setp.ge.s16 p, a, b; selp.b16 d, 1, 0, p; }", 16, 16, (a, b, _) => (short)a >= (short)b ? 1UL : 0);
        Check("{ setp.gt.s32 q, b, 5; setp.lt.or.s32 p, a, 0, q; selp.b32 d, a, c, p; }", 32, 32,
            (a, b, c) => (int)a < 0 || (int)b > 5 ? a : c);
        Check("{ setp.eq.s32 q, c, c; setp.lt.and.s32 p|q, a, b, q; selp.b32 d, 1, 2, p; @q add.u32 d, d, 8; }", 32, 32,
            (a, b, _) => (int)a < (int)b ? 1UL : 10);
        Check("{ setp.ne.s32 p, a, b; setp.ne.s32 q, b, 0; xor.pred p, p, q; not.pred q, p; selp.b32 d, 3, 4, q; }", 32, 32,
            (a, b, _) => a != b ^ b != 0 ? 4UL : 3);
        Check("set.gt.u32.s32 d, a, b;", 32, 32, (a, b, _) => (int)a > (int)b ? uint.MaxValue : 0UL);
        Check("slct.b32.s32 d, a, b, c;", 32, 32, (a, b, c) => (int)c >= 0 ? a : b);
        Check("{ setp.eq.s32 p, a, b; mov.b32 d, 7; @!p mov.b32 d, 9; }", 32, 32, (a, b, _) => a == b ? 7UL : 9);
    }

    [Fact]
    public void Registers_are_packed_and_unpacked_lowest_part_first()
    {
        Check("{ .reg .b16 lo, hi; mov.b32 {lo, hi}, a; mov.b32 d, {hi, lo}; }", 32, 32, (a, _, _) => a >> 16 | a << 16);
        Check("{ .reg .b32 x; mov.b64 {_, x}, a; mov.b64 d, {x, 5}; }", 64, 64, (a, _, _) => a >> 32 | 5UL << 32);
    }

    [Fact]
    public void Integer_conversions_extend_truncate_and_saturate()
    {
        Check("cvt.s64.s32 d, a;", 64, 32, (a, _, _) => (ulong)(int)a);
        Check("cvt.u64.u32 d, a;", 64, 32, (a, _, _) => a);
        Check("cvt.u16.u32 d, a;", 16, 32, (a, _, _) => a);
        Check("cvt.s32.s8 d, a;", 32, 32, (a, _, _) => (ulong)(sbyte)a);
        Check("cvt.s8.s32 d, a;", 32, 32, (a, _, _) => (ulong)(sbyte)a);
        Check("cvt.u8.u32 d, a;", 16, 32, (a, _, _) => (byte)a);
        Check("cvt.s32.u16 d, a;", 32, 16, (a, _, _) => a);
        Check("cvt.sat.s8.s32 d, a;", 32, 32, (a, _, _) => (ulong)Math.Clamp((int)a, -128, 127));
        Check("cvt.sat.u16.s32 d, a;", 32, 32, (a, _, _) => (ulong)Math.Clamp((int)a, 0, 65535));
        Check("cvt.sat.u32.u64 d, a;", 32, 64, (a, _, _) => Math.Min(a, uint.MaxValue));
    }
}
