using System.Numerics;

namespace Conformance.Ptx;

/// <summary>A block of threads: its warps, its shared memory, its barriers. Reused for every block of the grid.</summary>
internal sealed class BlockState
{
    private const int Quantum = 20_000, NamedBarriers = 16;
    private readonly Launch _launch;
    private readonly Warp[] _warps;
    private readonly List<(Warp Warp, BarrierUse Use, int Pc)>[] _arrived = new List<(Warp, BarrierUse, int)>[NamedBarriers];
    private readonly int[] _expected = new int[NamedBarriers];
    /// <summary>What the warps that arrived at a barrier knew when they did.</summary>
    private readonly int[][] _latest = new int[NamedBarriers][];

    public BlockState(Launch launch, SharedMemory shared)
    {
        _launch = launch;
        Shared = shared;
        Barriers = new SharedBarriers(this);
        _warps = new Warp[launch.WarpsPerBlock];
        for (int i = 0; i < _warps.Length; i++) _warps[i] = new Warp(launch, this, i);
        Products = [.. Enumerable.Range(0, (_warps.Length + 3) / 4).Select(_ => new List<(int, ulong, ulong)>())];
        for (int i = 0; i < NamedBarriers; i++)
        {
            _arrived[i] = [];
            _latest[i] = new int[_warps.Length];
        }
    }

    public Dim3 Position { get; private set; }
    /// <summary>The block's linear index, from 1.</summary>
    public int Number { get; private set; }
    /// <summary>How many barriers of the whole block have completed.</summary>
    public int Epoch { get; private set; }
    public SharedMemory Shared { get; }
    public SharedBarriers Barriers { get; }
    /// <summary>The products of each four warps: instruction and operands, in the order of the first warp that came there.</summary>
    public List<(int Pc, ulong Left, ulong Right)>[] Products { get; }

    public void Run(int number)
    {
        Number = number + 1;
        Position = _launch.Grid.Position(number);
        Epoch = 1;
        Shared.Begin();
        Barriers.Begin();
        foreach (var products in Products) products.Clear();
        foreach (Warp warp in _warps) warp.Begin();
        foreach (var arrived in _arrived) arrived.Clear();
        foreach (int[] latest in _latest) Array.Clear(latest);
        int running = _warps.Length;
        while (running > 0)
        {
            bool progress = false;
            foreach (Warp warp in _warps)
            {
                if (warp.Status != WarpStatus.Running) continue;
                progress = true;
                _launch.Spend(warp, warp.Run(Quantum));
                if (warp.Status == WarpStatus.Exited) running--;
            }
            if (!progress) throw Stuck();
        }
        CheckAbandoned();
    }

    /// <summary>A warp reaches a barrier. Only whole warps may; those with ended threads are not whole.</summary>
    public void Arrive(Warp warp, BarrierUse use, uint mask)
    {
        uint missing = warp.Existing & ~mask;
        if (missing != 0)
        {
            int lane = BitOperations.TrailingZeroCount(missing);
            string state = (warp.Live >> lane & 1) != 0 ? "is on another path" : "has ended";
            throw warp.Fault(FaultKind.DivergentBarrier, lane, $"the warp reaches a block barrier, but this thread {state}");
        }
        int first = BitOperations.TrailingZeroCount(mask);
        uint id = (uint)warp.R[use.Id + first];
        if (id >= NamedBarriers) throw warp.Fault(FaultKind.Trap, first, $"barrier {id} does not exist: there are {NamedBarriers}");
        int threads = use.Threads < 0 ? _warps.Length * 32 : (int)warp.R[use.Threads + first];
        if (threads <= 0 || threads % 32 != 0)
            throw warp.Fault(FaultKind.DivergentBarrier, first,
                $"a barrier's thread count must be a positive multiple of 32, not {threads}");
        var arrived = _arrived[id];
        if (arrived.Count > 0 && _expected[id] != threads)
            throw warp.Fault(FaultKind.DivergentBarrier, first,
                $"barrier {id} is awaited for {_expected[id]} threads by other warps, for {threads} by this one");
        _expected[id] = threads;
        arrived.Add((warp, use, warp.Pc));
        for (int i = 0; i < _warps.Length; i++) _latest[id][i] = Math.Max(_latest[id][i], warp.Clocks[i]);
        if (use.Kind == BarrierKind.Arrive)
        {
            warp.Synchronise();
            warp.Status = WarpStatus.Running;
        }
        if (arrived.Count * 32 >= threads) Complete(arrived, _latest[id], threads == _warps.Length * 32);
    }

    private void Complete(List<(Warp Warp, BarrierUse Use, int Pc)> arrived, int[] latest, bool whole)
    {
        Reduce(arrived);
        foreach ((Warp warp, BarrierUse use, _) in arrived)
        {
            if (use.Kind == BarrierKind.Arrive) continue;
            for (int i = 0; i < latest.Length; i++) warp.Clocks[i] = Math.Max(warp.Clocks[i], latest[i]);
            warp.Synchronise();
            warp.Status = WarpStatus.Running;
        }
        if (whole) Epoch++;
        arrived.Clear();
        Array.Clear(latest);
    }

    private static void Reduce(List<(Warp Warp, BarrierUse Use, int Pc)> arrived)
    {
        int count = 0, threads = 0;
        foreach ((Warp warp, BarrierUse use, _) in arrived)
        {
            if (use.Kind != BarrierKind.Reduce) continue;
            count += BitOperations.PopCount(use.Source.Read(warp) & warp.Existing);
            threads += BitOperations.PopCount(warp.Existing);
        }
        foreach ((Warp warp, BarrierUse use, _) in arrived)
        {
            if (use.Kind != BarrierKind.Reduce) continue;
            if (use.Reduction == "popc") warp.R.AsSpan(use.Destination, 32).Fill((ulong)count);
            else warp.P[use.Destination] = (use.Reduction == "and" ? count == threads : count > 0) ? uint.MaxValue : 0;
        }
    }

    private PtxFaultException Stuck()
    {
        Warp waiting = Array.Find(_warps, w => w.Status == WarpStatus.AtBarrier)!;
        var states = _warps.Select(w => $"warp {w.Index} "
            + (w.Status == WarpStatus.Exited ? "has ended" : "waits at " + w.Describe(w.Pc)));
        return waiting.Fault(FaultKind.DivergentBarrier, 0, "the barrier is never complete: " + string.Join("; ", states));
    }

    /// <summary>A barrier that some warps arrived at without waiting, and nobody completed.</summary>
    private void CheckAbandoned()
    {
        foreach (var arrived in _arrived)
            if (arrived.Count > 0)
                throw arrived[0].Warp.Fault(FaultKind.DivergentBarrier, 0, "the block ends while this barrier is incomplete",
                    arrived[0].Pc);
    }
}
