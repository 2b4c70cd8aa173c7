using System.Numerics;

namespace Conformance.Ptx;

/// <summary>The copy engine of compute capability 9.0: copies of boxes, the barriers that count their bytes, and the proxy fence.</summary>
internal sealed partial class Decoder
{
    private const int Chunk = 16;

    private bool SharedBarrier()
    {
        switch (TakeAny("init", "arrive", "try_wait", "test_wait"))
        {
            case "init": return BarrierStep(0, 1, static (warp, lane, at, value) => warp.Block.Barriers.Initialise(warp, lane, at, value));
            case "arrive":
                bool bytes = Take("expect_tx");
                if (Operand(0).Kind != OperandKind.Sink) throw Error("only the form without a state is supported in");
                return BarrierStep(1, bytes ? 2 : -1, static (warp, lane, at, value) => warp.Block.Barriers.Arrive(warp, lane, at, value),
                    publishes: true);
            case "try_wait" or "test_wait" when Take("parity"): return BarrierPoll();
            default: return false;
        }
    }

    private bool BarrierStep(int place, int value, Action<Warp, int, ulong, uint> step, bool publishes = false)
    {
        (int address, ulong offset) = BarrierAddress(place);
        int operand = value < 0 ? linker.Constant(0) * 32 : Source(value, PtxType.U32);
        _instruction.Run = (warp, mask) =>
        {
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                step(warp, lane, BarrierPlace(warp, lane, address, offset), (uint)warp.R[operand + lane]);
            }
            // What the warp does from here on is not covered by what it has published.
            if (publishes) warp.Synchronise();
        };
        return true;
    }

    private bool BarrierPoll()
    {
        int p = PredicateDestination(Operand(0)), parity = Source(2, PtxType.U32);
        (int address, ulong offset) = BarrierAddress(1);
        _instruction.Flow = Flow.Poll;
        _instruction.Run = (warp, mask) =>
        {
            uint over = 0;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                if (warp.Block.Barriers.IsOver(warp, lane, BarrierPlace(warp, lane, address, offset), (uint)warp.R[parity + lane]))
                    over |= 1u << lane;
            }
            // What a lane of this warp had copied is known to the others too.
            if (over != 0) warp.Synchronise();
            SetPredicate(warp, p, mask, over);
        };
        return true;
    }

    private (int Address, ulong Offset) BarrierAddress(int index)
    {
        if (TakeAny("shared", "shared::cta").Length == 0) throw Error("a barrier in the block's shared memory is wanted in");
        if (TakeType() != PtxType.B64) throw Error("only .b64 is supported in");
        (int address, ulong offset, _) = Address(Operand(index), PtxSpace.Shared);
        NarrowGrain(PtxSpace.Shared, sizeof(ulong));
        return (address, offset);
    }

    private static ulong BarrierPlace(Warp warp, int lane, int address, ulong offset)
    {
        ulong at = (uint)(warp.R[address + lane] + offset);
        if (at % sizeof(ulong) != 0)
            throw warp.Fault(FaultKind.Misaligned, lane, $"a barrier at shared address 0x{at:X}, which is no multiple of 8");
        return at;
    }

    /// <summary>
    /// <c>cp.async.bulk.tensor.2d</c> from global to shared memory: each row of the box is copied in 16-byte chunks, exchanged by bits 7 to
    /// 9 of their address; what lies outside the matrix becomes 0 and counts among the bytes too.
    /// </summary>
    private bool CopyBox()
    {
        if (!Take("tensor") || !Take("2d") || TakeAny("shared::cluster", "shared::cta").Length == 0 || !Take("global"))
            throw Error("only copies of tensors of two dimensions to shared memory are supported:");
        Take("tile");
        if (!Take("mbarrier::complete_tx::bytes")) throw Error("a barrier is wanted in");
        (int to, ulong toOffset, _) = Address(Operand(0), PtxSpace.Shared);
        PtxOperand source = Operand(1);
        if (source.Kind != OperandKind.Address
            || source.Items is not [{ } map, { Kind: OperandKind.Vector, Items: [{ } inner, { } outer] }])
            throw Error("a tensor map and two coordinates are wanted in");
        int from = Source(map, PtxType.B64), x = Source(inner, PtxType.S32), y = Source(outer, PtxType.S32);
        (int barrier, ulong barrierOffset, _) = Address(Operand(2), PtxSpace.Shared);
        NarrowGrain(PtxSpace.Shared, sizeof(ulong));
        NarrowGrain(PtxSpace.Global, 2);
        _instruction.Run = (warp, mask) =>
        {
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                ulong target = (uint)(warp.R[to + lane] + toOffset);
                TensorMapBits matrix = Map(warp, lane, warp.R[from + lane]);
                if (target % TensorMapBits.SwizzleBytes != 0)
                    throw warp.Fault(
                        FaultKind.Misaligned, lane, $"a box is copied to shared address 0x{target:X}, which is no multiple of 128");
                Copy(warp, lane, matrix, (int)warp.R[x + lane], (int)warp.R[y + lane], target);
                warp.Block.Barriers.Complete(
                    warp, lane, BarrierPlace(warp, lane, barrier, barrierOffset),
                    matrix.BoxInner * matrix.BoxOuter * matrix.ElementBytes, target);
            }
        };
        return true;
    }

    private static TensorMapBits Map(Warp warp, int lane, ulong address)
    {
        int at = (int)(uint)address;
        bool fits =
            address >> 32 == AddressSpace.ParameterWindow && at % 64 == 0 && at + TensorMapBits.Bytes <= warp.Launch.Parameters.Length;
        return (fits ? TensorMapBits.Decode(warp.Launch.Parameters.AsSpan(at)) : null)
            ?? throw warp.Fault(FaultKind.Trap, lane, $"there is no tensor map at 0x{address:X}");
    }

    private static void Copy(Warp warp, int lane, TensorMapBits matrix, int x, int y, ulong target)
    {
        Span<byte> bytes = stackalloc byte[Chunk];
        int perRow = matrix.BoxInner * matrix.ElementBytes / Chunk, counted = 0;
        for (int i = 0; i < matrix.BoxOuter * perRow; i++)
        {
            long row = y + i / perRow, column = (x + (i % perRow * (long)Chunk / matrix.ElementBytes)) * matrix.ElementBytes;
            long inside = row < 0 || row >= matrix.Outer || column < 0
                ? 0 : Math.Clamp((matrix.Inner * (long)matrix.ElementBytes) - column, 0, Chunk);
            bytes.Clear();
            ulong source = matrix.Address + (ulong)(row * matrix.Stride + column);
            if (inside > 0)
            {
                warp.CopyGlobal(lane, source, bytes[..(int)inside]);
                warp.Addresses[counted++] = source;
            }
            warp.Block.Shared.BeginCopy(warp, lane, Swizzle(target + (ulong)(i * Chunk), 3), bytes);
            if (counted < 32 && i + 1 < matrix.BoxOuter * perRow) continue;
            warp.Launch.GlobalCounters[warp.Pc].Global(warp.Addresses, counted == 32 ? uint.MaxValue : (1u << counted) - 1, Chunk);
            counted = 0;
        }
    }

    /// <summary>The address at which a 16-byte chunk lies, exchanged within 2ⁿ chunks by the bits from 7 on.</summary>
    private static ulong Swizzle(ulong address, int bits) => address ^ ((address >> 7 & ((1u << bits) - 1)) << 4);

    private bool ProxyFence()
    {
        if (_modifiers.RemoveAll(m => m == "async" || m.StartsWith("async::", StringComparison.Ordinal)) == 0)
            throw Error("the proxy is not supported in");
        TakeAny("shared::cta", "shared::cluster");
        _instruction.Run = static (warp, _) => warp.Block.Shared.ProxyFence(warp);
        return true;
    }
}
