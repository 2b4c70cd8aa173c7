using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Conformance.Ptx;

/// <summary>
/// A block's shared memory with, per grain of the narrowest access: who wrote last, and each warp's last read. Two accesses are ordered
/// when the same thread makes them, when a barrier lies between them (vector clocks of the warps), or, within a warp, when an instruction
/// that synchronises the whole warp does.
/// </summary>
/// <remarks>
/// Unordered writes of the same value are let pass, as are unordered atomics; every other unordered pair with a write is a race.
/// Volatile accesses are treated as ordinary ones.
/// </remarks>
internal sealed class SharedMemory : IDisposable
{
    private const int ManyLanes = 32;
    private readonly byte[] _template, _state, _data;
    private readonly long[] _writes;
    private readonly int[] _reads, _writePc, _readPc;
    private readonly int _grain, _warps, _cells;
    /// <summary>Whether the last write was an ordinary one; what each warp knew at its last proxy fence, and its clock then.</summary>
    private readonly bool[] _ordinary;
    private readonly int[][] _fenced;
    private readonly int[] _fencedAt;

    public SharedMemory(Launch launch)
    {
        PtxKernel kernel = launch.Kernel;
        _template = kernel.Shared.States(kernel.DynamicSharedStart, launch.DynamicSharedBytes);
        _state = new byte[_template.Length];
        _data = ArrayPool<byte>.Shared.Rent(_template.Length);
        _grain = kernel.SharedGrain;
        _warps = launch.WarpsPerBlock;
        _cells = (_template.Length >> _grain) + 1;
        _writes = ArrayPool<long>.Shared.Rent(_cells);
        _writePc = ArrayPool<int>.Shared.Rent(_cells);
        _readPc = ArrayPool<int>.Shared.Rent(_cells);
        _reads = ArrayPool<int>.Shared.Rent(_cells * _warps);
        _ordinary = ArrayPool<bool>.Shared.Rent(_cells);
        _fenced = [.. Enumerable.Range(0, _warps).Select(_ => new int[_warps])];
        _fencedAt = new int[_warps];
    }

    public void Begin()
    {
        _template.CopyTo(_state, 0);
        Array.Clear(_writes, 0, _cells);
        Array.Clear(_reads, 0, _cells * _warps);
        foreach (int[] fenced in _fenced) Array.Clear(fenced);
    }

    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_data);
        ArrayPool<long>.Shared.Return(_writes);
        ArrayPool<int>.Shared.Return(_writePc);
        ArrayPool<int>.Shared.Return(_readPc);
        ArrayPool<int>.Shared.Return(_reads);
        ArrayPool<bool>.Shared.Return(_ordinary);
    }

    public ReadOnlySpan<byte> Read(Warp warp, int lane, ulong offset, int size)
    {
        int at = (int)offset;
        bool fits = offset <= (ulong)(_state.Length - size) && (at & (size - 1)) == 0;
        if (!fits || !ByteState.All(_state, at, size, ByteState.Ready))
            throw Unreadable(warp, lane, Locate(warp, lane, offset, size, "read"), size);
        for (int cell = at >> _grain; cell <= (at + size - 1) >> _grain; cell++) NoteRead(warp, lane, cell);
        return _data.AsSpan(at, size);
    }

    public void Write(Warp warp, int lane, ulong offset, ReadOnlySpan<byte> value)
    {
        int at = (int)offset;
        bool fits = offset <= (ulong)(_state.Length - value.Length) && (at & (value.Length - 1)) == 0;
        if (!fits || !ByteState.AreOpen(_state, at, value.Length))
        {
            at = Locate(warp, lane, offset, value.Length, "write");
            RejectPending(warp, lane, at, value.Length);
        }

        CheckWrite(warp, lane, at, value.Length, value, false);
        value.CopyTo(_data.AsSpan(at));
        _state.AsSpan(at, value.Length).Fill(ByteState.Ready);
    }

    /// <summary>What <see cref="Read"/> does, for one to four words of each lane at the warp's <see cref="Warp.Addresses"/>.</summary>
    public void ReadWords(Warp warp, uint mask, int[] registers)
    {
        ulong[] addresses = warp.Addresses, r = warp.R;
        int own = warp.Index, clock = warp.Clock, pc = warp.Pc, size = 4 * registers.Length;
        Span<int> reads = _reads.AsSpan(own * _cells, _cells);
        for (; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            ReadOnlySpan<byte> value;
            if (IsPlain(addresses[lane], size))
            {
                int at = (int)addresses[lane], end = (at + size) >> 2;
                for (int cell = at >> 2; cell < end; cell++)
                {
                    if (!OrderedAfter(_writes[cell], warp, lane)) NoteRead(warp, lane, cell);
                    reads[cell] = Merged(reads[cell], clock, lane);
                    _readPc[cell] = pc;
                }

                value = _data.AsSpan(at, size);
            }
            else value = Read(warp, lane, addresses[lane], size);

            for (int i = 0; i < registers.Length; i++) r[registers[i] + lane] = MemoryMarshal.Read<uint>(value[(4 * i)..]);
        }
    }

    /// <summary>Whether words are written, aligned and of the grain.</summary>
    private bool IsPlain(ulong offset, int size)
    {
        if (_grain != 2 || offset > (ulong)(_state.Length - size) || (offset & (uint)(size - 1)) != 0) return false;
        for (int at = (int)offset; size > 0; at += 4, size -= 4)
            if (!ByteState.All(_state, at, 4, ByteState.Ready)) return false;
        return true;
    }

    /// <summary>A read by wgmma, of no lane in particular: what ordinary instructions wrote must have passed a proxy fence.</summary>
    public ReadOnlySpan<byte> ReadAsync(Warp warp, ulong offset, int size)
    {
        ReadOnlySpan<byte> value = Read(warp, 0, offset, size);
        RequireFence(warp, 0, offset, size);
        for (int cell = (int)offset >> _grain; cell <= ((int)offset + size - 1) >> _grain; cell++) NoteRead(warp, 1, cell);
        return value;
    }

    /// <summary><c>fence.proxy.async</c>: what this warp knows to be written may be used by copies and wgmma.</summary>
    public void ProxyFence(Warp warp)
    {
        warp.Clocks.CopyTo(_fenced[warp.Index], 0);
        _fencedAt[warp.Index] = warp.Clock;
        warp.Synchronise();
    }

    /// <summary>Whether ordinary writes are followed by a proxy fence that this warp knows of.</summary>
    public void RequireFence(Warp warp, int lane, ulong offset, int size)
    {
        for (int cell = (int)offset >> _grain; cell <= ((int)offset + size - 1) >> _grain; cell++)
        {
            long written = _writes[cell];
            if (written == 0 || !_ordinary[cell]) continue;
            int by = (int)(written >> 8) & 0xFF, fence = 0;
            while (fence < _warps && !(_fenced[fence][by] >= written >> 16 && warp.Clocks[fence] >= _fencedAt[fence])) fence++;
            if (fence == _warps)
                throw warp.Fault(FaultKind.ProxyFence, lane,
                    $"shared address 0x{cell << _grain:X} was written at {warp.Describe(_writePc[cell])}, and no proxy fence lies between");
        }
    }

    /// <summary>Whether what was last written at an address is known to this thread.</summary>
    public void RequireOrder(Warp warp, int lane, ulong offset)
    {
        int cell = (int)offset >> _grain;
        long written = _writes[cell];
        if (!OrderedAfter(written, warp, lane))
            throw Race(warp, lane, cell, "used", "written", (int)(written >> 8) & 0xFF, (int)written & 0x1F, _writePc[cell]);
    }

    /// <summary>The bytes an atomic operation reads and writes.</summary>
    public Span<byte> Atomic(Warp warp, int lane, ulong offset, int size)
    {
        int at = Locate(warp, lane, offset, size, "atomic operation");
        if (!ByteState.All(_state, at, size, ByteState.Ready)) throw Unreadable(warp, lane, at, size);
        CheckWrite(warp, lane, at, size, [], true);
        return _data.AsSpan(at, size);
    }

    /// <summary>The issue of a cp.async: the data is here, but nobody may look until the wait.</summary>
    public void BeginCopy(Warp warp, int lane, ulong offset, ReadOnlySpan<byte> value)
    {
        int at = Locate(warp, lane, offset, value.Length, "cp.async write");
        RejectPending(warp, lane, at, value.Length);
        CheckWrite(warp, lane, at, value.Length, [], false);
        value.CopyTo(_data.AsSpan(at));
        _state.AsSpan(at, value.Length).Fill(ByteState.Mapped | ByteState.Pending);
    }

    /// <summary>The wait for a cp.async: from here on it counts as a write of the waiting thread.</summary>
    public void EndCopy(Warp warp, int lane, ulong offset, int size, int issuedAt)
    {
        EndCopy(warp, lane, offset, size, issuedAt, warp.Clock);
        for (int cell = (int)offset >> _grain; cell <= ((int)offset + size - 1) >> _grain; cell++) _ordinary[cell] = true;
    }

    /// <summary>The end of a copy that a barrier tells of: it counts as a write at the clock of its issue.</summary>
    public void EndCopy(Warp warp, int lane, ulong offset, int size, int issuedAt, int clock)
    {
        int at = (int)offset;
        _state.AsSpan(at, size).Fill(ByteState.Ready);
        for (int cell = at >> _grain; cell <= (at + size - 1) >> _grain; cell++)
        {
            _writes[cell] = (long)clock << 16 | (Event(warp, lane, false) & 0xFFFF);
            _writePc[cell] = issuedAt;
            _ordinary[cell] = false;
        }
    }

    private int Locate(Warp warp, int lane, ulong offset, int size, string access)
    {
        if ((offset & (uint)(size - 1)) != 0)
            throw warp.Fault(FaultKind.Misaligned, lane,
                $"{access} of {size} bytes at shared address 0x{offset:X}, which is no multiple of {size}");
        int at = (int)Math.Min(offset, int.MaxValue);
        if ((long)at + size > _state.Length || _state.AsSpan(at, size).Contains((byte)0))
            throw warp.Fault(FaultKind.OutOfBounds, lane,
                $"{access} of {size} bytes at shared address 0x{offset:X}, outside every shared variable");
        return at;
    }

    private void RejectPending(Warp warp, int lane, int at, int size)
    {
        foreach (byte state in _state.AsSpan(at, size))
            if ((state & ByteState.Pending) != 0)
                throw warp.Fault(FaultKind.AsyncCopyNotWaited, lane,
                    $"shared address 0x{at:X} is the destination of a cp.async that has not been waited for");
    }

    private PtxFaultException Unreadable(Warp warp, int lane, int at, int size)
    {
        RejectPending(warp, lane, at, size);
        int unwritten = at + _state.AsSpan(at, size).IndexOf(ByteState.Mapped);
        return warp.Fault(FaultKind.UninitialisedRead, lane,
            $"read of {size} bytes at shared address 0x{at:X}: the byte at 0x{unwritten:X} was never written in this block");
    }

    // An event: clock << 16 | warp << 8 | atomic << 7 | lane. Clocks start at 1, so 0 means none.
    private static long Event(Warp warp, int lane, bool atomic) =>
        (long)warp.Clock << 16 | (long)warp.Index << 8 | (atomic ? 0x80L : 0) | (long)lane;

    private static bool Ordered(Warp warp, int lane, int otherWarp, long otherClock, int otherLane) =>
        otherWarp == warp.Index ? otherClock < warp.Clock || otherLane == lane : warp.Clocks[otherWarp] >= otherClock;

    private static bool OrderedAfter(long written, Warp warp, int lane) =>
        written == 0 || Ordered(warp, lane, (int)(written >> 8) & 0xFF, written >> 16, (int)written & 0x1F);

    private void NoteRead(Warp warp, int lane, int cell)
    {
        long written = _writes[cell];
        if (!OrderedAfter(written, warp, lane))
            throw Race(warp, lane, cell, "read", "written", (int)(written >> 8) & 0xFF, (int)written & 0x1F, _writePc[cell]);
        ref int read = ref _reads[warp.Index * _cells + cell];
        read = Merged(read, warp.Clock, lane);
        _readPc[cell] = warp.Pc;
    }

    private static int Merged(int read, int clock, int lane) => clock << 6 | (read >> 6 == clock && (read & 63) != lane ? ManyLanes : lane);

    private void CheckWrite(Warp warp, int lane, int at, int size, ReadOnlySpan<byte> value, bool atomic)
    {
        for (int cell = at >> _grain; cell <= (at + size - 1) >> _grain; cell++)
        {
            long written = _writes[cell];
            if (!OrderedAfter(written, warp, lane) && !(atomic && (written & 0x80) != 0) && !SameValue(cell, at, value))
                throw Race(warp, lane, cell, "written", "written", (int)(written >> 8) & 0xFF, (int)written & 0x1F, _writePc[cell]);
            for (int other = 0; other < _warps; other++)
            {
                int read = _reads[other * _cells + cell];
                if (read != 0 && !Ordered(warp, lane, other, read >> 6, read & 63))
                    throw Race(warp, lane, cell, "written", "read", other, read & 63, _readPc[cell]);
            }
            _writes[cell] = Event(warp, lane, atomic);
            _writePc[cell] = warp.Pc;
            _ordinary[cell] = true;
        }
    }

    private bool SameValue(int cell, int at, ReadOnlySpan<byte> value)
    {
        int start = Math.Max(cell << _grain, at) - at, length = Math.Min(1 << _grain, value.Length - start);
        return length > 0 && _data.AsSpan(at + start, length).SequenceEqual(value.Slice(start, length));
    }

    private PtxFaultException Race(Warp warp, int lane, int cell, string now, string before, int otherWarp, int otherLane, int pc)
    {
        string who = otherLane == ManyLanes
            ? $"several threads of warp {otherWarp}" : $"thread {warp.Launch.Block.Position(otherWarp * 32 + otherLane)}";
        string what = $"shared address 0x{cell << _grain:X} is {now} here and was {before} by {who} at {warp.Describe(pc)}";
        return warp.Fault(FaultKind.Race, lane, what + " with nothing to order the two");
    }
}
