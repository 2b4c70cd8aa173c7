using ILGPU.IR.Intrinsics;

namespace Engine.Kernels.Gpu;

/// <summary>
/// Instructions that only GPUs of compute capability 9.0 have (PTX 8.0, sm_90a): products of four warps on tiles in shared memory
/// (<c>wgmma</c>), copies of whole tiles (<c>cp.async.bulk.tensor</c>), and the barriers in shared memory by which they are awaited.
/// </summary>
internal static partial class Ptx
{
    // The sums are copied to the result's registers, to which four products of 16 depths are added; they are awaited at once, so that
    // no other instruction meets registers that are being written. The arrival belongs to it: the compiler may exchange two calls.
    private const string Open = """
        $=0{
        	.reg .b64 da, db;
        	.reg .pred all;
        	mov.b64 da, $1;
        	mov.b64 db, $2;
        	setp.eq.u32 all, 0, 0;
        	wgmma.fence.sync.aligned;

        """;

    private const string Close = """
        wgmma.commit_group.sync.aligned;
        	wgmma.wait_group.sync.aligned 0;
        	@$4 mbarrier.arrive.shared::cta.b64 _, [$3];
        	}
        """;

    private const string Wide128 = "\twgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {$r}, da, db, all, 1, 1, ";
    private const string Wide256 = "\twgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {$r}, da, db, all, 1, 1, ";
    private const string Rows = "0, 0;\n\t", RowsByColumns = "0, 1;\n\t", Columns = "1, 1;\n\t";

    // 16 depths are 32 bytes of a row, or 16 rows of 128 bytes; descriptors count by 16 bytes.
    private const string Deeper = "add.s64 da, da, 2;\n\tadd.s64 db, db, 2;\n",
    DeeperByColumns = "add.s64 da, da, 2;\n\tadd.s64 db, db, 128;\n",
        DeeperColumns = "add.s64 da, da, 128;\n\tadd.s64 db, db, 128;\n";

    /// <summary>
    /// Adds to the 64 × 128 sums of four warps the products of tiles of 64 depths, both by rows. All four warps run it together.
    /// </summary>
    /// <param name="sums">The sums.</param>
    /// <param name="left">The descriptor of a left tile of 64 rows.</param>
    /// <param name="right">The descriptor of a right tile of 128 rows.</param>
    /// <param name="read">The barrier to arrive at when the tiles have been read.</param>
    /// <param name="arrives">Whether this lane does.</param>
    [PtxInstruction(Open + Wide128 + Rows + Deeper + Wide128 + Rows + Deeper + Wide128 + Rows + Deeper + Wide128 + Rows + Close),
        IntrinsicImplementation]
    public static Sums128 Multiply(Sums128 sums, ulong left, ulong right, uint read, bool arrives) => throw Compiled;

    /// <summary>The same with the right tile by columns.</summary>
    [PtxInstruction(Open + Wide128 + RowsByColumns + DeeperByColumns + Wide128 + RowsByColumns + DeeperByColumns
        + Wide128 + RowsByColumns + DeeperByColumns + Wide128 + RowsByColumns + Close), IntrinsicImplementation]
    public static Sums128 MultiplyByColumns(Sums128 sums, ulong left, ulong right, uint read, bool arrives) => throw Compiled;

    /// <summary>The same with both tiles by columns.</summary>
    [PtxInstruction(Open + Wide128 + Columns + DeeperColumns + Wide128 + Columns + DeeperColumns + Wide128 + Columns + DeeperColumns
        + Wide128 + Columns + Close), IntrinsicImplementation]
    public static Sums128 MultiplyColumns(Sums128 sums, ulong left, ulong right, uint read, bool arrives) => throw Compiled;

    /// <inheritdoc cref="Multiply(Sums128, ulong, ulong, uint, bool)"/>
    [PtxInstruction(Open + Wide256 + Rows + Deeper + Wide256 + Rows + Deeper + Wide256 + Rows + Deeper + Wide256 + Rows + Close),
        IntrinsicImplementation]
    public static Sums256 Multiply(Sums256 sums, ulong left, ulong right, uint read, bool arrives) => throw Compiled;

    /// <inheritdoc cref="MultiplyByColumns(Sums128, ulong, ulong, uint, bool)"/>
    [PtxInstruction(Open + Wide256 + RowsByColumns + DeeperByColumns + Wide256 + RowsByColumns + DeeperByColumns
        + Wide256 + RowsByColumns + DeeperByColumns + Wide256 + RowsByColumns + Close), IntrinsicImplementation]
    public static Sums256 MultiplyByColumns(Sums256 sums, ulong left, ulong right, uint read, bool arrives) => throw Compiled;

    /// <inheritdoc cref="MultiplyColumns(Sums128, ulong, ulong, uint, bool)"/>
    [PtxInstruction(Open + Wide256 + Columns + DeeperColumns + Wide256 + Columns + DeeperColumns + Wide256 + Columns + DeeperColumns
        + Wide256 + Columns + Close), IntrinsicImplementation]
    public static Sums256 MultiplyColumns(Sums256 sums, ulong left, ulong right, uint read, bool arrives) => throw Compiled;

    /// <summary>The address of the kernel's parameter <c>leftMap</c>.</summary>
    [PtxInstruction("mov.b64 $r, leftMap;\n\tcvta.param.u64 $r, $r;"), IntrinsicImplementation]
    public static ulong LeftMap() => throw Compiled;

    /// <summary>The address of the kernel's parameter <c>rightMap</c>.</summary>
    [PtxInstruction("mov.b64 $r, rightMap;\n\tcvta.param.u64 $r, $r;"), IntrinsicImplementation]
    public static ulong RightMap() => throw Compiled;

    /// <summary>Starts to copy a box of a matrix to shared memory; what lies outside becomes 0. Its bytes count at a barrier.</summary>
    /// <param name="shared">The destination.</param>
    /// <param name="map">The address of the matrix's <see cref="TensorMap"/>.</param>
    /// <param name="inner">The box's first element within a row.</param>
    /// <param name="outer">Its first row.</param>
    /// <param name="barrier">The barrier.</param>
    [PtxInstruction("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [$0], [$1, {$2, $3}], [$4];"),
        IntrinsicImplementation]
    public static void CopyBox(uint shared, ulong map, int inner, int outer, uint barrier) => throw Compiled;

    /// <summary>
    /// Makes eight bytes of shared memory a barrier whose phases are over when so many have arrived and all bytes that were announced.
    /// </summary>
    [PtxInstruction("mbarrier.init.shared::cta.b64 [$0], $1;"), IntrinsicImplementation]
    public static void InitialiseBarrier(uint barrier, uint arrivals) => throw Compiled;

    /// <summary>Arrives, and announces bytes that copies will bring.</summary>
    [PtxInstruction("mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;"), IntrinsicImplementation]
    public static void ArriveAndExpect(uint barrier, uint bytes) => throw Compiled;

    /// <summary>Brings the lanes of a warp together.</summary>
    [PtxInstruction("bar.warp.sync 0xffffffff;"), IntrinsicImplementation]
    public static void SynchroniseWarp() => throw Compiled;

    /// <summary>Whether the phase of this parity is over: 0 for the first, third, … Waits a little.</summary>
    [PtxInstruction("mbarrier.try_wait.parity.shared::cta.b64 $r, [$0], $1;"), IntrinsicImplementation]
    public static bool TryWait(uint barrier, uint parity) => throw Compiled;

    /// <summary>Makes what this thread wrote to shared memory visible to copies and products.</summary>
    [PtxInstruction("fence.proxy.async.shared::cta;"), IntrinsicImplementation]
    public static void FenceAsync() => throw Compiled;
}
