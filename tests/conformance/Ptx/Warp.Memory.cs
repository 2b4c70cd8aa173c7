using System.Numerics;

namespace Conformance.Ptx;

internal sealed partial class Warp
{
    private readonly byte[] _localStates, _local, _localState;

    /// <summary>The space a generic address points into; the address within it comes back in <paramref name="address"/>.</summary>
    private static PtxSpace Resolve(PtxSpace space, ref ulong address)
    {
        if (space != PtxSpace.Generic) return space;
        ulong window = address >> 32;
        if (window is not (AddressSpace.SharedWindow or AddressSpace.LocalWindow)) return PtxSpace.Global;
        address &= uint.MaxValue;
        return window == AddressSpace.SharedWindow ? PtxSpace.Shared : PtxSpace.Local;
    }

    public ReadOnlySpan<byte> Load(PtxSpace space, int lane, ulong address, int size, bool nonCoherent)
    {
        switch (Resolve(space, ref address))
        {
            case PtxSpace.Shared:
                return Block.Shared.Read(this, lane, address, size);
            case PtxSpace.Local:
                int at = LocateLocal(lane, address, size, "read");
                return ByteState.All(_localState, at, size, ByteState.Ready)
                    ? _local.AsSpan(at, size)
                    : throw Fault(FaultKind.UninitialisedRead, lane,
                        $"read of {size} bytes at local address 0x{address:X}, which the thread has not written");
            default:
                return Launch.Global.Read(this, lane, address, size, nonCoherent);
        }
    }

    public void Store(PtxSpace space, int lane, ulong address, ReadOnlySpan<byte> value)
    {
        switch (Resolve(space, ref address))
        {
            case PtxSpace.Shared:
                Block.Shared.Write(this, lane, address, value);
                break;
            case PtxSpace.Local:
                int at = LocateLocal(lane, address, value.Length, "write");
                value.CopyTo(_local.AsSpan(at));
                _localState.AsSpan(at, value.Length).Fill(ByteState.Ready);
                break;
            default:
                Launch.Global.Write(this, lane, address, value);
                break;
        }
    }

    public Span<byte> Atomic(PtxSpace space, int lane, ulong address, int size, bool fenced) => Resolve(space, ref address) switch
    {
        PtxSpace.Shared => Block.Shared.Atomic(this, lane, address, size),
        PtxSpace.Local => throw Fault(FaultKind.OutOfBounds, lane, $"atomic operation at local address 0x{address:X}"),
        _ => Launch.Global.Atomic(this, lane, address, size, fenced),
    };

    /// <summary>Reads <paramref name="into"/>'s length from an aligned global address, in naturally aligned pieces.</summary>
    public void CopyGlobal(int lane, ulong address, Span<byte> into)
    {
        for (int done = 0; done < into.Length;)
        {
            int piece = 1 << BitOperations.Log2((uint)(into.Length - done));
            Launch.Global.Read(this, lane, address + (ulong)done, piece, false).CopyTo(into[done..]);
            done += piece;
        }
    }

    /// <summary>
    /// Counts the cost of the running instruction's accesses at <see cref="Addresses"/>; generic ones by where they point.
    /// </summary>
    public void Count(PtxSpace space, uint mask, int size)
    {
        uint shared = space == PtxSpace.Shared ? mask : 0, global = space is PtxSpace.Global or PtxSpace.Const ? mask : 0;
        for (uint rest = space == PtxSpace.Generic ? mask : 0; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong window = Addresses[lane] >> 32;
            if (window == AddressSpace.SharedWindow) shared |= 1u << lane;
            else if (window != AddressSpace.LocalWindow) global |= 1u << lane;
        }
        Launch.SharedCounters[Pc].Shared(Addresses, shared, size);
        Launch.GlobalCounters[Pc].Global(Addresses, global, size);
    }

    private int LocateLocal(int lane, ulong address, int size, string access)
    {
        if ((address & (uint)(size - 1)) != 0)
            throw Fault(FaultKind.Misaligned, lane,
                $"{access} of {size} bytes at local address 0x{address:X}, which is no multiple of {size}");
        int at = (int)Math.Min(address, int.MaxValue);
        if ((long)at + size > _localStates.Length || _localStates.AsSpan(at, size).Contains((byte)0))
            throw Fault(FaultKind.OutOfBounds, lane,
                $"{access} of {size} bytes at local address 0x{address:X}, outside every local variable");
        return lane * _localStates.Length + at;
    }
}

/// <summary>The cp.async operations a warp has issued and not waited for.</summary>
internal sealed class AsyncCopies(Warp warp)
{
    private readonly List<(int Lane, ulong Offset, int Size, int Group, int Pc)> _pending = [];
    private readonly int[] _group = new int[32];

    public void Clear()
    {
        _pending.Clear();
        Array.Clear(_group);
    }

    public void Issue(int lane, ulong sharedOffset, ReadOnlySpan<byte> value)
    {
        warp.Block.Shared.BeginCopy(warp, lane, sharedOffset, value);
        _pending.Add((lane, sharedOffset, value.Length, _group[lane], warp.Pc));
    }

    /// <summary><c>cp.async.commit_group</c>: what the lanes issued since the last one forms a group.</summary>
    public void Commit(uint mask)
    {
        for (int lane = 0; lane < 32; lane++)
            if ((mask >> lane & 1) != 0) _group[lane]++;
    }

    /// <summary>
    /// <c>cp.async.wait_group</c>: all but the last <paramref name="remaining"/> groups of the lanes are complete; −1: everything is.
    /// </summary>
    public void Wait(uint mask, int remaining)
    {
        int kept = 0;
        for (int i = 0; i < _pending.Count; i++)
        {
            var copy = _pending[i];
            bool done = (mask >> copy.Lane & 1) != 0 && (remaining < 0 || copy.Group < _group[copy.Lane] - remaining);
            if (done) warp.Block.Shared.EndCopy(warp, copy.Lane, copy.Offset, copy.Size, copy.Pc);
            else _pending[kept++] = copy;
        }
        _pending.RemoveRange(kept, _pending.Count - kept);
    }
}
