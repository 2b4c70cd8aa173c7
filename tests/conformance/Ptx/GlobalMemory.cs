namespace Conformance.Ptx;

/// <summary>
/// Global memory as one launch sees it. Accesses of different blocks are unordered, unless the earlier block passed a fence and an
/// atomic operation on a place that the later block has since operated on atomically; within a block the order is that of shared memory.
/// </summary>
/// <remarks>
/// Unordered writes of the same value and unordered atomics are let pass; every other unordered pair with a write is a race.
/// </remarks>
internal sealed class GlobalMemory(Launch launch, PtxMachine machine)
{
    private readonly int _grain = launch.Kernel.GlobalGrain;
    /// <summary>
    /// Blocks whose fenced work an atomic variable has published, by address; then, by block, those a block has acquired.
    /// </summary>
    private readonly Dictionary<ulong, HashSet<int>> _published = [];
    private HashSet<int> _acquired = [];
    private int _acquiredBy;
    private bool _fenced;

    public ReadOnlySpan<byte> Read(Warp warp, int lane, ulong address, int size, bool nonCoherent)
    {
        PtxBuffer buffer = Locate(warp, lane, address, size, "read", out int at);
        if (!buffer.IsWritten(at, size))
            throw warp.Fault(FaultKind.UninitialisedRead, lane, $"read of {size} bytes at {Place(buffer, at)}, which nothing has written");
        if (!buffer.ReadOnly) NoteRead(warp, lane, buffer, at, size, nonCoherent);
        return buffer.Data.Slice(at, size);
    }

    public void Write(Warp warp, int lane, ulong address, ReadOnlySpan<byte> value)
    {
        PtxBuffer buffer = Locate(warp, lane, address, value.Length, "write", out int at);
        RejectReadOnly(warp, lane, buffer, at);
        CheckWrite(warp, lane, buffer, at, value.Length, value, false);
        value.CopyTo(buffer.Data[at..]);
        buffer.MarkWritten(at, value.Length);
    }

    /// <summary>The bytes an atomic operation reads and writes.</summary>
    public Span<byte> Atomic(Warp warp, int lane, ulong address, int size, bool fenced)
    {
        PtxBuffer buffer = Locate(warp, lane, address, size, "atomic operation", out int at);
        RejectReadOnly(warp, lane, buffer, at);
        if (!buffer.IsWritten(at, size))
            throw warp.Fault(FaultKind.UninitialisedRead, lane, $"atomic operation at {Place(buffer, at)}, which nothing has written");
        CheckWrite(warp, lane, buffer, at, size, [], true);
        Publish(warp, address, fenced);
        return buffer.Data.Slice(at, size);
    }

    /// <summary>A fence of device scope.</summary>
    public void Fence(Warp warp)
    {
        EnterBlock(warp);
        _fenced = true;
    }

    private void EnterBlock(Warp warp)
    {
        if (_acquiredBy == warp.Block.Number) return;
        _acquiredBy = warp.Block.Number;
        _acquired = [];
        _fenced = false;
    }

    private void Publish(Warp warp, ulong address, bool fenced)
    {
        EnterBlock(warp);
        if (_published.TryGetValue(address, out HashSet<int>? blocks)) _acquired.UnionWith(blocks);
        if (!fenced && !_fenced) return;
        if (blocks is null) _published[address] = blocks = [];
        blocks.UnionWith(_acquired);
        blocks.Add(warp.Block.Number);
    }

    private PtxBuffer Locate(Warp warp, int lane, ulong address, int size, string access, out int at)
    {
        if ((address & (uint)(size - 1)) != 0)
            throw warp.Fault(FaultKind.Misaligned, lane,
                $"{access} of {size} bytes at global address 0x{address:X}, which is no multiple of {size}");
        PtxBuffer? buffer = machine.Find(address >> 32);
        long offset = buffer is null ? -1 : unchecked((long)(address - buffer.Address));
        if (buffer is null || offset < 0 || offset + size > buffer.Bytes)
        {
            string where = buffer is null
                ? "which belongs to no allocation" : $"byte {offset} of '{buffer.Name}', which has {buffer.Bytes} bytes";
            throw warp.Fault(FaultKind.OutOfBounds, lane, $"{access} of {size} bytes at global address 0x{address:X}, {where}");
        }
        at = (int)offset;
        return buffer;
    }

    private static string Place(PtxBuffer buffer, int at) =>
        $"global address 0x{buffer.Address + (ulong)at:X} (byte {at} of '{buffer.Name}')";

    private static void RejectReadOnly(Warp warp, int lane, PtxBuffer buffer, int at)
    {
        if (buffer.ReadOnly) throw warp.Fault(FaultKind.ReadOnly, lane, $"write to {Place(buffer, at)}, which is read-only");
    }

    private GlobalShadow Shadow(PtxBuffer buffer)
    {
        if (buffer.Shadow is not { } shadow || shadow.Grain > _grain) buffer.Shadow = shadow = new GlobalShadow(buffer.Bytes, _grain);
        return shadow;
    }

    private bool Ordered(in GlobalEvent before, Warp warp, int lane)
    {
        if (before.Launch != launch.Number) return true;
        if (before.Block != warp.Block.Number)
        {
            EnterBlock(warp);
            return before.Block != GlobalEvent.Many && _acquired.Contains(before.Block);
        }
        if (before.Warp == GlobalEvent.Many) return before.Epoch < warp.Block.Epoch;
        if (before.Warp == warp.Index) return before.Clock < warp.Clock || before.Lane == lane;
        return warp.Clocks[before.Warp] >= before.Clock;
    }

    private GlobalEvent Event(Warp warp, int lane) => new()
    {
        Launch = launch.Number,
        Block = warp.Block.Number,
        Warp = warp.Index,
        Lane = lane,
        Epoch = warp.Block.Epoch,
        Clock = warp.Clock,
        Pc = warp.Pc,
    };

    private void NoteRead(Warp warp, int lane, PtxBuffer buffer, int at, int size, bool nonCoherent)
    {
        GlobalShadow shadow = Shadow(buffer);
        for (int cell = at >> _grain; cell <= (at + size - 1) >> _grain; cell++)
        {
            ref GlobalEvent write = ref shadow.Writes[cell];
            if (write.Launch == launch.Number)
            {
                if (nonCoherent) throw Race(warp, lane, buffer, cell, "read through the non-coherent cache", "written", write);
                if (!Ordered(write, warp, lane)) throw Race(warp, lane, buffer, cell, "read", "written", write);
            }
            ref GlobalEvent read = ref shadow.Reads[cell];
            GlobalEvent now = Event(warp, lane);
            if (!Ordered(read, warp, lane)) Merge(ref now, read);
            read = now;
        }
    }

    /// <summary>Keeps what the two unordered reads have in common.</summary>
    private static void Merge(ref GlobalEvent now, in GlobalEvent earlier)
    {
        if (earlier.Block != now.Block) now.Block = GlobalEvent.Many;
        else if (earlier.Warp != now.Warp) now.Warp = GlobalEvent.Many;
        else now.Lane = GlobalEvent.Many;
    }

    private void CheckWrite(Warp warp, int lane, PtxBuffer buffer, int at, int size, ReadOnlySpan<byte> value, bool atomic)
    {
        GlobalShadow shadow = Shadow(buffer);
        for (int cell = at >> _grain; cell <= (at + size - 1) >> _grain; cell++)
        {
            ref GlobalEvent write = ref shadow.Writes[cell];
            if (!Ordered(write, warp, lane) && !(atomic && write.Atomic) && !SameValue(buffer, cell, at, value))
                throw Race(warp, lane, buffer, cell, "written", "written", write);
            ref GlobalEvent read = ref shadow.Reads[cell];
            if (!Ordered(read, warp, lane)) throw Race(warp, lane, buffer, cell, "written", "read", read);
            write = Event(warp, lane);
            write.Atomic = atomic;
        }
    }

    private bool SameValue(PtxBuffer buffer, int cell, int at, ReadOnlySpan<byte> value)
    {
        int start = (cell << _grain) - at, length = Math.Min(1 << _grain, value.Length - start);
        return length > 0 && buffer.Data.Slice(at + start, length).SequenceEqual(value.Slice(start, length));
    }

    private PtxFaultException Race(Warp warp, int lane, PtxBuffer buffer, int cell, string now, string before, in GlobalEvent other)
    {
        string who = other.Block == GlobalEvent.Many ? "several blocks"
            : other.Block != warp.Block.Number ? $"block {launch.Grid.Position(other.Block - 1)}"
            : other.Warp == GlobalEvent.Many ? "several warps of this block"
            : other.Lane == GlobalEvent.Many ? $"several threads of warp {other.Warp}"
            : $"thread {launch.Block.Position(other.Warp * 32 + other.Lane)}";
        string what = $"{Place(buffer, cell << _grain)} is {now} here and was {before} by {who} at {warp.Describe(other.Pc)}";
        return warp.Fault(FaultKind.Race, lane, what + " with nothing to order the two");
    }
}
