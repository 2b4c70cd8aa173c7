using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tests.Ptx;

internal interface IUnaryOp { static abstract ulong Do(ulong a); }

internal interface IBinaryOp { static abstract ulong Do(ulong a, ulong b); }

internal interface ITernaryOp { static abstract ulong Do(ulong a, ulong b, ulong c); }

internal interface ICompareOp { static abstract bool Do(ulong a, ulong b); }

/// <summary>
/// The instructions kernels run most, compiled into the loop over the lanes: several times faster than through a delegate a lane.
/// They are looked up by opcode; what is not here takes the general way, with the same result.
/// </summary>
internal static class HotOps
{
    public static WarpOp? Unary(string opcode, int d, int a) => opcode switch
    {
        "mov.b32" or "mov.u32" or "mov.s32" or "mov.f32" or "mov.b64" or "mov.u64" or "mov.b16" => Loop<Copy>(d, a),
        "neg.f32" => Loop<Negate>(d, a),
        "abs.f32" => Loop<Absolute>(d, a),
        "cvt.s64.s32" => Loop<Widen>(d, a),
        _ => null,
    };

    public static WarpOp? Binary(string opcode, int d, int a, int b) => opcode switch
    {
        "add.s32" or "add.u32" => Loop<Add32>(d, a, b),
        "sub.s32" or "sub.u32" => Loop<Sub32>(d, a, b),
        "mul.lo.s32" or "mul.lo.u32" => Loop<Mul32>(d, a, b),
        "add.s64" or "add.u64" => Loop<Add64>(d, a, b),
        "mul.wide.u32" => Loop<WideU>(d, a, b),
        "mul.wide.s32" => Loop<WideS>(d, a, b),
        "and.b32" or "and.b64" => Loop<And>(d, a, b),
        "or.b32" or "or.b64" => Loop<Or>(d, a, b),
        "xor.b32" or "xor.b64" => Loop<Xor>(d, a, b),
        "shl.b32" => Loop<Shl32>(d, a, b),
        "shr.u32" => Loop<ShrU32>(d, a, b),
        "shr.s32" => Loop<ShrS32>(d, a, b),
        "add.f32" or "add.rn.f32" => Loop<AddF>(d, a, b),
        "sub.f32" or "sub.rn.f32" => Loop<SubF>(d, a, b),
        "mul.f32" or "mul.rn.f32" => Loop<MulF>(d, a, b),
        _ => null,
    };

    public static WarpOp? Ternary(string opcode, int d, int a, int b, int c) => opcode switch
    {
        "fma.rn.f32" => Loop<FmaF>(d, a, b, c),
        "mad.lo.s32" or "mad.lo.u32" => Loop<Mad32>(d, a, b, c),
        "mad.lo.s64" or "mad.lo.u64" => Loop<Mad64>(d, a, b, c),
        _ => null,
    };

    /// <summary>The comparison's result, a bit a lane of the mask.</summary>
    public static Func<Warp, uint, uint>? Compare(string operation, PtxType type, int a, int b) => (operation, type) switch
    {
        ("lt", PtxType.S32) => (w, m) => Bits<LtS>(w.R, m, a, b),
        ("le", PtxType.S32) => (w, m) => Bits<LeS>(w.R, m, a, b),
        ("gt", PtxType.S32) => (w, m) => Bits<LtS>(w.R, m, b, a),
        ("ge", PtxType.S32) => (w, m) => Bits<LeS>(w.R, m, b, a),
        ("lt" or "lo", PtxType.U32 or PtxType.U64) => (w, m) => Bits<LtU>(w.R, m, a, b),
        ("eq", not (PtxType.F16 or PtxType.BF16 or PtxType.F32 or PtxType.F64)) => (w, m) => Bits<Eq>(w.R, m, a, b),
        ("ne", not (PtxType.F16 or PtxType.BF16 or PtxType.F32 or PtxType.F64)) => (w, m) => ~Bits<Eq>(w.R, m, a, b),
        ("lt", PtxType.F32) => (w, m) => Bits<LtF>(w.R, m, a, b),
        ("gt", PtxType.F32) => (w, m) => Bits<LtF>(w.R, m, b, a),
        _ => null,
    };

    private static WarpOp Loop<T>(int d, int a) where T : struct, IUnaryOp => (w, m) => Run<T>(w.R, m, d, a);

    private static WarpOp Loop<T>(int d, int a, int b) where T : struct, IBinaryOp => (w, m) => Run<T>(w.R, m, d, a, b);

    private static WarpOp Loop<T>(int d, int a, int b, int c) where T : struct, ITernaryOp => (w, m) => Run<T>(w.R, m, d, a, b, c);

    private static void Run<T>(ulong[] registers, uint mask, int d, int a, int b) where T : struct, IBinaryOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        if (mask == uint.MaxValue)
        {
            ref ulong x = ref Unsafe.Add(ref r, a), y = ref Unsafe.Add(ref r, b), to = ref Unsafe.Add(ref r, d);
            for (int lane = 0; lane < 32; lane++) Unsafe.Add(ref to, lane) = T.Do(Unsafe.Add(ref x, lane), Unsafe.Add(ref y, lane));
            return;
        }
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            Unsafe.Add(ref r, d + lane) = T.Do(Unsafe.Add(ref r, a + lane), Unsafe.Add(ref r, b + lane));
        }
    }

    private static void Run<T>(ulong[] registers, uint mask, int d, int a) where T : struct, IUnaryOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        for (; mask != 0; mask &= mask - 1)
        {
            if (mask == uint.MaxValue)
            {
                for (int i = 0; i < 32; i++) Unsafe.Add(ref r, d + i) = T.Do(Unsafe.Add(ref r, a + i));
                return;
            }
            int lane = BitOperations.TrailingZeroCount(mask);
            Unsafe.Add(ref r, d + lane) = T.Do(Unsafe.Add(ref r, a + lane));
        }
    }

    private static void Run<T>(ulong[] registers, uint mask, int d, int a, int b, int c) where T : struct, ITernaryOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        if (mask == uint.MaxValue)
        {
            ref ulong x = ref Unsafe.Add(ref r, a), y = ref Unsafe.Add(ref r, b), z = ref Unsafe.Add(ref r, c);
            for (int lane = 0; lane < 32; lane++)
                Unsafe.Add(ref r, d + lane) = T.Do(Unsafe.Add(ref x, lane), Unsafe.Add(ref y, lane), Unsafe.Add(ref z, lane));
            return;
        }
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            Unsafe.Add(ref r, d + lane) = T.Do(Unsafe.Add(ref r, a + lane), Unsafe.Add(ref r, b + lane), Unsafe.Add(ref r, c + lane));
        }
    }

    private static uint Bits<T>(ulong[] registers, uint mask, int a, int b) where T : struct, ICompareOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        uint bits = 0;
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            if (T.Do(Unsafe.Add(ref r, a + lane), Unsafe.Add(ref r, b + lane))) bits |= 1u << lane;
        }
        return bits;
    }

    private static float F(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static ulong B(float value) => BitConverter.SingleToUInt32Bits(value);

    private readonly struct Copy : IUnaryOp { public static ulong Do(ulong a) => a; }

    private readonly struct Negate : IUnaryOp { public static ulong Do(ulong a) => a ^ 0x8000_0000; }

    private readonly struct Absolute : IUnaryOp { public static ulong Do(ulong a) => a & 0x7FFF_FFFF; }

    private readonly struct Widen : IUnaryOp { public static ulong Do(ulong a) => (ulong)(int)a; }

    private readonly struct Add32 : IBinaryOp { public static ulong Do(ulong a, ulong b) => (uint)(a + b); }

    private readonly struct Sub32 : IBinaryOp { public static ulong Do(ulong a, ulong b) => (uint)(a - b); }

    private readonly struct Mul32 : IBinaryOp { public static ulong Do(ulong a, ulong b) => (uint)(a * b); }

    private readonly struct Add64 : IBinaryOp { public static ulong Do(ulong a, ulong b) => a + b; }

    private readonly struct WideU : IBinaryOp { public static ulong Do(ulong a, ulong b) => (ulong)(uint)a * (uint)b; }

    private readonly struct WideS : IBinaryOp { public static ulong Do(ulong a, ulong b) => (ulong)((long)(int)a * (int)b); }

    private readonly struct And : IBinaryOp { public static ulong Do(ulong a, ulong b) => a & b; }

    private readonly struct Or : IBinaryOp { public static ulong Do(ulong a, ulong b) => a | b; }

    private readonly struct Xor : IBinaryOp { public static ulong Do(ulong a, ulong b) => a ^ b; }

    private readonly struct Shl32 : IBinaryOp { public static ulong Do(ulong a, ulong b) => b > 31 ? 0 : (uint)a << (int)b; }

    private readonly struct ShrU32 : IBinaryOp { public static ulong Do(ulong a, ulong b) => b > 31 ? 0 : (uint)a >> (int)b; }

    private readonly struct ShrS32 : IBinaryOp { public static ulong Do(ulong a, ulong b) => (uint)((int)a >> (int)Math.Min(b, 31)); }

    private readonly struct AddF : IBinaryOp { public static ulong Do(ulong a, ulong b) => B(F(a) + F(b)); }

    private readonly struct SubF : IBinaryOp { public static ulong Do(ulong a, ulong b) => B(F(a) - F(b)); }

    private readonly struct MulF : IBinaryOp { public static ulong Do(ulong a, ulong b) => B(F(a) * F(b)); }

    private readonly struct FmaF : ITernaryOp
    {
        public static ulong Do(ulong a, ulong b, ulong c) => B(MathF.FusedMultiplyAdd(F(a), F(b), F(c)));
    }

    private readonly struct Mad32 : ITernaryOp { public static ulong Do(ulong a, ulong b, ulong c) => (uint)(a * b + c); }

    private readonly struct Mad64 : ITernaryOp { public static ulong Do(ulong a, ulong b, ulong c) => a * b + c; }

    private readonly struct LtS : ICompareOp { public static bool Do(ulong a, ulong b) => (int)a < (int)b; }

    private readonly struct LeS : ICompareOp { public static bool Do(ulong a, ulong b) => (int)a <= (int)b; }

    private readonly struct LtU : ICompareOp { public static bool Do(ulong a, ulong b) => a < b; }

    private readonly struct Eq : ICompareOp { public static bool Do(ulong a, ulong b) => a == b; }

    private readonly struct LtF : ICompareOp { public static bool Do(ulong a, ulong b) => F(a) < F(b); }
}
