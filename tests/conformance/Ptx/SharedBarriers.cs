namespace Conformance.Ptx;

/// <summary>
/// The mbarriers in a block's shared memory. A phase is over when the arrivals it was initialised with and all bytes that were announced
/// have come; it carries what those who arrived knew, and whoever sees it over knows that too.
/// </summary>
/// <remarks>Copies bring their bytes at once, but their destinations stay closed until a thread has seen the phase over.</remarks>
internal sealed class SharedBarriers(BlockState block)
{
    private const int MostFailedPolls = 20_000;
    private readonly Dictionary<ulong, SharedBarrier> _barriers = [];

    /// <summary>Polls that found a phase unfinished since the last one that was finished, or arrival.</summary>
    public int FailedPolls { get; private set; }

    public void Begin()
    {
        _barriers.Clear();
        FailedPolls = 0;
    }

    public void Initialise(Warp warp, int lane, ulong at, uint arrivals)
    {
        if (arrivals is 0 or >= 1 << 20)
            throw warp.Fault(FaultKind.Trap, lane, $"a barrier of {arrivals} arrivals; 1 to 1048575 are possible");
        block.Shared.Write(warp, lane, at, BitConverter.GetBytes((ulong)arrivals));
        _barriers[at] = new SharedBarrier((int)arrivals, warp.Clocks.Length);
    }

    /// <summary>An arrival that announces bytes first.</summary>
    public void Arrive(Warp warp, int lane, ulong at, uint bytes)
    {
        SharedBarrier barrier = Find(warp, lane, at);
        barrier.Bytes += bytes;
        if (--barrier.Arrivals < 0)
            throw warp.Fault(
                FaultKind.Trap, lane, $"the barrier at 0x{at:X} is arrived at more often than the {barrier.Count} times of a phase");
        Note(warp, barrier);
    }

    /// <summary>Bytes that a copy has brought.</summary>
    public void Complete(Warp warp, int lane, ulong at, int bytes, ulong destination)
    {
        SharedBarrier barrier = Find(warp, lane, at);
        block.Shared.RequireFence(warp, lane, at, sizeof(ulong));
        barrier.Bytes -= bytes;
        barrier.Copies.Add((warp, lane, destination, bytes, warp.Pc));
        Note(warp, barrier);
    }

    /// <summary>Whether the phase of a parity is over.</summary>
    public bool IsOver(Warp warp, int lane, ulong at, uint parity)
    {
        if (parity > 1) throw warp.Fault(FaultKind.Trap, lane, $"parity {parity}");
        SharedBarrier barrier = Find(warp, lane, at);
        if ((barrier.Phase & 1) == parity)
        {
            if (++FailedPolls > MostFailedPolls)
                throw warp.Fault(FaultKind.DivergentBarrier, lane,
                    $"the barrier at 0x{at:X} is never complete: {barrier.Arrivals} arrivals and {barrier.Bytes} bytes are "
                    + $"missing in its phase {barrier.Phase}");
            return false;
        }

        FailedPolls = 0;
        for (int i = 0; i < barrier.Known.Length; i++) warp.Clocks[i] = Math.Max(warp.Clocks[i], barrier.Known[i]);
        foreach ((Warp issuer, int by, ulong destination, int bytes, int pc) in barrier.Arrived)
            block.Shared.EndCopy(issuer, by, destination, bytes, pc, barrier.KnownOf(issuer));
        barrier.Arrived.Clear();
        return true;
    }

    private void Note(Warp warp, SharedBarrier barrier)
    {
        FailedPolls = 0;
        for (int i = 0; i < barrier.Next.Length; i++) barrier.Next[i] = Math.Max(barrier.Next[i], warp.Clocks[i]);
        if (barrier.Arrivals > 0 || barrier.Bytes != 0) return;
        barrier.Phase++;
        barrier.Arrivals = barrier.Count;
        for (int i = 0; i < barrier.Next.Length; i++) barrier.Known[i] = Math.Max(barrier.Known[i], barrier.Next[i]);
        Array.Clear(barrier.Next);
        barrier.Arrived.AddRange(barrier.Copies);
        barrier.Copies.Clear();
    }

    private SharedBarrier Find(Warp warp, int lane, ulong at)
    {
        if (!_barriers.TryGetValue(at, out SharedBarrier? barrier))
            throw warp.Fault(FaultKind.UninitialisedRead, lane, $"there is no barrier at shared address 0x{at:X}");
        block.Shared.RequireOrder(warp, lane, at);
        return barrier;
    }

    private sealed class SharedBarrier(int count, int warps)
    {
        public int Count { get; } = count;
        public int Arrivals { get; set; } = count;
        public long Bytes { get; set; }
        public int Phase { get; set; }
        /// <summary>What is known to who sees the last phase over, and what those knew who arrived in this one.</summary>
        public int[] Known { get; } = new int[warps];
        public int[] Next { get; } = new int[warps];
        public List<(Warp Warp, int Lane, ulong Destination, int Bytes, int Pc)> Copies { get; } = [];
        /// <summary>Copies of phases that are over, which nobody has seen so yet.</summary>
        public List<(Warp Warp, int Lane, ulong Destination, int Bytes, int Pc)> Arrived { get; } = [];

        public int KnownOf(Warp warp) => Known[warp.Index];
    }
}
