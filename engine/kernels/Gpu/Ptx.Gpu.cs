using ILGPU.IR.Intrinsics;

namespace Engine.Kernels.Gpu;

/// <summary>
/// Instructions of PTX that C# has no expression for (NVIDIA, "PTX ISA"). Addresses are passed as <c>ref</c>; those of shared memory
/// as the 32-bit number that <see cref="SharedAddress"/> gives. Pairs of bf16 or fp16 travel as <see cref="uint"/>, the element of
/// lower index in the lower half.
/// </summary>
internal static partial class Ptx
{
    // Arithmetic.

    /// <summary><c>a · b + c</c> in one rounding.</summary>
    [PtxInstruction("fma.rn.f32 $r, $0, $1, $2;"), IntrinsicImplementation]
    public static float Fma(float a, float b, float c) => throw Compiled;

    /// <summary>2^x; relative error below 2⁻²², 0 for −∞.</summary>
    [PtxInstruction("ex2.approx.f32 $r, $0;"), IntrinsicImplementation]
    public static float Exp2(float x) => throw Compiled;

    /// <summary>log₂ x; absolute error below 2⁻²² near 1.</summary>
    [PtxInstruction("lg2.approx.f32 $r, $0;"), IntrinsicImplementation]
    public static float Log2(float x) => throw Compiled;

    [PtxInstruction("sqrt.rn.f32 $r, $0;"), IntrinsicImplementation]
    public static float Sqrt(float x) => throw Compiled;

    [PtxInstruction("rcp.rn.f32 $r, $0;"), IntrinsicImplementation]
    public static float Reciprocal(float x) => throw Compiled;

    [PtxInstruction("abs.f32 $r, $0;"), IntrinsicImplementation]
    public static float Abs(float x) => throw Compiled;

    /// <summary>The larger one; NaN if either is.</summary>
    [PtxInstruction("max.NaN.f32 $r, $0, $1;"), IntrinsicImplementation]
    public static float Max(float a, float b) => throw Compiled;

    /// <summary>The smaller one; NaN if either is.</summary>
    [PtxInstruction("min.NaN.f32 $r, $0, $1;"), IntrinsicImplementation]
    public static float Min(float a, float b) => throw Compiled;

    /// <summary>The nearest integer, ties to even.</summary>
    [PtxInstruction("cvt.rni.f32.f32 $r, $0;"), IntrinsicImplementation]
    public static float Round(float x) => throw Compiled;

    /// <summary>The largest integer that is not above.</summary>
    [PtxInstruction("cvt.rmi.f32.f32 $r, $0;"), IntrinsicImplementation]
    public static float Floor(float x) => throw Compiled;

    /// <summary>The upper 32 bits of the 64-bit product.</summary>
    [PtxInstruction("mul.hi.u32 $r, $0, $1;"), IntrinsicImplementation]
    public static uint MultiplyHigh(uint a, uint b) => throw Compiled;

    [PtxInstruction("mov.b32 $r, $0;"), IntrinsicImplementation]
    public static float AsFloat(uint bits) => throw Compiled;

    // bf16.

    /// <summary>Two floats to a pair of bf16, rounded to nearest even.</summary>
    [PtxInstruction("cvt.rn.bf16x2.f32 $r, $1, $0;"), IntrinsicImplementation]
    public static uint PackBF16(float low, float high) => throw Compiled;

    // Tensor cores. A warp multiplies a 16 × 16 tile (a: four registers a lane) by a 16 × 8 one (b: two) and adds a 16 × 8 one (c).

    /// <summary><c>a · b + c</c> on tiles of bf16, accumulated in fp32.</summary>
    [PtxInstruction("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {$r}, {$0}, {$1, $2}, {$3};"), IntrinsicImplementation]
    public static Float4 MmaBF16(UInt4 a, uint b0, uint b1, Float4 c) => throw Compiled;

    /// <summary>Four 8 × 8 tiles of 16-bit elements from shared memory; lane l gives the address of row l % 8 of tile l / 8.</summary>
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$r}, [$0];"), IntrinsicImplementation]
    public static UInt4 LoadMatrix(uint address) => throw Compiled;

    /// <summary><see cref="LoadMatrix"/> with each tile transposed.</summary>
    [PtxInstruction("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {$r}, [$0];"), IntrinsicImplementation]
    public static UInt4 LoadMatrixTransposed(uint address) => throw Compiled;

    // Memory.

    /// <summary>The address within shared memory.</summary>
    [PtxInstruction("cvt.u32.u64 $r, $0;"), IntrinsicImplementation]
    public static uint SharedAddress(ref UInt4 location) => throw Compiled;

    /// <summary>
    /// Starts copying 16 bytes from global to shared memory, past L1; only the first <paramref name="bytes"/> (0 to 16) are read, the rest
    /// becomes zero.
    /// </summary>
    [PtxInstruction("cp.async.cg.shared.global [$0], [$1], 16, $2;"), IntrinsicImplementation]
    public static void CopyAsyncPart(uint shared, ref UInt4 source, uint bytes) => throw Compiled;

    /// <summary>As <see cref="CopyAsyncPart"/>, but one word (0 or 4 bytes are read), through L1.</summary>
    [PtxInstruction("cp.async.ca.shared.global [$0], [$1], 4, $2;"), IntrinsicImplementation]
    public static void CopyAsyncWordPart(uint shared, ref float source, uint bytes) => throw Compiled;

    /// <summary>Closes a group of copies.</summary>
    [PtxInstruction("cp.async.commit_group;"), IntrinsicImplementation]
    public static void CommitCopies() => throw Compiled;

    /// <summary>Waits for all copies of this thread.</summary>
    [PtxInstruction("cp.async.wait_group 0;"), IntrinsicImplementation]
    public static void WaitForCopies() => throw Compiled;

    /// <summary>Waits until at most two groups of copies are under way.</summary>
    [PtxInstruction("cp.async.wait_group 2;"), IntrinsicImplementation]
    public static void WaitForCopiesButTwo() => throw Compiled;

    /// <summary>
    /// 16 bytes that are read once, so that they do not displace others in L1, where <paramref name="inside"/>; else the filling, and
    /// nothing is read.
    /// </summary>
    [PtxInstruction("""
        mov.f32 $r.0, $2;
        	mov.f32 $r.1, $2;
        	mov.f32 $r.2, $2;
        	mov.f32 $r.3, $2;
        	@$1 ld.global.L1::no_allocate.v4.f32 {$r}, [$0];
        """), IntrinsicImplementation]
    public static Float4 LoadOnce(ref Float4 source, bool inside, float filling) => throw Compiled;

    /// <inheritdoc cref="LoadOnce(ref Float4, bool, float)"/>
    [PtxInstruction("""
        mov.b32 $r.0, $2;
        	mov.b32 $r.1, $2;
        	mov.b32 $r.2, $2;
        	mov.b32 $r.3, $2;
        	@$1 ld.global.L1::no_allocate.v4.b32 {$r}, [$0];
        """), IntrinsicImplementation]
    public static UInt4 LoadOnce(ref UInt4 source, bool inside, uint filling) => throw Compiled;

    /// <summary>
    /// 16 bytes that no kernel writes meanwhile, so that they may stay in the read-only cache, where <paramref name="inside"/>; else 0.
    /// </summary>
    [PtxInstruction("""
        mov.f32 $r.0, 0f00000000;
        	mov.f32 $r.1, 0f00000000;
        	mov.f32 $r.2, 0f00000000;
        	mov.f32 $r.3, 0f00000000;
        	@$1 ld.global.nc.v4.f32 {$r}, [$0];
        """), IntrinsicImplementation]
    public static Float4 LoadConstant(ref Float4 source, bool inside) => throw Compiled;

    /// <inheritdoc cref="LoadConstant(ref Float4, bool)"/>
    [PtxInstruction("""
        mov.b32 $r.0, 0;
        	mov.b32 $r.1, 0;
        	mov.b32 $r.2, 0;
        	mov.b32 $r.3, 0;
        	@$1 ld.global.nc.v4.b32 {$r}, [$0];
        """), IntrinsicImplementation]
    public static UInt4 LoadConstant(ref UInt4 source, bool inside) => throw Compiled;

    /// <summary>One float where <paramref name="inside"/>; else the filling.</summary>
    [PtxInstruction("""
        mov.f32 $r, $2;
        	@$1 ld.global.f32 $r, [$0];
        """), IntrinsicImplementation]
    public static float Load(ref float source, bool inside, float filling) => throw Compiled;

    /// <summary>Writes one float where <paramref name="inside"/>.</summary>
    [PtxInstruction("@$1 st.global.f32 [$0], $2;"), IntrinsicImplementation]
    public static void Store(ref float destination, bool inside, float value) => throw Compiled;

    /// <summary>One float that no kernel writes meanwhile, where <paramref name="inside"/>; else 0.</summary>
    [PtxInstruction("""
        mov.f32 $r, 0f00000000;
        	@$1 ld.global.nc.f32 $r, [$0];
        """), IntrinsicImplementation]
    public static float LoadConstant(ref float source, bool inside) => throw Compiled;

    /// <summary>One float at an address that no kernel writes to meanwhile.</summary>
    [PtxInstruction("ld.global.nc.f32 $r, [$0];"), IntrinsicImplementation]
    public static float LoadConstant(long address) => throw Compiled;

    /// <summary>Writes 16 bytes where <paramref name="inside"/>.</summary>
    [PtxInstruction("@$1 st.global.v4.f32 [$0], {$2};"), IntrinsicImplementation]
    public static void Store(ref Float4 destination, bool inside, Float4 value) => throw Compiled;

    /// <inheritdoc cref="Store(ref Float4, bool, Float4)"/>
    [PtxInstruction("@$1 st.global.v4.b32 [$0], {$2};"), IntrinsicImplementation]
    public static void Store(ref UInt4 destination, bool inside, UInt4 value) => throw Compiled;

    // Warps.

    /// <summary>The value of the lane whose number differs in the bits of <paramref name="mask"/>.</summary>
    [PtxInstruction("shfl.sync.bfly.b32 $r, $0, $1, 0x1f, 0xffffffff;"), IntrinsicImplementation]
    public static float ShuffleXor(float value, int mask) => throw Compiled;

    /// <summary>One bit a lane: whether its condition holds.</summary>
    [PtxInstruction("vote.sync.ballot.b32 $r, $0, 0xffffffff;"), IntrinsicImplementation]
    public static uint Ballot(bool condition) => throw Compiled;

    /// <summary>The position of the lowest bit that is set, of a word that is not 0.</summary>
    public static int LowestBit(uint word) => LeadingZeros(word & (0u - word)) ^ 31;

    [PtxInstruction("clz.b32 $r, $0;"), IntrinsicImplementation]
    public static int LeadingZeros(uint word) => throw Compiled;

    /// <summary>Ends the kernel with an error: an operand would have made it read or write where it must not.</summary>
    [PtxInstruction("trap;"), IntrinsicImplementation]
    public static void Trap() => throw Compiled;

    private static NotSupportedException Compiled => new("an instruction of the GPU");
}
