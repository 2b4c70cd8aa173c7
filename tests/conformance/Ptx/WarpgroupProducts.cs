using Conformance.Cases;

namespace Conformance.Ptx;

/// <summary>
/// The wgmma operations a warp has issued and not waited for. Their results come into registers at the wait; until then a touch of those
/// registers is a fault, and a write to what they read is a race.
/// </summary>
internal sealed class WarpgroupProducts(Warp warp)
{
    private readonly List<(int[] Sums, ulong[] Values, List<ulong> Places, int Group, int Pc)> _pending = [];
    private ulong[]? _fenced;
    private int _group, _issued;

    /// <summary>Whether there are products that were not waited for.</summary>
    public bool AreUnderWay => _pending.Count > 0;

    public void Clear()
    {
        _pending.Clear();
        _fenced = null;
        (_group, _issued) = (0, 0);
    }

    /// <summary><c>wgmma.fence</c>: products may use the registers as they are now.</summary>
    public void Fence()
    {
        warp.Synchronise();
        _fenced = [.. warp.R];
    }

    /// <summary>Holds an instruction that touches the sums of a product under way.</summary>
    public void Check(Instruction instruction)
    {
        if (instruction.Opcode.StartsWith("wgmma.", StringComparison.Ordinal)) return;
        foreach (int slot in instruction.Registers)
            foreach (var product in _pending)
                if (product.Sums.Contains(slot * 32))
                    throw warp.Fault(FaultKind.AsyncRegisters, 0,
                        $"the register holds sums of the wgmma at {warp.Describe(product.Pc)}, which has not been waited for");
    }

    /// <summary>What the sums of a product begin with, by register and lane.</summary>
    public ulong[] Start(int[] sums, bool add)
    {
        int last = _pending.FindLastIndex(p => p.Sums.Intersect(sums).Any());
        if (last >= 0)
        {
            if (!_pending[last].Sums.SequenceEqual(sums))
                throw warp.Fault(
                    FaultKind.AsyncRegisters, 0, "some of the sums belong to a product of another shape that has not been waited for");
            return add ? [.. _pending[last].Values] : new ulong[32 * sums.Length];
        }

        foreach (int register in sums)
            if (_fenced is null || !_fenced.AsSpan(register, 32).SequenceEqual(warp.R.AsSpan(register, 32)))
                throw warp.Fault(FaultKind.AsyncRegisters, 0, "no wgmma.fence comes after the last write to the sums");
        var start = new ulong[32 * sums.Length];
        for (int i = 0; i < start.Length && add; i++) start[i] = warp.R[sums[i / 32] + i % 32];
        return start;
    }

    public void Issue(int[] sums, ulong[] values, List<ulong> places) => _pending.Add((sums, values, places, _group, warp.Pc));

    public void Commit() => _group++;

    /// <summary>All but the last groups are complete.</summary>
    public void Wait(int remaining)
    {
        int done = _pending.FindIndex(p => p.Group >= _group - remaining);
        if (done < 0) done = _pending.Count;
        foreach (var product in _pending.Take(done))
        {
            // Until now it may have been reading.
            foreach (ulong place in product.Places) warp.Block.Shared.ReadAsync(warp, place, 16);
            for (int i = 0; i < product.Values.Length; i++)
                _fenced![product.Sums[i / 32] + i % 32] = warp.R[product.Sums[i / 32] + i % 32] = product.Values[i];
        }
        _pending.RemoveRange(0, done);
        warp.Synchronise();
    }

    /// <summary>The four warps issue the same products in the same order.</summary>
    public void Agree(ulong left, ulong right)
    {
        List<(int Pc, ulong Left, ulong Right)> all = warp.Block.Products[warp.Index / 4];
        if (_issued == all.Count) all.Add((warp.Pc, left, right));
        if (all[_issued++] != (warp.Pc, left, right))
            throw warp.Fault(FaultKind.DivergentWarp, 0,
                $"the four warps differ in wgmma {_issued}: another one has 0x{all[_issued - 1].Left:X}, 0x{all[_issued - 1].Right:X} at "
                + $"{warp.Describe(all[_issued - 1].Pc)}");
    }

    /// <summary>The warp ends.</summary>
    public void End()
    {
        if (AreUnderWay) throw warp.Fault(FaultKind.AsyncRegisters, 0, "the warp ends before its products were waited for");
        if (_issued > 0 && _issued < warp.Block.Products[warp.Index / 4].Count)
            throw warp.Fault(FaultKind.DivergentWarp, 0,
                $"this warp has issued {_issued} wgmma, others of its four {warp.Block.Products[warp.Index / 4].Count}");
    }
}
