using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Lanes = System.Runtime.Intrinsics.Vector256<ulong>;

namespace Conformance.Ptx;

internal interface IUnaryOp { static abstract Lanes Do(Lanes a); }

internal interface IBinaryOp { static abstract Lanes Do(Lanes a, Lanes b); }

internal interface ITernaryOp { static abstract Lanes Do(Lanes a, Lanes b, Lanes c); }

/// <summary>Sets all bits of the lower half of a lane where the comparison holds.</summary>
internal interface ICompareOp { static abstract Lanes Do(Lanes a, Lanes b); }

/// <summary>
/// The instructions kernels run most, four lanes at a time: many times faster than through a delegate a lane.
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

    private static void Run<T>(ulong[] registers, uint mask, int d, int a) where T : struct, IUnaryOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        for (int i = 0; i < 32; i += 4) Put(ref r, d + i, mask >> i & 15, T.Do(Get(ref r, a + i)));
    }

    private static void Run<T>(ulong[] registers, uint mask, int d, int a, int b) where T : struct, IBinaryOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        for (int i = 0; i < 32; i += 4) Put(ref r, d + i, mask >> i & 15, T.Do(Get(ref r, a + i), Get(ref r, b + i)));
    }

    private static void Run<T>(ulong[] registers, uint mask, int d, int a, int b, int c) where T : struct, ITernaryOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        for (int i = 0; i < 32; i += 4) Put(ref r, d + i, mask >> i & 15, T.Do(Get(ref r, a + i), Get(ref r, b + i), Get(ref r, c + i)));
    }

    private static uint Bits<T>(ulong[] registers, uint mask, int a, int b) where T : struct, ICompareOp
    {
        ref ulong r = ref MemoryMarshal.GetArrayDataReference(registers);
        uint bits = 0;
        // The upper half of a 32-bit value is empty, and its comparison means nothing.
        for (int i = 0; i < 32; i += 4) bits |= (T.Do(Get(ref r, a + i), Get(ref r, b + i)) << 32).ExtractMostSignificantBits() << i;
        return bits & mask;
    }

    private static Lanes Get(ref ulong r, int at) => Vector256.LoadUnsafe(ref r, (nuint)at);

    private static void Put(ref ulong r, int at, uint mask, Lanes value)
    {
        if (mask != 15)
        {
            Lanes kept = Vector256.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(Masks), 4 * (nuint)mask);
            value = Vector256.ConditionalSelect(kept, value, Get(ref r, at));
        }

        value.StoreUnsafe(ref r, (nuint)at);
    }

    // Of four lanes, those whose bits are set.
    private static readonly ulong[] Masks = [.. Enumerable.Range(0, 64).Select(i => (i / 4 >> (i % 4) & 1) != 0 ? ulong.MaxValue : 0)];

    private static Lanes Low => Vector256.Create((ulong)uint.MaxValue);

    private static Lanes Sign => Vector256.Create(0x8000_0000UL);

    private static Lanes Signed(Lanes a) => (a ^ Sign) - Sign;

    private static Vector256<float> F(Lanes a) => a.AsSingle();

    // What the upper halves hold is no part of the values.
    private static Lanes B(Vector256<float> a) => a.AsUInt64() & Low;

    private static Lanes Each(Lanes a, Lanes b, Func<uint, int, uint> f)
    {
        Span<ulong> values = stackalloc ulong[4];
        for (int i = 0; i < 4; i++) values[i] = f((uint)a[i], (int)Math.Min(b[i], 32));
        return Vector256.Create<ulong>(values);
    }

    private readonly struct Copy : IUnaryOp { public static Lanes Do(Lanes a) => a; }

    private readonly struct Negate : IUnaryOp { public static Lanes Do(Lanes a) => a ^ Sign; }

    private readonly struct Absolute : IUnaryOp { public static Lanes Do(Lanes a) => a & Vector256.Create(0x7FFF_FFFFUL); }

    private readonly struct Widen : IUnaryOp { public static Lanes Do(Lanes a) => Signed(a); }

    private readonly struct Add32 : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => (a + b) & Low; }

    private readonly struct Sub32 : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => (a - b) & Low; }

    private readonly struct Mul32 : IBinaryOp
    {
        public static Lanes Do(Lanes a, Lanes b) => (a.AsUInt32() * b.AsUInt32()).AsUInt64() & Low;
    }

    private readonly struct Add64 : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => a + b; }

    private readonly struct WideU : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => (a & Low) * (b & Low); }

    private readonly struct WideS : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => Signed(a & Low) * Signed(b & Low); }

    private readonly struct And : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => a & b; }

    private readonly struct Or : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => a | b; }

    private readonly struct Xor : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => a ^ b; }

    private readonly struct Shl32 : IBinaryOp
    {
        public static Lanes Do(Lanes a, Lanes b) => Avx2.IsSupported
            ? Avx2.ShiftLeftLogicalVariable(a.AsUInt32(), b.AsUInt32()).AsUInt64() & Low
            : Each(a, b, static (x, n) => n > 31 ? 0 : x << n);
    }

    private readonly struct ShrU32 : IBinaryOp
    {
        public static Lanes Do(Lanes a, Lanes b) => Avx2.IsSupported
            ? Avx2.ShiftRightLogicalVariable(a.AsUInt32(), b.AsUInt32()).AsUInt64() & Low
            : Each(a, b, static (x, n) => n > 31 ? 0 : x >> n);
    }

    private readonly struct ShrS32 : IBinaryOp
    {
        public static Lanes Do(Lanes a, Lanes b) => Avx2.IsSupported
            ? Avx2.ShiftRightArithmeticVariable(a.AsInt32(), b.AsUInt32()).AsUInt64() & Low
            : Each(a, b, static (x, n) => (uint)((int)x >> Math.Min(n, 31)));
    }

    private readonly struct AddF : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => B(F(a) + F(b)); }

    private readonly struct SubF : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => B(F(a) - F(b)); }

    private readonly struct MulF : IBinaryOp { public static Lanes Do(Lanes a, Lanes b) => B(F(a) * F(b)); }

    private readonly struct FmaF : ITernaryOp
    {
        public static Lanes Do(Lanes a, Lanes b, Lanes c) => B(Vector256.FusedMultiplyAdd(F(a), F(b), F(c)));
    }

    private readonly struct Mad32 : ITernaryOp
    {
        public static Lanes Do(Lanes a, Lanes b, Lanes c) => (a.AsUInt32() * b.AsUInt32() + c.AsUInt32()).AsUInt64() & Low;
    }

    private readonly struct Mad64 : ITernaryOp { public static Lanes Do(Lanes a, Lanes b, Lanes c) => a * b + c; }

    private readonly struct LtS : ICompareOp
    {
        public static Lanes Do(Lanes a, Lanes b) => Vector256.LessThan(a.AsInt32(), b.AsInt32()).AsUInt64();
    }

    private readonly struct LeS : ICompareOp
    {
        public static Lanes Do(Lanes a, Lanes b) => Vector256.LessThanOrEqual(a.AsInt32(), b.AsInt32()).AsUInt64();
    }

    private readonly struct LtU : ICompareOp { public static Lanes Do(Lanes a, Lanes b) => Vector256.LessThan(a, b); }

    private readonly struct Eq : ICompareOp { public static Lanes Do(Lanes a, Lanes b) => Vector256.Equals(a, b); }

    private readonly struct LtF : ICompareOp { public static Lanes Do(Lanes a, Lanes b) => Vector256.LessThan(F(a), F(b)).AsUInt64(); }
}
